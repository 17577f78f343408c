//! The transports: each opened on a cable between two namespaces, each with every sender.

use super::super::super::contenders;
#[cfg(feature = "xdp")]
use super::flood::Frames;
use super::flood::{self, Accounting, Flood};
use super::road::{self, Costs, Datagrams, Inlet, Journey, Outlet, Passage, Sleeping, Spinning};
use crate::error::Failure;
use std::net::Ipv4Addr;
use tickspin_host::af_packet::AfPacketSource;
use tickspin_host::clock::Clock;
use tickspin_host::netns::{Cable, FAR, NEAR, Namespace};
use tickspin_host::packets::{Flow, OpenError};
use tickspin_host::process;
use tickspin_host::udp::{UdpSender, UdpSource};
#[cfg(feature = "xdp")]
use tickspin_host::xdp::{ModeWish, XdpConfig, XdpSender, XdpSenderConfig, XdpSource};

/// A group of the administratively scoped ones; it exists between our two namespaces only.
const FLOWS: [Flow; 1] = [Flow { address: Ipv4Addr::new(239, 1, 1, 1), port: 5_001 }];
/// Holds 2,000 datagrams with the kernel's overhead many times over.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;
/// Frames of the raw socket's ring: 40 ms of 100,000 packets/s.
const RING_FRAMES: u32 = 4_096;
/// Messages of a flood, in those of a passage: 200,000 by default, a fifth of a second and more.
const FLOOD_TIMES: u64 = 10;
/// Port of the AF_XDP sender; nobody listens there.
#[cfg(feature = "xdp")]
const SENDER_PORT: u16 = 4_000;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A socket of the kernel, the receiver asleep in `recv`.
    UdpBlock,
    /// The same, spinning.
    UdpSpin,
    /// The ring of a raw socket.
    AfPacket,
    /// AF_XDP behind the kernel's packet buffers.
    AfXdpGeneric,
    /// AF_XDP in the driver.
    AfXdpNative,
    /// Our ring: what is left without a kernel.
    Ring,
}

impl Transport {
    /// In the order of the report.
    pub const ALL: [Transport; 6] = [
        Transport::UdpBlock,
        Transport::UdpSpin,
        Transport::AfPacket,
        Transport::AfXdpGeneric,
        Transport::AfXdpNative,
        Transport::Ring,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transport::UdpBlock => "udp_block",
            Transport::UdpSpin => "udp_spin",
            Transport::AfPacket => "af_packet",
            Transport::AfXdpGeneric => "af_xdp_generic",
            Transport::AfXdpNative => "af_xdp_native",
            Transport::Ring => "ring",
        }
    }

    /// The same, where an AF_XDP sender sent to it.
    #[must_use]
    pub const fn name_from_af_xdp(self) -> &'static str {
        match self {
            Transport::UdpBlock => "udp_block_from_af_xdp",
            Transport::UdpSpin => "udp_spin_from_af_xdp",
            Transport::AfPacket => "af_packet_from_af_xdp",
            Transport::AfXdpGeneric => "af_xdp_generic_from_af_xdp",
            Transport::AfXdpNative => "af_xdp_native_from_af_xdp",
            Transport::Ring => "ring_from_af_xdp",
        }
    }

    /// Whether this build has it.
    #[must_use]
    pub const fn is_built(self) -> bool {
        cfg!(feature = "xdp") || !matches!(self, Transport::AfXdpGeneric | Transport::AfXdpNative)
    }
}

/// A transport in one round.
#[derive(Clone, Debug)]
pub(super) struct Crossing {
    /// What the receiving thread pays.
    pub(super) costs: Costs,
    /// With a UDP sender; the ring with its own.
    pub(super) plain: Passage,
    /// With an AF_XDP sender.
    pub(super) bypassing: Option<Passage>,
    /// As fast as it goes; over packets only.
    pub(super) flood: Option<Flood>,
    /// What was got, where that is not certain from the name.
    pub(super) obtained: Option<String>,
}

/// Why a source, a sink or the cable is not there.
pub(super) fn opening(error: &OpenError) -> Failure {
    match error {
        OpenError::Permission { what, error, .. } => Failure::environment(format_args!(
            "{what}: {error}; run it as root: `sudo {} lab price-of-the-kernel`",
            process::program()
        )),
        OpenError::Unfit { .. } | OpenError::Memory { .. } => Failure::environment(error),
        _ => Failure::failed(error),
    }
}

/// Opens something in a namespace.
fn within<T: Send>(
    namespace: &Namespace,
    open: impl FnOnce() -> Result<T, OpenError> + Send,
) -> Result<T, Failure> {
    let opened = namespace.run(open).map_err(|error| {
        Failure::environment(format_args!("entering a namespace of our own: {error}"))
    })?;
    opened.map_err(|error| opening(&error))
}

