//! What receiving costs, apart from sending: ns an empty poll, and ns a datagram to take 2,000 that
//! wait, for each kind of source, on a veth pair in namespaces that it makes itself.
//!
//! ```text
//! sudo cargo run --release -p tickspin-host --features xdp --example receive_cost
//! ```
//!
//! The kernel's own work for a packet is done before the clock starts, so this is the price that the
//! receiving thread pays. The packets were sent from the same core and lie in its caches.

#[path = "../tests/net/mod.rs"]
mod net;

use net::{FAR, FLOWS, NEAR, Pair};
use std::hint::black_box;
use std::time::Duration;
use tickspin_host::af_packet::AfPacketSource;
use tickspin_host::clock::{Clock, ticks, ticks_ordered};
use tickspin_host::netns::CablePlan;
use tickspin_host::packets::{PacketSink, PacketSource};
use tickspin_host::udp::{UdpSender, UdpSource};
#[cfg(feature = "xdp")]
use tickspin_host::xdp::{ModeWish, XdpConfig, XdpSource};

const WAITING: u32 = 2_000;
const POLLS: u32 = 100_000;
const ROUNDS: usize = 12;
const BURST: u32 = 64;

/// Smallest and median, ns.
#[derive(Clone, Copy)]
struct Cost {
    min: f64,
    median: f64,
}

fn cost(mut each: Vec<f64>) -> Cost {
    each.sort_by(f64::total_cmp);
    Cost { min: each[0], median: each[each.len() / 2] }
}

fn empty(source: &mut impl PacketSource, clock: &Clock) -> Cost {
    let round = |_| {
        let start = ticks();
        for _ in 0..POLLS {
            assert_eq!(source.rx_burst(BURST, |_| ()), 0);
        }
        clock.ns(ticks_ordered() - start) as f64 / f64::from(POLLS)
    };
    cost((0..ROUNDS).map(round).collect())
}

fn drain(source: &mut impl PacketSource, pair: &Pair, clock: &Clock, bytes: usize) -> Cost {
    let mut sender = pair.near.run(|| UdpSender::open(NEAR, &FLOWS[..1], false)).unwrap();
    let payload = vec![7; bytes];
    let round = |_| {
        for _ in 0..WAITING {
            sender.send(0, &payload).unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
        let (mut taken, mut sum) = (0, 0_u64);
        let start = ticks();
        loop {
            let fresh = source.rx_burst(BURST, |datagram| {
                sum += u64::from(datagram.payload[0]) + datagram.payload.len() as u64;
            });
            if fresh == 0 {
                break;
            }
            taken += fresh;
        }
        let ns = clock.ns(ticks_ordered() - start) as f64;
        black_box(sum);
        assert_eq!(taken, WAITING, "{:?}", source.health());
        ns / f64::from(taken)
    };
    cost((0..ROUNDS).map(round).collect())
}

fn line(name: &str, mut source: impl PacketSource, pair: &Pair, clock: &Clock) -> Cost {
    // What came before: the kernel's own packets are none of ours.
    source.rx_burst(u32::MAX, |_| ());
    let idle = empty(&mut source, clock);
    let [short, long] = [64, 1_400].map(|bytes| drain(&mut source, pair, clock, bytes));
    let cell = |cost: Cost| format!("{:.1} / {:.1}", cost.min, cost.median);
    println!("{name:<24} {:>16} {:>16} {:>16}", cell(idle), cell(short), cell(long));
    short
}

fn main() {
    let clock = match Clock::calibrate(Duration::from_millis(200)) {
        Ok(clock) => clock,
        Err(error) => return eprintln!("{error}"),
    };
    let Some(pair) = Pair::new(CablePlan::default()) else { return };
    let far = &pair.far;
    println!("ns, least / median of {ROUNDS} rounds; {WAITING} datagrams wait\n");
    println!("{:<24} {:>16} {:>16} {:>16}", "", "empty poll", "drain 64 B", "drain 1400 B");
    let udp = far.run(|| UdpSource::open(FAR, &FLOWS[..1], 16 << 20)).unwrap();
    let recv = line("recv", udp, &pair, &clock);
    let raw = far.run(|| AfPacketSource::open(FAR, &FLOWS[..1], 4_096)).unwrap();
    line("AF_PACKET, version 2", raw, &pair, &clock);
    #[cfg(feature = "xdp")]
    for (name, mode) in [("AF_XDP generic", ModeWish::Generic), ("AF_XDP native", ModeWish::Native)]
    {
        let config = XdpConfig { mode, ..XdpConfig::new(FAR, &FLOWS[..1]) };
        let source = far.run(|| XdpSource::open(&config)).unwrap();
        let obtained = source.obtained();
        let xdp = line(name, source, &pair, &clock);
        println!("  {obtained}; {:.0} times cheaper than recv", recv.median / xdp.median);
    }
    #[cfg(not(feature = "xdp"))]
    println!("AF_XDP: build with --features xdp; recv above: {:.0} ns", recv.median);
}
