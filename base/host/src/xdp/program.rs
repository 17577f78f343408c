//! The program that runs for each packet in the kernel: our flows to our sockets, all else its way.
//!
//! ```text
//!   shorter than 42 bytes ─────────────────────────────────┐
//!   one VLAN tag? step over it                             │
//!   not IPv4 · options · not UDP · a fragment ─────────────┤
//!   for each flow: port and address ──► redirect           ├──► XDP_PASS: the kernel's stack
//!   no flow's ─────────────────────────────────────────────┘
//!   redirect: to the socket in the map's slot of this queue; empty slot ──► XDP_PASS
//! ```
//!
//! It is assembled at start for the flows of this run: 31 instructions and 3 a flow, some 40 ns a
//! packet. ARP, IGMP, TCP, answers to a ping, other feeds go on to the kernel as if nothing were
//! there, also while a socket restarts.

use crate::packets::Flow;

/// One instruction, `struct bpf_insn` of include/uapi/linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    code: u8,
    /// Destination in the lower four bits, source in the upper ones.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// `XDP_PASS`, enum xdp_action.
const PASS: i32 = 2;
/// Helper `bpf_redirect_map`.
const REDIRECT_MAP: i32 = 51;
/// Ethernet, IPv4 without options, UDP.
const HEADERS_BYTES: i32 = 42;
// Words as a little-endian machine loads them from the wire.
const IPV4: i32 = 0x0800_u16.swap_bytes() as i32;
const VLAN: i32 = 0x8100_u16.swap_bytes() as i32;
/// "More fragments" and the offset; "don't fragment" and the reserved bit mean nothing.
const FRAGMENT: i32 = 0x3FFF_u16.swap_bytes() as i32;
// `struct xdp_md`
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const RX_QUEUE_INDEX: i16 = 16;

// Opcodes, Documentation/bpf/standardization/instruction-set.rst
const MOVE: u8 = 0xBF;
const SET: u8 = 0xB7;
const ADD: u8 = 0x07;
const AND: u8 = 0x57;
const LOAD_8: u8 = 0x71;
const LOAD_16: u8 = 0x69;
const LOAD_32: u8 = 0x61;
const LOAD_MAP: u8 = 0x18;
const JUMP: u8 = 0x05;
const IF_GREATER: u8 = 0x2D;
const IF_NOT: u8 = 0x55;
const IF_NOT_32: u8 = 0x56;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// Source register of `LOAD_MAP`: the immediate is a map's descriptor.
const MAP_FD: u8 = 1;

/// Where a jump leads.
#[derive(Clone, Copy)]
enum Label {
    Ip,
    /// The flow of this number, one past the last is "pass".
    Flow(usize),
    Redirect,
}

/// Instructions, and jumps that wait for their labels.
#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    fn step(&mut self, code: u8, to: u8, from: u8, offset: i16, immediate: i32) {
        self.code.push(Instruction { code, registers: to | from << 4, offset, immediate });
    }

    fn load(&mut self, code: u8, to: u8, from: u8, offset: i16) {
        self.step(code, to, from, offset, 0);
    }

    fn jump(&mut self, code: u8, register: u8, other: u8, immediate: i32, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.step(code, register, other, 0, immediate);
    }

    /// The headers lie before the end of the packet, seen from r2.
    fn check_bounds(&mut self, pass: Label) {
        self.step(MOVE, 0, 2, 0, 0);
        self.step(ADD, 0, 0, 0, HEADERS_BYTES);
        self.jump(IF_GREATER, 0, 3, 0, pass);
    }
}

