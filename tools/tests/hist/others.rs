//! Logs as other tools write them: their headers, divisors, units and encodings.

use crate::{Place, assert_fails};
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};
use std::time::Duration;
use tickspin_results::hlog::Writer;

const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";

/// The last field of a line: `values` of `digits` digits, deflated.
fn payload(values: &[u64], digits: u8) -> String {
    let mut histogram = Hdr::<u64>::new_with_bounds(1, 3_600_000_000_000, digits).unwrap();
    values.iter().for_each(|value| histogram.record(*value).unwrap());
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
    base64(&bytes)
}

/// As the last field of a line.
fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let symbol = |bits: u32| char::from(SYMBOLS[bits as usize & 63]);
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        let four = [18, 12, 6, 0].map(|shift| symbol(bits >> shift));
        let kept = four.into_iter().take(three.len() + 1);
        kept.chain(std::iter::repeat_n('=', 3 - three.len())).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn a_cassandra_stress_log() {
    let place = Place::new();
    // Base and start time, two tags, times since the base, maxima in ms.
    let log = format!(
        "#logging op latencies for Cassandra Stress\n\
         #[Histogram log format version 1.2]\n\
         #[BaseTime: 1500000000.000 (seconds since epoch)]\n\
         #[StartTime: 1500000000.000 (seconds since epoch), Fri Jul 14 02:40:00 UTC 2017]\n\
         {LEGEND}\n\
         Tag=READ-rt,0.032,1.001,2.001,{read}\n\
         Tag=WRITE-rt,0.032,1.001,0.501,{write}\n\
         Tag=READ-rt,1.033,1.000,2.001,{read}\n",
        read = payload(&[1_000_000, 2_000_000], 3),
        write = payload(&[500_000], 3),
    );
    place.write("stress.hdr", log.as_bytes());
    let json = place.json(&["stress.hdr", "--json"]);
    assert_eq!(json["latency_ns"]["READ-rt"]["count"], 4);
    assert_eq!(json["intervals"]["READ-rt"], 2);
    assert_eq!(json["latency_ns"]["WRITE-rt"]["p50"], 500_223);
    assert!(place.good(&["dump", "stress.hdr", "--intervals"]).contains("1500000001.033"));
    place.good(&["check", "stress.hdr", "--slo", "READ-rt max < 2.1ms"]);
}

#[test]
fn a_jhiccup_log() {
    let place = Place::new();
    // No tags, a start time from which times count, Windows line ends, a blank line at the end.
    let log = format!(
        "#[Logged with jHiccup version 2.0.10]\r\n\
         #[Histogram log format version 1.2]\r\n\
         #[StartTime: 1438867590.285 (seconds since epoch), Thu Aug 06 06:26:30 PDT 2015]\r\n\
         {LEGEND}\r\n\
         0.127,1.007,2.769,{one}\r\n\
         1.134,0.999,0.426,{two}\r\n\r\n",
        one = payload(&[2_768_895, 35_000], 2),
        two = payload(&[425_983], 2),
    );
    place.write("hiccup.hlog", log.as_bytes());
    let json = place.json(&["hiccup.hlog", "--json"]);
    assert_eq!(json["latency_ns"][""]["count"], 3);
    assert!(place.good(&["dump", "hiccup.hlog", "--intervals"]).contains("1438867590.412"));
    // A rule without a tag is for the one that has no name; ours in, ours out.
    place.good(&["check", "hiccup.hlog", "--slo", "p50 < 1ms"]);
    place.good(&["convert", "hiccup.hlog", "-o", "ours.hlog"]);
    assert_eq!(place.json(&["ours.hlog", "--json"])["latency_ns"], json["latency_ns"]);
}

#[test]
fn joined_logs_have_their_own_times_each() {
    let place = Place::new();
    let of = |base: u64, value| {
        let payload = payload(&[value], 3);
        format!(
            "#[BaseTime: {base}.000 (seconds since epoch)]\n{LEGEND}\n1.500,1.000,0.001,{payload}\n"
        )
    };
    place.write("joined.hlog", (of(1_600_000_000, 1_000) + &of(1_700_000_000, 1_001)).as_bytes());
    let table = place.good(&["dump", "joined.hlog", "--intervals"]);
    assert!(table.contains("1600000001.500") && table.contains("1700000001.500"), "{table}");
}

