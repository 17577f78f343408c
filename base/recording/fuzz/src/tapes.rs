//! Our own recording: written, then cut and damaged.

use crate::scratch::Scratch;
use tickspin_recording::container::Stream;
use tickspin_recording::tape::Record;
use tickspin_recording::{EventReader, TapeFile, TapeHead, TapeWriter};
use tickspin_wire::{Event, Kind};

/// What comes back was written, in order and with its number; without damage it is all that was.
///
/// ```text
/// data: cut u16 │ place u16 of a damaged byte │ its change (0: none) │ ended? │ steps, a byte each
/// step: 0 the block is written now · 1..=15 so many numbers are left out · else an event
/// ```
pub fn tape_writer(data: &[u8]) {
    let Some((&[c0, c1, p0, p1, change, ended], steps)) = data.split_first_chunk() else { return };
    let mut writer = TapeWriter::new(Vec::new(), &TapeHead::default()).expect("memory");
    let (mut seq, mut records) = (1_u64, Vec::new());
    for (number, &step) in steps.iter().enumerate() {
        match step {
            0 => writer.flush().expect("memory"),
            1..16 => seq += u64::from(step),
            _ => {
                let order_id = (number as u64) << 8 | u64::from(step);
                // Not one of the kinds that the reader adds itself.
                let kind_side = Event::pack(Kind::Info, tickspin_wire::Side::None);
                let event = Event { order_id, kind_side, ..Event::EMPTY };
                writer.append(seq, Record { event, recorded_ticks: seq }).expect("memory");
                records.push((seq, event));
                seq += 1;
            }
        }
    }
    writer.flush().expect("memory");
    let mut file = writer.finish(0).expect("memory");
    if ended & 1 == 0 {
        file.truncate(file.len() - 32);
    }
    let is_ended = ended & 1 == 1;
    let cut = usize::from(u16::from_le_bytes([c0, c1]));
    let is_cut = cut < file.len();
    file.truncate(cut.max(64));
    let place = usize::from(u16::from_le_bytes([p0, p1]));
    let is_damaged = change != 0 && place < file.len();
    if is_damaged {
        file[place] ^= change;
    }

    let scratch = Scratch::new(0, &file);
    let stream = Stream::open(scratch.path()).expect("it is there");
    let Ok(mut tape) = TapeFile::over(stream) else {
        return assert!(is_damaged && place < 64, "a whole header opens");
    };
    let (mut given, mut next, mut gaps) = (0, None, 0_u64);
    let error = loop {
        match tape.next_event() {
            Ok(Some(event)) if event.kind() == Some(Kind::Gap) => {
                // Before the first record only the header of a damaged block can tell of one.
                assert!(next.is_some() || is_damaged);
                let first = next.unwrap_or(event.order_id);
                assert_eq!(event.order_id, first, "a hole begins behind what was given");
                gaps += event.second_id;
                next = Some(first + event.second_id);
            }
            Ok(Some(event)) => {
                let at = records[given..].iter().position(|&(seq, _)| seq == tape.position());
                given += at.expect("it was written, behind what was given before");
                assert_eq!(records[given].1, event, "it is as it was written");
                assert!(next.is_none_or(|next| next == tape.position()), "a hole is told");
                next = Some(tape.position() + 1);
                given += 1;
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if !is_damaged && !is_cut {
        assert_eq!(error.is_none(), is_ended, "without its end it was stopped in the middle");
        assert_eq!(given, records.len());
        let first = records.first().map_or(0, |record| record.0);
        let last = records.last().map_or(0, |record| record.0 + 1);
        assert_eq!(gaps + records.len() as u64, last - first, "given or missing");
    }
    assert!(matches!(tape.next_event(), Ok(None)), "an error is told once, then it is over");
}
