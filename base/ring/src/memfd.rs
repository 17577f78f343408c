//! Sealed anonymous memory: created and sealed by its writer, checked and mapped read-only by
//! everyone else.
//!
//! The order is create, mode, allocate, map, write, seal. Sealing *after* mapping keeps the
//! writer's own mapping writable (`F_SEAL_FUTURE_WRITE`) while nobody can ever get another writable
//! one, not even its owner. What is handed out is the same memory opened again read-only through
//! `/proc/self/fd`, never the original. Nothing is left behind after any crash: the memory has no
//! name and goes with its last user.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    sync::Arc,
};

use memmap2::MmapOptions;

use crate::{
    error::{AttachError, CreateError},
    header::{Header, SegmentKind},
    layout::{self, HEADER_BYTES, HEADER_WORDS, HUGE_PAGE_BYTES, SEGMENT_BYTES_MAX, WORD_BYTES},
    memory::Mapping,
    sync::{Ordering, fence},
};

/// What no reader does without.
const SEALS: i32 =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

/// A segment that this process writes.
pub(crate) struct Created {
    pub(crate) header: Header,
    pub(crate) memory: Arc<Mapping>,
    /// Read-only, for handing out.
    pub(crate) shared: OwnedFd,
    pub(crate) has_huge_pages: bool,
}

/// Creates, fills and seals a segment. `header.total_bytes` is set here; `prepare` writes the first
/// live words before the magic makes the segment valid.
pub(crate) fn create(
    mut header: Header,
    wants_huge_pages: bool,
    prepare: impl FnOnce(&Arc<Mapping>),
) -> Result<Created, CreateError> {
    let needed = Header::needed_bytes(header.kind, header.capacity);
    let huge = wants_huge_pages.then(|| allocate_huge(needed)).flatten();
    let has_huge_pages = huge.is_some();
    let (file, memory, bytes) = match huge {
        Some(got) => got,
        None => allocate(needed, 0)?,
    };
    header.total_bytes = bytes;
    let memory = Arc::new(memory);
    prepare(&memory);
    let words = header.encode();
    for (i, &word) in words.iter().enumerate().skip(1) {
        memory.word(i * WORD_BYTES).store(word, Ordering::Relaxed);
    }
    // PAIR header: a reader that sees the magic sees the whole header and the first live words.
    memory.word(layout::header::MAGIC * WORD_BYTES).store(words[0], Ordering::Release);
    seal(&file).map_err(|source| CreateError::Io { doing: "seal", bytes, source })?;
    let shared = reopen_read_only(&file).map_err(|source| CreateError::Io {
        doing: "reopen read-only",
        bytes,
        source,
    })?;
    // `file`, the only writable descriptor, is closed here; the mapping stays.
    Ok(Created { header, memory, shared, has_huge_pages })
}

/// Huge pages, or nothing: where there are none the caller takes ordinary ones and says so.
fn allocate_huge(needed: usize) -> Option<(OwnedFd, Mapping, usize)> {
    let bytes = needed.next_multiple_of(HUGE_PAGE_BYTES);
    let flags = libc::MFD_HUGETLB | libc::MFD_HUGE_2MB;
    let got = allocate(bytes, flags).ok()?;
    // Honest: the kernel says the page size of the file itself.
    let page_bytes = File::from(got.0.try_clone().ok()?).metadata().ok()?.blksize();
    (page_bytes == HUGE_PAGE_BYTES as u64).then_some(got)
}

fn allocate(bytes: usize, flags: u32) -> Result<(OwnedFd, Mapping, usize), CreateError> {
    let failed = |doing| move |source| CreateError::Io { doing, bytes, source };
    let file = new_memfd(flags).map_err(failed("create"))?;
    // SAFETY: fchmod takes no pointer, and `file` is open.
    if unsafe { libc::fchmod(file.as_raw_fd(), 0o600) } != 0 {
        return Err(failed("set the mode of")(io::Error::last_os_error()));
    }
    fallocate(&file, bytes).map_err(failed("allocate"))?;
    let map = MmapOptions::new().len(bytes).populate().map_raw(&file).map_err(failed("map"))?;
    Ok((file, Mapping::new(map), bytes))
}

fn new_memfd(flags: u32) -> io::Result<OwnedFd> {
    let flags = flags | libc::MFD_CLOEXEC;
    // Since Linux 6.3 a segment can also promise never to be executable; before, EINVAL.
    match memfd_create(flags | libc::MFD_NOEXEC_SEAL) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            memfd_create(flags | libc::MFD_ALLOW_SEALING)
        }
        other => other,
    }
}