/// Where all of it is measured.
pub(super) struct Place<'a> {
    pub(super) cable: &'a Cable,
    pub(super) journey: Journey,
    pub(super) clock: &'a Clock,
    /// The bypassing sender's turn comes first in this round.
    pub(super) bypasses_first: bool,
}

impl Place<'_> {
    /// Opens a transport, measures it, closes it.
    pub(super) fn cross(&self, transport: Transport) -> Result<Option<Crossing>, Failure> {
        let far = &self.cable.far;
        match transport {
            Transport::UdpBlock => {
                let udp = within(far, || UdpSource::open(FAR, &FLOWS, RECEIVE_BUFFER_BYTES))?;
                self.wire(Sleeping(udp), None)
            }
            Transport::UdpSpin => {
                let udp = within(far, || UdpSource::open(FAR, &FLOWS, RECEIVE_BUFFER_BYTES))?;
                self.wire(Spinning(udp), None)
            }
            Transport::AfPacket => {
                let raw = within(far, || AfPacketSource::open(FAR, &FLOWS, RING_FRAMES))?;
                self.wire(Spinning(raw), None)
            }
            #[cfg(feature = "xdp")]
            Transport::AfXdpGeneric | Transport::AfXdpNative => {
                let is_native = transport == Transport::AfXdpNative;
                let mode = if is_native { ModeWish::Native } else { ModeWish::Generic };
                let config = XdpConfig { mode, ..XdpConfig::new(FAR, &FLOWS) };
                let xdp = within(far, || XdpSource::open(&config))?;
                let obtained = xdp.obtained().to_string();
                self.wire(Spinning(xdp), Some(obtained))
            }
            #[cfg(not(feature = "xdp"))]
            Transport::AfXdpGeneric | Transport::AfXdpNative => return Ok(None),
            Transport::Ring => {
                let (mut tx, mut rx) = contenders::ring()?;
                let costs = road::costs(&mut tx, &mut rx, self.journey.cores.1, self.clock)?;
                let plain = self.passage(&mut tx, &mut rx)?;
                Ok(Crossing { costs, plain, bypassing: None, flood: None, obtained: None })
            }
        }
        .map(Some)
    }

    fn passage(&self, tx: &mut impl Outlet, rx: &mut impl Inlet) -> Result<Passage, Failure> {
        let passage = road::one_way(tx, rx, &self.journey, self.clock);
        road::clear(rx);
        passage
    }

    /// With every sender.
    fn wire(
        &self,
        mut inlet: impl Accounting,
        obtained: Option<String>,
    ) -> Result<Crossing, Failure> {
        let near = &self.cable.near;
        let mut udp = Datagrams(within(near, || UdpSender::open(NEAR, &FLOWS, false))?);
        let costs = road::costs(&mut udp, &mut inlet, self.journey.cores.1, self.clock)?;
        let mut bypassing = None;
        if self.bypasses_first {
            bypassing = self.bypassing(&mut inlet)?;
        }
        let plain = self.passage(&mut udp, &mut inlet)?;
        if !self.bypasses_first {
            bypassing = self.bypassing(&mut inlet)?;
        }
        let flood = Some(self.flood(&mut inlet)?);
        Ok(Crossing { costs, plain, bypassing, flood, obtained })
    }

    #[cfg(feature = "xdp")]
    fn xdp_sender(&self) -> Result<XdpSender, Failure> {
        let config = XdpSenderConfig {
            interface: NEAR,
            flows: &FLOWS,
            queue: 0,
            frames: RING_FRAMES,
            port: SENDER_PORT,
            host: None,
            zero_copy: Default::default(),
        };
        within(&self.cable.near, || XdpSender::open(&config))
    }

    #[cfg(feature = "xdp")]
    fn bypassing(&self, inlet: &mut impl Inlet) -> Result<Option<Passage>, Failure> {
        self.passage(&mut Datagrams(self.xdp_sender()?), inlet).map(Some)
    }

    #[cfg(not(feature = "xdp"))]
    fn bypassing(&self, _: &mut impl Inlet) -> Result<Option<Passage>, Failure> {
        Ok(None)
    }

    fn flood(&self, inlet: &mut impl Accounting) -> Result<Flood, Failure> {
        #[cfg(feature = "xdp")]
        let mut spout = Frames::of(self.xdp_sender()?);
        #[cfg(not(feature = "xdp"))]
        let mut spout = within(&self.cable.near, || UdpSender::open(NEAR, &FLOWS, false))?;
        let count = self.journey.messages as u64 * FLOOD_TIMES;
        flood::flood(&mut spout, inlet, count, self.journey.cores, (self.cable, self.clock))
    }
}
