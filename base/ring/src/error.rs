//! Every refusal has a name of its own, and one clear line.

use std::{fmt, io, path::PathBuf};

use crate::layout::ring::{SLOTS_MAX, SLOTS_MIN};

/// Why a segment could not be created.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The number of slots is not a power of two within the bounds.
    BadSlots(u32),
    /// Epoch 0 means "none".
    ZeroEpoch,
    /// A label is empty, too long, or has other characters than printable ASCII.
    BadLabel {
        /// The label as given.
        label: String,
        /// Its longest length in bytes.
        bytes_max: usize,
    },
    /// Two labels of one segment are the same.
    SameLabel(String),
    /// More labels than the segment has room for, or none.
    LabelCount {
        /// How many were given.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// A system call failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Size of the segment in bytes.
        bytes: usize,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSlots(slots) => write!(
                f,
                "{slots} slots: the number must be a power of two from {SLOTS_MIN} to {SLOTS_MAX}"
            ),
            Self::ZeroEpoch => write!(f, "epoch 0 is reserved for \"none\""),
            Self::BadLabel { label, bytes_max } => {
                write!(f, "label {label:?}: 1 to {bytes_max} printable ASCII characters, no blank")
            }
            Self::SameLabel(label) => write!(f, "label {label:?} is given twice"),
            Self::LabelCount { count, count_max } => {
                write!(f, "{count} labels: there must be 1 to {count_max}")
            }
            Self::Io { doing, bytes, source } => {
                write!(f, "cannot {doing} a shared segment of {bytes} bytes: {source}")
            }
        }
    }
}

