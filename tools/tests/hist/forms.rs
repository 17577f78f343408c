//! The forms a log can be brought into: distribution, intervals, files of other formats.

use crate::{Place, assert_fails, log, text};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_dump_is_the_whole_distribution() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let table = place.good(&["dump", "a.hlog", "--tag", "book"]);
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["book", "ns", "count", "1/(1-quantile)"]);
    assert_eq!(rows.last().unwrap()[..], ["1.000000000", "1,000", "3,000", "-"]);
    assert!(rows.len() > 20);
    let both = place.good(&["dump", "a.hlog"]);
    assert!(both.contains("book") && both.contains("service"));
    let json: Value = serde_json::from_str(&place.good(&["dump", "a.hlog", "--json"])).unwrap();
    let steps = json["tags"]["book"]["distribution"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["count"], 3_000);
    assert_eq!(json["tags"]["book"]["latency_ns"]["p50"], 500);
    // One tag's CSV and percentile text are those of `show`.
    for format in ["csv", "hgrm"] {
        let of = |what| place.good(&[what, "a.hlog", "--tag", "book", "--format", format]);
        assert_eq!(of("dump"), of("show"));
    }
    assert_fails(&place.run(&["dump", "a.hlog", "--format", "csv"]), 2, &["--tag"]);
}

#[test]
fn a_packed_log_is_read_as_it_is() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let plain = place.good(&["show", "a.hlog"]);
    place.good(&["convert", "a.hlog", "-o", "b.hlog.zst"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&log()).unwrap();
    let packed = packed.finish().unwrap();
    place.write("c.hlog.gz", &packed);
    for name in ["b.hlog.zst", "c.hlog.gz"] {
        assert_eq!(place.good(&["show", name]), plain, "{name}");
    }
    // A folder's logs, packed or not, are all of them.
    let all = place.good(&["show", "."]);
    assert!(all.contains("9,000"), "three times 3,000 of book: {all}");
    place.write("cut.hlog.gz", &packed[..packed.len() / 2]);
    assert_fails(&place.run(&["show", "cut.hlog.gz"]), 1, &["inside its compression"]);
}

#[test]
fn intervals_are_told_one_by_one() {
    let place = Place::new();
    place.write("a.hlog", &log());
    let table = place.good(&["dump", "a.hlog", "--intervals", "--tag", "service"]);
    assert_eq!(table.lines().count(), 4, "{table}");
    let last: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last[..5], ["service", "2.000", "1.000", "1", "5,003"]);
    let json = place.good(&["dump", "a.hlog", "--intervals", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["intervals"].as_array().unwrap().len(), 6);
    assert_fails(&place.run(&["dump", "a.hlog", "--intervals", "--format", "csv"]), 2, &["csv"]);
    let output = place.run(&["dump", "a.hlog", "--intervals", "--tag", "x"]);
    assert_fails(&output, 2, &["--tag x", "book, service"]);
}

#[test]
fn every_format_is_written_by_its_name() {
    let place = Place::new();
    place.write("a.hlog", &log());
    for name in
        ["o.hgrm", "o.csv", "o.json", "o.parquet", "o.hlog", "o.svg", "o.csv.zst", "p.json.zst"]
    {
        assert_eq!(place.good(&["convert", "a.hlog", "--tag", "book", "-o", name]), "", "{name}");
        let again = place.run(&["convert", "a.hlog", "--tag", "book", "-o", name]);
        assert_fails(&again, 1, &[name, "--force"]);
        place.good(&["convert", "a.hlog", "--tag", "book", "-o", name, "--force"]);
    }
    for (packed, plain) in [("o.csv.zst", "o.csv"), ("p.json.zst", "o.json")] {
        let packed = std::fs::read(place.0.path().join(packed)).unwrap();
        let unpacked = zstd::decode_all(packed.as_slice()).unwrap();
        assert_eq!(text(&unpacked), place.read(plain));
    }
    assert_eq!(
        place.read("o.csv"),
        place.good(&["show", "a.hlog", "--tag", "book", "--format", "csv"])
    );
    assert_fails(&place.run(&["convert", "a.hlog"]), 2, &["-o OUT"]);
    assert_fails(&place.run(&["convert", "a.hlog", "-o", "o.doc"]), 2, &["o.doc", ".parquet"]);
    assert_fails(&place.run(&["convert", "a.hlog", "-o", "o.svg.zst"]), 2, &["o.svg.zst", ".zst"]);
    assert_fails(&place.run(&["convert", "a.hlog", "-o", "x.csv"]), 2, &["--tag"]);
    let piped = place.good(&["convert", "a.hlog", "--tag", "book", "-o", "-", "--format", "hgrm"]);
    assert_eq!(piped, place.read("o.hgrm"));
    assert!(!place.names().iter().any(|name| name.starts_with("x.")), "{:?}", place.names());
}