/// The program for `flows`; redirects into the map of this descriptor.
pub(super) fn assemble(flows: &[Flow], map: i32) -> Vec<Instruction> {
    let pass = Label::Flow(flows.len());
    let mut a = Assembler::default();
    a.step(MOVE, 6, 1, 0, 0);
    a.load(LOAD_32, 2, 1, DATA);
    a.load(LOAD_32, 3, 1, DATA_END);
    a.check_bounds(pass);
    a.load(LOAD_16, 4, 2, 12);
    a.jump(IF_NOT, 4, 0, VLAN, Label::Ip);
    a.step(ADD, 2, 0, 0, 4);
    a.check_bounds(pass);
    a.load(LOAD_16, 4, 2, 12);
    let ip = a.code.len();
    a.jump(IF_NOT, 4, 0, IPV4, pass);
    a.load(LOAD_8, 4, 2, 14);
    a.jump(IF_NOT, 4, 0, 0x45, pass);
    a.load(LOAD_8, 4, 2, 23);
    a.jump(IF_NOT, 4, 0, 17, pass);
    a.load(LOAD_16, 4, 2, 20);
    a.step(AND, 4, 0, 0, FRAGMENT);
    a.jump(IF_NOT, 4, 0, 0, pass);
    a.load(LOAD_16, 4, 2, 36);
    a.load(LOAD_32, 5, 2, 30);
    let mut starts = Vec::with_capacity(flows.len() + 1);
    for (index, flow) in flows.iter().enumerate() {
        starts.push(a.code.len());
        let address = u32::from_ne_bytes(flow.address.octets()).cast_signed();
        a.jump(IF_NOT, 4, 0, i32::from(flow.port.to_be()), Label::Flow(index + 1));
        a.jump(IF_NOT_32, 5, 0, address, Label::Flow(index + 1));
        a.jump(JUMP, 0, 0, 0, Label::Redirect);
    }
    starts.push(a.code.len());
    a.step(SET, 0, 0, 0, PASS);
    a.step(EXIT, 0, 0, 0, 0);
    let redirect = a.code.len();
    a.load(LOAD_32, 2, 6, RX_QUEUE_INDEX);
    a.step(LOAD_MAP, 1, MAP_FD, 0, map);
    a.step(0, 0, 0, 0, 0);
    a.step(SET, 3, 0, 0, PASS);
    a.step(CALL, 0, 0, 0, REDIRECT_MAP);
    a.step(EXIT, 0, 0, 0, 0);
    for (at, label) in a.jumps {
        let target = match label {
            Label::Ip => ip,
            Label::Flow(index) => starts[index],
            Label::Redirect => redirect,
        };
        a.code[at].offset = (target - at - 1) as i16;
    }
    a.code
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_program_for_one_flow_is_the_one_that_was_written_by_hand() {
        let flow = Flow { address: Ipv4Addr::new(239, 1, 1, 1), port: 5_001 };
        let code = assemble(&[flow], 9);
        assert_eq!(code.len(), 34);
        let step = |at: usize| {
            let Instruction { code, registers, offset, immediate } = code[at];
            (code, registers, offset, immediate)
        };
        assert_eq!(step(0), (0xBF, 0x16, 0, 0));
        assert_eq!(step(5), (0x2D, 0x30, 20, 0), "short: pass at 26");
        assert_eq!(step(7), (0x55, 0x04, 5, 0x81), "no tag: IP at 13");
        assert_eq!(step(19), (0x57, 0x04, 0, 0xFF3F));
        assert_eq!(step(23), (0x55, 0x04, 2, 0x8913), "another port: the next flow");
        assert_eq!(step(24), (0x56, 0x05, 1, 0x0101_01EF));
        assert_eq!(step(25), (0x05, 0x00, 2, 0), "ours: redirect at 28");
        assert_eq!(step(26), (0xB7, 0x00, 0, 2));
        assert_eq!(step(29), (0x18, 0x11, 0, 9));
        assert_eq!(step(32), (0x85, 0x00, 0, 51));
    }

    #[test]
    fn every_jump_leads_forward_and_stays_inside() {
        for count in 1..=16 {
            let flows: Vec<Flow> = (0..count)
                .map(|last| Flow { address: Ipv4Addr::new(239, 0, 0, last), port: 1 })
                .collect();
            let code = assemble(&flows, 3);
            assert_eq!(code.len(), 31 + 3 * flows.len());
            for (at, step) in code.iter().enumerate() {
                let is_jump = [JUMP, IF_GREATER, IF_NOT, IF_NOT_32].contains(&step.code);
                assert!(step.offset >= 0);
                assert!(!is_jump || at + 1 + (step.offset as usize) < code.len(), "{at}");
            }
        }
    }
}