#[test]
fn another_unit_is_refused_until_it_is_named() {
    let place = Place::new();
    let line = |max: &str| format!("0.000,1.000,{max},{}\n", payload(&[12_345, 500], 3));
    // Microseconds shown as milliseconds: nothing in the file says so.
    place.write("us.hlog", line("12.345").as_bytes());
    assert_fails(&place.run(&["show", "us.hlog"]), 1, &["us.hlog", "unit", "--unit"]);
    let us = place.json(&["us.hlog", "--unit", "us", "--json"]);
    let max = us["latency_ns"][""]["max"].as_u64().unwrap();
    assert!((12_345_000..12_360_000).contains(&max), "{max}");
    assert_eq!(us["latency_ns"][""]["count"], 2);
    let ns = place.json(&["us.hlog", "--unit", "ns", "--json"]);
    assert_eq!(ns["latency_ns"][""]["max"], 12_351);
    // The same where the log says what it did; as they are; cut to a whole number.
    let said = format!("#[MaxValueDivisor: 1000.0]\n{}", line("12.345"));
    for (name, log) in [("said", said), ("raw", line("12351.0")), ("whole", line("0.000000"))] {
        place.write(name, log.as_bytes());
        assert_eq!(place.json(&[name, "--json"])["latency_ns"], ns["latency_ns"], "{name}");
    }
    // It contradicts itself.
    let lie = format!("#[MaxValueDivisor: 1000000000.0]\n{}", line("12.345"));
    place.write("lie.hlog", lie.as_bytes());
    assert_fails(&place.run(&["merge", "lie.hlog"]), 1, &["lie.hlog", "unit"]);
    assert_fails(&place.run(&["show", "us.hlog", "--unit", "h"]), 2, &["--unit"]);
}

#[test]
fn encodings_that_are_not_read_are_named_with_their_line() {
    let place = Place::new();
    let mut plain = Vec::new();
    V2Serializer::new().serialize(&Hdr::<u64>::new(2).unwrap(), &mut plain).unwrap();
    for (cookie, word) in [(0x1c84_9302_u32, "V1"), (0x1c84_9308, "V0"), (0x0c72_124e, "floating")]
    {
        plain[..4].copy_from_slice(&cookie.to_be_bytes());
        let log = format!("#old\n{LEGEND}\n0.0,1.0,0.0,{}\n", base64(&plain));
        place.write("old.hlog", log.as_bytes());
        assert_fails(&place.run(&["show", "old.hlog"]), 1, &["old.hlog", "line 3", word]);
    }
}

#[test]
fn no_changed_byte_of_a_log_is_a_panic() {
    let place = Place::new();
    let mut log = Vec::new();
    let mut writer = Writer::begin(&mut log, std::time::UNIX_EPOCH, &[]).unwrap();
    let mut histogram = tickspin_results::Histogram::new();
    (1..300).for_each(|value| histogram.record(value * value));
    writer.interval("book", Duration::ZERO, Duration::from_secs(1), &histogram).unwrap();
    let text = String::from_utf8_lossy(&log).into_owned();
    let line = text.lines().last().unwrap();
    let starts = ["-1.0", "NaN", "99999999999999999999.9", "18446744073709551615.9", "1e3", ""];
    let variants = starts.map(|start| line.replacen("0.000", start, 1));
    let cells =
        ["inf", "NaN", "-5", "1e308"].map(|max| line.replacen(",0.089,", &format!(",{max},"), 1));
    for variant in variants.iter().chain(&cells) {
        assert_ne!(variant, line);
        place.write("odd.hlog", format!("{variant}\n").as_bytes());
        for what in ["show", "merge", "plot"] {
            let output = place.run(&[what, "odd.hlog"]);
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 1)), "{what} {code:?}: {variant}");
            if code == Some(1) {
                assert_fails(&output, 1, &[]);
            }
        }
    }
}