impl std::error::Error for CreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a received descriptor is not mapped and read.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttachError {
    /// Not a regular file.
    NotRegularFile,
    /// Belongs to another user.
    WrongOwner {
        /// The owner's user number.
        uid: u32,
    },
    /// Permission bits other than 0600.
    WrongMode {
        /// The permission bits found.
        mode: u32,
    },
    /// Has a name in a file system: not an anonymous segment.
    Linked {
        /// The number of names.
        links: u64,
    },
    /// The descriptor was not opened read-only.
    Writable,
    /// Seals are missing: somebody could still shrink, grow or write it.
    Unsealed {
        /// The seals that are missing, as the kernel's bits.
        missing: i32,
    },
    /// Has holes: reading could fail for want of memory.
    NotAllocated,
    /// Shorter than a header.
    TooShort {
        /// Its length.
        bytes: u64,
    },
    /// Longer than any segment may be.
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// The magic word is still 0: its writer has not finished.
    NotReady,
    /// Not one of our segments.
    WrongMagic(u64),
    /// Written by a machine of the other byte order.
    OtherEndianness,
    /// Another version of the binary interface.
    OtherAbi {
        /// Their major and minor number.
        theirs: (u64, u64),
        /// Ours.
        ours: (u64, u64),
    },
    /// The header says another length than ours has.
    WrongHeaderLength(u64),
    /// Same version, other fields.
    ForeignLayout {
        /// Their layout hash.
        theirs: u64,
        /// Ours.
        ours: u64,
    },
    /// A segment of another kind than announced or expected.
    WrongKind {
        /// The kind's number as found.
        found: u64,
        /// The number of the kind expected.
        expected: u64,
    },
    /// A segment with another label than announced.
    WrongLabel {
        /// The label as found.
        found: String,
        /// The label as announced.
        expected: String,
    },
    /// The header's length, the geometry's and the file's do not agree.
    WrongLength {
        /// What the header says, bytes.
        says: u64,
        /// What the file has, bytes.
        is: u64,
    },
    /// The size of a cell is not ours.
    WrongCellSize(u64),
    /// The number of cells is out of range, or not a power of two in a ring.
    BadCapacity(u64),
    /// Epoch 0.
    ZeroEpoch,
    /// A policy that we do not know.
    BadPolicy(u64),
    /// The label table is not what its count says.
    BadLabels,
    /// A word that must be 0 is not.
    NotZero {
        /// Its index in the header.
        word: usize,
    },
    /// The checksum over the header is wrong.
    Checksum,
    /// A system call failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment refused: ")?;
        match self {
            Self::NotRegularFile => write!(f, "not a regular file"),
            Self::WrongOwner { uid } => write!(f, "it belongs to user {uid}"),
            Self::WrongMode { mode } => write!(f, "its mode is {mode:04o}, not 0600"),
            Self::Linked { links } => write!(f, "it has {links} names in a file system"),
            Self::Writable => write!(f, "the descriptor is not read-only"),
            Self::Unsealed { missing } => write!(f, "seals {missing:#x} are missing"),
            Self::NotAllocated => write!(f, "its memory is not allocated throughout"),
            Self::TooShort { bytes } => write!(f, "{bytes} bytes are less than a header"),
            Self::TooLong { bytes } => write!(f, "{bytes} bytes are more than any segment has"),
            Self::NotReady => write!(f, "its writer has not finished it"),
            Self::WrongMagic(word) => write!(f, "magic {word:#018x} is not ours"),
            Self::OtherEndianness => write!(f, "written in the other byte order"),
            Self::OtherAbi { theirs, ours } => write!(
                f,
                "interface {}.{}, this program speaks {}.{}",
                theirs.0, theirs.1, ours.0, ours.1
            ),
            Self::WrongHeaderLength(bytes) => write!(f, "its header has {bytes} bytes"),
            Self::ForeignLayout { theirs, ours } => {
                write!(f, "layout {theirs:016x}, this program has {ours:016x}")
            }
            Self::WrongKind { found, expected } => {
                write!(f, "kind {found} where kind {expected} was expected")
            }
            Self::WrongLabel { found, expected } => {
                write!(f, "labelled {found:?} where {expected:?} was announced")
            }
            Self::WrongLength { says, is } => {
                write!(f, "its header and geometry say {says} bytes, the file has {is}")
            }
            Self::WrongCellSize(bytes) => write!(f, "cells of {bytes} bytes"),
            Self::BadCapacity(cells) => write!(f, "{cells} cells"),
            Self::ZeroEpoch => write!(f, "its epoch is 0"),
            Self::BadPolicy(word) => write!(f, "policy {word} is unknown"),
            Self::BadLabels => write!(f, "its label table is malformed"),
            Self::NotZero { word } => write!(f, "header word {word} is not 0"),
            Self::Checksum => write!(f, "the header's checksum is wrong"),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why two processes did not meet.
#[derive(Debug)]
#[non_exhaustive]
pub enum MeetError {
    /// A run's name that cannot be a directory's.
    BadName(String),
    /// The role is taken by a live process.
    Busy {
        /// The run.
        run: String,
        /// The role, "feed" or "engine".
        role: &'static str,
        /// Who holds it.
        owner: crate::owner::Owner,
    },
    /// The kernel said no.
    PermissionDenied {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// A directory or file that belongs to another user.
    ForeignOwner {
        /// Which.
        path: PathBuf,
        /// Its owner's user number.
        uid: u32,
    },
    /// A directory or file that others may enter.
    TooOpen {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A link or something else stands where a directory or file of ours should.
    Planted {
        /// Where.
        path: PathBuf,
    },
    /// The process at the other end of the socket belongs to another user.
    ForeignPeer {
        /// Its user number.
        uid: u32,
    },
    /// No live run of that name.
    NoSuchRun(String),
    /// Nobody came within the time allowed.
    TimedOut {
        /// What was waited for.
        waiting_for: &'static str,
        /// The time allowed, milliseconds.
        after_ms: u64,
    },
    /// The caller asked to stop waiting.
    Stopped,
    /// The other side sent us away and said why.
    Refused(String),
    /// The other side sent something that is not ours.
    ForeignMessage(&'static str),
    /// The claim is for the other role.
    WrongRole {
        /// The role needed, "feed" or "engine".
        needed: &'static str,
    },
    /// A build id of more than 64 bytes.
    BadBuild(String),
    /// More segments than one message carries.
    TooManySegments(usize),
    /// A received segment was refused.
    Attach(AttachError),
    /// A system call failed.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Where, empty for a socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl MeetError {
    /// True where rights or ownership stood in the way: the program exits with the code for
    /// "environment".
    pub fn is_permission(&self) -> bool {
        match self {
            Self::PermissionDenied { .. }
            | Self::ForeignOwner { .. }
            | Self::TooOpen { .. }
            | Self::Planted { .. }
            | Self::ForeignPeer { .. }
            | Self::Attach(AttachError::WrongOwner { .. } | AttachError::WrongMode { .. }) => true,
            Self::Io { source, .. } | Self::Attach(AttachError::Io { source, .. }) => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            _ => false,
        }
    }

    /// The kernel's answer to `doing` at `path`, with refusals for want of rights told apart.
    #[cfg(not(tickspin_loom))]
    pub(crate) fn io(doing: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => Self::PermissionDenied { doing, path },
            Some(libc::ELOOP) => Self::Planted { path },
            _ => Self::Io { doing, path, source },
        }
    }
}

impl fmt::Display for MeetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(name) => write!(
                f,
                "run name {name:?}: 1 to 64 of A-Z a-z 0-9 . _ -, not starting with . or -"
            ),
            Self::Busy { run, role, owner } => {
                write!(f, "the {role} of run {run} is taken by {owner}")
            }
            Self::PermissionDenied { doing, path } => {
                write!(f, "not permitted to {doing} {}", path.display())
            }
            Self::ForeignOwner { path, uid } => {
                write!(f, "{} belongs to user {uid}; remove it", path.display())
            }
            Self::TooOpen { path, mode } => write!(
                f,
                "{} has mode {mode:04o} and others may enter it; chmod go= {}",
                path.display(),
                path.display()
            ),
            Self::Planted { path } => {
                write!(f, "{} is a link or of a wrong type; remove it", path.display())
            }
            Self::ForeignPeer { uid } => write!(f, "the other end belongs to user {uid}"),
            Self::NoSuchRun(run) => write!(f, "no live run named {run}"),
            Self::TimedOut { waiting_for, after_ms } => {
                write!(f, "waited {after_ms} ms for {waiting_for}, in vain")
            }
            Self::Stopped => write!(f, "told to stop while waiting for the other side"),
            Self::Refused(why) => write!(f, "refused by the other side: {why}"),
            Self::ForeignMessage(why) => write!(f, "a message that is not ours: {why}"),
            Self::WrongRole { needed } => write!(f, "this needs the claim of role {needed}"),
            Self::BadBuild(build) => write!(f, "build id {build:?} is longer than 64 bytes"),
            Self::TooManySegments(count) => write!(f, "{count} segments are too many at once"),
            Self::Attach(error) => error.fmt(f),
            Self::Io { doing, path, source } if path.as_os_str().is_empty() => {
                write!(f, "cannot {doing}: {source}")
            }
            Self::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for MeetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Attach(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<AttachError> for MeetError {
    fn from(error: AttachError) -> Self {
        Self::Attach(error)
    }
}