#[test]
fn a_converted_log_says_the_same() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.good(&["convert", "a.hlog", "-o", "b.hlog"]);
    place.good(&["convert", "b.hlog", "-o", "c.hlog"]);
    assert_eq!(place.read("b.hlog"), place.read("c.hlog"));
    let of = |name: &str| {
        let mut json = place.json(&[name, "--json"]);
        json.as_object_mut().unwrap().remove("files");
        json
    };
    assert_eq!(of("a.hlog"), of("b.hlog"));
    let of = |name: &str| place.good(&["dump", name, "--intervals"]);
    assert_eq!(of("a.hlog"), of("b.hlog"));
}

#[test]
fn parquet_holds_every_cell() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.good(&["convert", "a.hlog", "-o", "a.parquet"]);
    let reader = SerializedFileReader::new(File::open(place.0.path().join("a.parquet")).unwrap());
    let rows: Vec<_> = reader.unwrap().get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1_000 + 1);
    for (index, row) in rows[..1_000].iter().enumerate() {
        let index = index as u64 + 1;
        assert_eq!(row.get_string(0).unwrap(), "book");
        let numbers = [1, 2, 3, 4].map(|column| row.get_ulong(column).unwrap());
        assert_eq!(numbers, [index, index, 3, 3 * index]);
    }
    assert_eq!(rows[1_000].get_string(0).unwrap(), "service");
    assert_eq!(rows[1_000].get_double(5).unwrap(), 1.0);
}

#[test]
fn curves_are_one_line_a_tag_and_file() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.write("b.hlog", &log());
    let lines = |svg: &str| svg.matches("<polyline").count();
    let one = place.good(&["plot", "a.hlog", "--tag", "book", "--title", "a < b"]);
    assert!(one.starts_with("<svg") && one.trim_end().ends_with("</svg>"));
    assert!(one.contains("99.9%") && one.contains("1 us") && one.contains("a &lt; b"), "{one}");
    place.good(&["plot", "a.hlog", "b.hlog", "-o", "x.svg"]);
    let both = place.read("x.svg");
    assert_eq!(lines(&both) - lines(&one), 2 * 3, "a curve and its legend for three more lines");
    assert!(both.contains("a: book") && both.contains("b: service"));
    assert_eq!(
        place.good(&["plot", "a.hlog", "b.hlog"]),
        both,
        "the same input is the same picture"
    );
    assert!(place.good(&["plot", "a.hlog", "--linear"]).contains("5 us"));
    assert_fails(&place.run(&["plot", "a.hlog", "-o", "x.svg"]), 1, &["x.svg", "--force"]);
    assert_fails(&place.run(&["plot", "a.hlog", "-o", "x.png"]), 2, &["x.png", ".svg"]);
}

#[test]
fn a_closed_pipe_is_success_everywhere() {
    let place = Place::new();
    place.write("a.hlog", &log());
    for arguments in [
        &["dump", "a.hlog"][..],
        &["merge", "a.hlog"],
        &["diff", "a.hlog", "a.hlog"],
        &["plot", "a.hlog"],
        &["convert", "a.hlog", "--format", "parquet"],
        &["check", "a.hlog", "--slo", "p50 < 1s"],
    ] {
        let mut child = place.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
}

#[test]
fn bad_files_are_one_line_in_every_command() {
    let place = Place::new();
    place.write("a.hlog", &log());
    place.write("empty.hlog", b"");
    place.write("binary.hlog", &(0..=255).cycle().take(4_096).collect::<Vec<u8>>());
    place.write("cut.hlog", &log()[..log().len() - 10]);
    for (name, word) in
        [("empty.hlog", "empty"), ("binary.hlog", "not an interval log"), ("none.hlog", "no such")]
    {
        for arguments in [
            &["dump", name][..],
            &["merge", name, "-o", "x.hlog"],
            &["diff", "a.hlog", name],
            &["plot", name, "-o", "x.svg"],
            &["convert", name, "-o", "x.json"],
            &["convert", name, "-o", "x.hlog"],
            &["check", name, "--slo", "p50 < 1s"],
        ] {
            let output = place.run(arguments);
            assert_fails(&output, 1, &[name, word]);
            assert!(output.stdout.is_empty(), "{arguments:?}");
        }
    }
    assert!(!place.names().iter().any(|name| name.starts_with("x.")), "{:?}", place.names());
    // What was whole is written, and the cut is said.
    assert_fails(&place.run(&["merge", "cut.hlog", "-o", "x.hlog"]), 1, &["cut.hlog", "cut"]);
    assert_eq!(place.json(&["x.hlog", "--json"])["latency_ns"]["book"]["count"], 3_000);
}
