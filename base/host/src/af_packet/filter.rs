//! The filter of a raw socket: a classic BPF program that lets the flows pass and nothing else.

use crate::packets::Flow;

/// As many bytes of a frame as there are.
const WHOLE: u32 = 0x0004_0000;
const IPV4: u32 = 0x0800;
const UDP: u32 = 17;
// Offsets in an untagged frame.
const ETHERTYPE: u32 = 12;
const IP: u32 = 14;
const FRAGMENT: u32 = 20;
const PROTOCOL: u32 = 23;
const ADDRESS: u32 = 30;
/// Behind an IP header, whose length is in X.
const PORT: u32 = IP + 2;

/// Instructions before the flows, and for each.
const HEAD: usize = 7;
const EACH: usize = 4;

/// For at most 16 flows: jumps reach 255 instructions.
pub(super) fn program(flows: &[Flow]) -> Vec<libc::sock_filter> {
    let step = |code: u32, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let half = |k| step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, k, 0, 0);
    let byte = |k| step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, k, 0, 0);
    let jump = |test: u32, k, jt, jf| step(libc::BPF_JMP | test | libc::BPF_K, k, jt, jf);
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, k, 0, 0);
    let no = HEAD + EACH * flows.len();
    // From the instruction at `at` to `no`, and to the answer behind it.
    let to_no = |at: usize| (no - at - 1) as u8;
    let mut program = vec![
        half(ETHERTYPE),
        jump(libc::BPF_JEQ, IPV4, 0, to_no(1)),
        byte(PROTOCOL),
        jump(libc::BPF_JEQ, UDP, 0, to_no(3)),
        half(FRAGMENT),
        jump(libc::BPF_JSET, 0x3FFF, to_no(5), 0),
        // X: the length of the IP header.
        step(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, IP, 0, 0),
    ];
    for flow in flows {
        let at = program.len();
        program.extend([
            step(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, PORT, 0, 0),
            jump(libc::BPF_JEQ, flow.port.into(), 0, 2),
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, ADDRESS, 0, 0),
            jump(libc::BPF_JEQ, flow.address.to_bits(), to_no(at + 3) + 1, 0),
        ]);
    }
    program.extend([answer(0), answer(WHOLE)]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{self, HEAD_BYTES, Head};
    use std::net::{Ipv4Addr, SocketAddrV4};

    /// The answer of a program to a frame, as the kernel computes it.
    fn run(program: &[libc::sock_filter], frame: &[u8]) -> u32 {
        let byte = |at: u32| frame.get(at as usize).copied().map(u32::from);
        let half = |at| Some(byte(at)? << 8 | byte(at + 1)?);
        let (mut at, mut a, mut x) = (0, 0, 0);
        loop {
            let step = program[at];
            at += 1;
            let loaded = match step.code {
                0x28 => half(step.k),
                0x30 => byte(step.k),
                0x20 => half(step.k).zip(half(step.k + 2)).map(|(high, low)| high << 16 | low),
                0x48 => half(x + step.k),
                0xB1 => byte(step.k).map(|byte| (byte & 15) * 4),
                0x06 => return step.k,
                0x15 | 0x45 => {
                    let is = if step.code == 0x15 { a == step.k } else { a & step.k != 0 };
                    at += usize::from(if is { step.jt } else { step.jf });
                    continue;
                }
                code => panic!("{code:#x}"),
            };
            // A load beyond the frame ends the program: rejected.
            let Some(value) = loaded else { return 0 };
            if step.code == 0xB1 { x = value } else { a = value }
        }
    }

    #[test]
    fn only_the_flows_pass() {
        let flow = |last, port| Flow { address: Ipv4Addr::new(239, 1, 1, last), port };
        let flows: Vec<Flow> = (0..16).map(|last| flow(last, 5_000 + u16::from(last))).collect();
        let program = program(&flows);
        let frame = |to: Flow| {
            let ends =
                (SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9), SocketAddrV4::new(to.address, to.port));
            let mut out = vec![0; HEAD_BYTES + 3];
            Head::new(([1; 6], ends.0), ([2; 6], ends.1)).write(3, &mut out).unwrap();
            out
        };
        for &wanted in &flows {
            assert_eq!(run(&program, &frame(wanted)), WHOLE, "{wanted}");
            let mut with_options = frame(wanted);
            with_options[14] = 0x46;
            with_options.splice(34..34, [1; 4]);
            assert_eq!(run(&program, &with_options), WHOLE);
            for (at, value) in [(12, 0x86), (23, 6), (20, 0x20), (21, 1)] {
                let mut other = frame(wanted);
                other[at] = value;
                assert_eq!(run(&program, &other), 0, "{at}");
            }
            assert_eq!(run(&program, &frame(wanted)[..HEAD_BYTES - 6]), 0);
        }
        for other in [flow(0, 5_001), flow(16, 5_000), flow(1, 5_000)] {
            assert_eq!(run(&program, &frame(other)), 0, "{other}");
        }
        assert!(frame::udp(&frame(flow(1, 2))).is_ok());
    }
}
