//! The last field of a log line: one histogram, encoded, checked before it is decoded.
//!
//! Base64 around HdrHistogram's encoding V2, deflated or plain; the library decodes it. What it
//! takes on trust is looked at here first, because a log may come from anywhere: how long the
//! counts say they are (it would allocate that), how much the deflated bytes become, and a number
//! that it would negate beyond its range. Costs one more pass over some kilobytes.
//! V0 and V1 (before 2016) and histograms of floating point numbers are named and refused.

use base64::Engine as _;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;
use std::io::Read;

/// Plain V2: cookie, length, offset, digits, lowest, highest, ratio.
const HEADER_BYTES: usize = 40;
/// More than the longest encoding there is: 6.3 million cells (five digits, 64 bits), 9 bytes each.
const PLAIN_BYTES_MAX: u64 = 1 << 26;
/// Bits of a cookie that hold the width of a count, not the version.
const WIDTH: u32 = 0xf0;

/// Decodes one field.
pub(super) fn decode(
    field: &str,
    deserializer: &mut Deserializer,
) -> Result<hdrhistogram::Histogram<u64>, String> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(field)
        .map_err(|error| format!("base64: {error}"))?;
    let plain = plain(&bytes).map_err(|error| format!("histogram: {error}"))?;
    check(&plain).map_err(|error| format!("histogram: {error}"))?;
    let values: hdrhistogram::Histogram<u64> = deserializer
        .deserialize(&mut plain.as_slice())
        .map_err(|error| format!("histogram: {error}"))?;
    if values.len() == u64::MAX {
        return Err("histogram: more counts than 64 bits hold".to_owned());
    }
    Ok(values)
}

/// Plain V2, inflated where it was deflated.
fn plain(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let cookie = u32_at(bytes, 0)?;
    let refused = match cookie & !WIDTH {
        0x1c84_9303 => return Ok(bytes.to_vec()),
        0x1c84_9304 => {
            let length = u64::from(u32_at(bytes, 4)?);
            let mut plain = Vec::new();
            ZlibDecoder::new(bytes.get(8..).unwrap_or(&[]).take(length))
                .take(PLAIN_BYTES_MAX)
                .read_to_end(&mut plain)
                .map_err(|error| format!("deflate: {error}"))?;
            return Ok(plain);
        }
        0x1c84_9308 | 0x1c84_9309 => "encoding V0, only V2 is read",
        0x1c84_9301 | 0x1c84_9302 => "encoding V1, only V2 is read",
        0x0c72_120e | 0x0c72_120f => "of floating point numbers, only integers are read",
        _ => return Err(format!("no HdrHistogram encoding begins with {cookie:08x}")),
    };
    Err(refused.to_owned())
}

/// Every byte that the header promises is there, and no number is out of its range.
fn check(plain: &[u8]) -> Result<(), String> {
    let promised = u32_at(plain, 4)? as usize;
    let there = plain.len().saturating_sub(HEADER_BYTES);
    if promised > there {
        return Err(format!("cut: {there} bytes of counts, {promised} promised"));
    }
    if u32_at(plain, 8)? != 0 {
        return Err("shifted by a normalizing offset, which is not read".to_owned());
    }
    let mut counts = &plain[HEADER_BYTES..HEADER_BYTES + promised];
    while !counts.is_empty() {
        // LEB128 of at most nine bytes, the ninth whole: all ones in all of them is −2⁶³.
        let end = counts.iter().take(8).position(|byte| byte & 0x80 == 0).map_or(9, |at| at + 1);
        let Some((number, rest)) = counts.split_at_checked(end) else {
            return Err("cut inside a count".to_owned());
        };
        if number == [0xff; 9] {
            return Err("a run of 2^63 empty cells".to_owned());
        }
        counts = rest;
    }
    Ok(())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map(u32::from_be_bytes).ok_or_else(|| format!("cut: {} bytes", bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};

    fn encoded() -> (Vec<u8>, Vec<u8>) {
        let mut values = hdrhistogram::Histogram::<u64>::new(3).unwrap();
        (1..5_000).for_each(|value| values.record(value * value).unwrap());
        let (mut plain, mut deflated) = (Vec::new(), Vec::new());
        V2Serializer::new().serialize(&values, &mut plain).unwrap();
        V2DeflateSerializer::new().serialize(&values, &mut deflated).unwrap();
        (plain, deflated)
    }

    fn of(bytes: &[u8]) -> Result<hdrhistogram::Histogram<u64>, String> {
        let field = base64::engine::general_purpose::STANDARD.encode(bytes);
        decode(&field, &mut Deserializer::new())
    }

    #[test]
    fn plain_and_deflated_are_the_same() {
        let (plain, deflated) = encoded();
        assert_eq!(of(&plain).unwrap(), of(&deflated).unwrap());
    }

    #[test]
    fn each_cut_is_an_error_and_no_changed_byte_panics() {
        let (plain, deflated) = encoded();
        for bytes in [plain, deflated] {
            for end in (0..bytes.len()).step_by(13) {
                assert!(of(&bytes[..end]).is_err(), "cut at {end}");
            }
            for at in (0..bytes.len()).step_by(3).chain(0..60) {
                for value in [0x00, 0x7f, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    let _ = of(&changed);
                }
            }
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let (mut plain, _) = encoded();
        for (cookie, word) in [
            (0x1c84_9301_u32, "V1"),
            (0x1c84_9319, "V0"),
            (0x0c72_124e, "floating"),
            (7, "00000007"),
        ] {
            plain[..4].copy_from_slice(&cookie.to_be_bytes());
            let error = of(&plain).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn promises_are_not_believed() {
        let (mut plain, _) = encoded();
        plain[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(of(&plain).unwrap_err().contains("promised"));
        let (mut plain, _) = encoded();
        plain[HEADER_BYTES..HEADER_BYTES + 9].copy_from_slice(&[0xff; 9]);
        assert!(of(&plain).unwrap_err().contains("empty cells"));
    }
}
