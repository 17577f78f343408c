//! What the events go over: the shared ring, or packets on a cable of our own.
//!
//! ```text
//!   namespace near                               namespace far
//!   feed-sim ─ near0 ═══ lines A, B (veth) ═══ far0 ─ engine
//!       └──────── orders, reports, position: shared rings ────┘
//! ```
//! The cable and both namespaces have no names and go with this process. Without the right to make them,
//! `udp` goes over this host's loopback instead, which needs none.

use super::Args;
use crate::error::Failure;
use clap::ValueEnum;
use tickspin_host::netns::{Cable, FAR, NEAR, Namespace};
use tickspin_host::packets::OpenError;

/// What the events go over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// The ring in shared memory.
    #[default]
    Ring,
    /// Packets; the engine spins on the kernel's sockets.
    Udp,
    /// Packets; the engine reads the raw socket's ring.
    AfPacket,
    /// Packets; the engine takes them past the kernel (a build with the feature xdp).
    AfXdp,
}

/// Groups of the lines A and B.
const GROUPS: [&str; 2] = ["239.255.71.1", "239.255.71.2"];
/// Their port on a cable; the next one is where lost packets are asked for.
const PORT: u16 = 26_400;
/// Address of that end.
const NEAR_ADDRESS: &str = "10.77.0.1";

/// A road for the packets, and what both programs are told of it.
#[derive(Debug)]
pub(super) struct Road {
    cable: Option<Cable>,
    /// For `feed-sim`.
    pub(super) feed: Vec<String>,
    /// For `engine`.
    pub(super) engine: Vec<String>,
}

impl Road {
    /// Builds it; `None` for the ring.
    ///
    /// # Errors
    /// Exit code 2: what is only for packets; 4: no privilege, with the command that mends it.
    pub(super) fn build(args: &Args) -> Result<Option<Road>, Failure> {
        if args.over == Over::Ring {
            return match args.loss {
                None => Ok(None),
                Some(_) => Err(Failure::usage("--loss is for packets: give --over udp with it")),
            };
        }
        let cable = match Cable::new() {
            Ok(cable) => Some(cable),
            Err(OpenError::Permission { .. }) if args.over == Over::Udp => None,
            Err(OpenError::Permission { what, error, .. }) => {
                return Err(Failure::environment(format_args!(
                    "{what}: {error}; run it as root, or `--over udp`, which goes over the loopback then"
                )));
            }
            Err(error) => return Err(Failure::environment(&error)),
        };
        let (near, far, address) = match cable {
            Some(_) => (NEAR, FAR, NEAR_ADDRESS),
            None => ("lo", "lo", "127.0.0.1"),
        };
        let port = match cable {
            Some(_) => PORT,
            // Two runs over one loopback must not hear each other.
            None => 20_000 + (std::process::id() % 20_000) as u16,
        };
        let both = |interface: &str| -> Vec<String> {
            let [a, b] = GROUPS.map(|group| format!("{group}:{port}"));
            let recovery = format!("{address}:{}", port + 1);
            ["--interface", interface, "--line-a", &a, "--line-b", &b, "--recovery", &recovery]
                .map(str::to_owned)
                .into()
        };
        let mut feed = vec!["--sink".to_owned(), "udp".to_owned()];
        feed.extend(both(near));
        if let Some(loss) = args.loss {
            feed.extend(["--loss".to_owned(), loss.to_string()]);
        }
        let name = super::name_of(args.over);
        let mut engine = vec!["--input".to_owned(), name];
        engine.extend(both(far));
        Ok(Some(Road { cable, feed, engine }))
    }

    /// Where `feed-sim` begins; `None`: here.
    pub(super) fn near(&self) -> Option<&Namespace> {
        self.cable.as_ref().map(|cable| &cable.near)
    }

    /// Where `engine` begins; `None`: here.
    pub(super) fn far(&self) -> Option<&Namespace> {
        self.cable.as_ref().map(|cable| &cable.far)
    }

    /// What it is, for a reader of the results.
    pub(super) fn line(&self, over: Over) -> String {
        let road = match self.cable {
            Some(_) => "a veth cable between two network namespaces",
            None => "this host's loopback (the right to make namespaces is missing)",
        };
        format!(
            "events went as MoldUDP64 packets over {road}, taken by {}; ring_wait is their whole way, \
             the kernel's included",
            super::name_of(over)
        )
    }
}

/// A share of packets that each line loses.
pub(super) fn parse_loss(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(loss) if (0.0..=0.5).contains(&loss) => Ok(loss),
        _ => Err("a share, 0 to 0.5: 0.02 is two in a hundred".to_owned()),
    }
}