fn memfd_create(flags: u32) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string literal; the call keeps no pointer.
    let fd = unsafe { libc::memfd_create(c"tickspin".as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just succeeded, so `fd` is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sizes the file and allocates all of it, so that no later access can fail for want of memory.
fn fallocate(file: &OwnedFd, bytes: usize) -> io::Result<()> {
    let length = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: fallocate takes no pointer, and `file` is open.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // A signal interrupts it; each signal is one more round, and they are few at start.
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn seal(file: &OwnedFd) -> io::Result<()> {
    // SAFETY: F_ADD_SEALS takes an integer, and `file` is open.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn reopen_read_only(file: &OwnedFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // The standard library adds O_CLOEXEC.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open(path)?;
    Ok(file.into())
}

/// Another process's segment, validated and mapped read-only.
pub(crate) struct Attached {
    pub(crate) header: Header,
    pub(crate) memory: Arc<Mapping>,
}

/// Checks the descriptor, maps it, copies the header once, validates the copy. Geometry comes from
/// the copy for ever.
pub(crate) fn attach(
    kind: SegmentKind,
    received: crate::region::Received,
) -> Result<Attached, AttachError> {
    let wrong_kind = |found| AttachError::WrongKind { found, expected: kind as u64 };
    if received.kind != kind {
        return Err(wrong_kind(received.kind as u64));
    }
    let bytes = check_descriptor(&received.fd)?;
    let map = MmapOptions::new()
        .len(bytes)
        .populate()
        .map_raw_read_only(&received.fd)
        .map_err(|source| AttachError::Io { doing: "map a received segment", source })?;
    let memory = Arc::new(Mapping::new_read_only(map));
    let words = copy_header(&memory);
    let header = Header::decode(&words, bytes as u64)?;
    if header.kind != kind {
        return Err(wrong_kind(header.kind as u64));
    }
    if header.label != received.label {
        return Err(AttachError::WrongLabel { found: header.label, expected: received.label });
    }
    Ok(Attached { header, memory })
}

/// Everything that the kernel can vouch for. Returns the length in bytes, which the seals have
/// frozen.
fn check_descriptor(fd: &OwnedFd) -> Result<usize, AttachError> {
    let io = |doing| move |source| AttachError::Io { doing, source };
    let duplicate = fd.try_clone().map_err(io("duplicate a received descriptor"))?;
    let meta = File::from(duplicate).metadata().map_err(io("fstat a received segment"))?;
    if !meta.file_type().is_file() {
        return Err(AttachError::NotRegularFile);
    }
    // SAFETY: geteuid takes nothing and cannot fail.
    let own_uid = unsafe { libc::geteuid() };
    if meta.uid() != own_uid {
        return Err(AttachError::WrongOwner { uid: meta.uid() });
    }
    if meta.nlink() != 0 {
        return Err(AttachError::Linked { links: meta.nlink() });
    }
    // SAFETY: F_GET_SEALS takes no argument, and `fd` is open.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    // A file that knows no seals answers with an error: it has none.
    let missing = if seals < 0 { SEALS } else { SEALS & !seals };
    if missing != 0 {
        return Err(AttachError::Unsealed { missing });
    }
    if meta.mode() & 0o7777 != 0o600 {
        return Err(AttachError::WrongMode { mode: meta.mode() & 0o7777 });
    }
    // SAFETY: F_GETFL takes no argument, and `fd` is open.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io("read the flags of a received descriptor")(io::Error::last_os_error()));
    }
    if flags & libc::O_ACCMODE != libc::O_RDONLY {
        return Err(AttachError::Writable);
    }
    let bytes = meta.len();
    if bytes < HEADER_BYTES as u64 {
        return Err(AttachError::TooShort { bytes });
    }
    if bytes > SEGMENT_BYTES_MAX as u64 {
        return Err(AttachError::TooLong { bytes });
    }
    // `blocks` counts 512 bytes each. A hole would be filled on first touch, which can fail.
    if meta.blocks().saturating_mul(512) < bytes {
        return Err(AttachError::NotAllocated);
    }
    // At most SEGMENT_BYTES_MAX, which is a usize.
    Ok(bytes as usize)
}

fn copy_header(memory: &Arc<Mapping>) -> [u64; HEADER_WORDS] {
    let mut words = [0; HEADER_WORDS];
    words[0] = memory.peer_word(0).load();
    // PAIR header: acquires the writer's release of the magic; a mapping without write permission
    // allows no stronger load.
    fence(Ordering::Acquire);
    for (i, word) in words.iter_mut().enumerate().skip(1) {
        *word = memory.peer_word(i * WORD_BYTES).load();
    }
    words
}
