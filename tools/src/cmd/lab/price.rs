//! `tickspin lab price-of-the-kernel`: the kernel's sockets, past them, and without it.
//!
//! | file | what it holds |
//! |---|---|
//! | `price.json` | every transport with its intervals, what was set aside, the host |
//! | `price.md` | the tables, to read |
//! | `price.hlog` | each transport's distribution of each round, a tag a transport |
//! | `price.svg` | the transports' curves in one picture, made from that log |

use super::super::cores;
use super::super::hist::{load, plot};
use super::Args;
use crate::error::{Failure, Outcome, exit, output};
use crate::handoff::calibrated;
use crate::handoff::lab::Stat;
use crate::handoff::lab::price::{
    self, Crossed, Price, PriceReport, PriceRound, Saturated, Wishes,
};
use crate::print;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, SystemTime};
use tickspin_host::facts::Facts;
use tickspin_host::process;
use tickspin_results::hlog;
use tickspin_results::out::{OutDir, default_folder};
use tickspin_results::table::{Table, grouped};

/// Its name, in place of a file's.
pub(super) const NAME: &str = "price-of-the-kernel";
const FILES: [&str; 4] = ["price.json", "price.md", "price.hlog", "price.svg"];
/// Rounds, messages of one passage and their rate: 4 s a round.
const ROUNDS: usize = 8;
const MESSAGES: usize = 20_000;
const RATE_PER_S: f64 = 100_000.0;

const HEAD: [&str; 8] = [
    "arrival - intended, ns",
    "p50 [95 %]",
    "p99",
    "AF_XDP sender: p50 [95 %]",
    "p99",
    "empty poll",
    "drain",
    "lost",
];

/// Every message of a flood is in one of these columns.
const FLOOD_HEAD: [&str; 6] =
    ["as fast as it goes", "messages/s [95 %]", "sent", "lost", "explained", "unexplained"];

/// Runs the command.
///
/// # Errors
/// Exit code 1: results that are there; 4: privileges, `ip`, cores, the clock, or a folder that may
/// not be written.
pub(super) fn run(args: &Args) -> Outcome {
    let plan = cores::plan(args.cores)?;
    let wishes = Wishes {
        rounds: args.rounds.map_or(ROUNDS, |rounds| rounds as usize),
        messages: args.messages.map_or(MESSAGES, |messages| messages as usize),
        rate_per_s: RATE_PER_S,
        cores: (plan.feed, plan.engine),
    };
    if wishes.cores.0 == wishes.cores.1 {
        return Err(Failure::environment(
            "sender and receiver need two cores, and this process may use only one: see \
             `taskset -p $$` and the cpuset of its cgroup",
        ));
    }
    let path = args.out.clone().unwrap_or_else(|| default_folder(NAME, SystemTime::now()));
    let folder = OutDir::create(&path).map_err(|error| output(&error))?;
    folder.refuse_existing(&FILES, args.force).map_err(|error| {
        folder.abandon();
        output(&error)
    })?;
    process::catch_stop_signals();
    let began = SystemTime::now();
    let rounds = match measure(&wishes) {
        Ok(rounds) if !rounds.is_empty() => rounds,
        ended => {
            folder.abandon();
            return ended.map(|_| exit::of_signal(process::stop_signal()));
        }
    };
    let report = price::price_report(&wishes, &rounds);
    let object = object(&report);
    let pretty = serde_json::to_vec_pretty(&object).map_err(Failure::failed)?;
    folder.write("price.json", &pretty).map_err(|error| output(&error))?;
    folder.write("price.md", markdown(&report).as_bytes()).map_err(|error| output(&error))?;
    let log = log(&rounds, began).map_err(Failure::failed)?;
    folder.write("price.hlog", &log).map_err(|error| output(&error))?;
    folder.write("price.svg", picture(&log)?.as_bytes()).map_err(|error| output(&error))?;
    if args.json {
        print::json(&object)?;
    } else {
        print::out(&format!("{}files: {}\n", table(&report), folder.path().display()))?;
    }
    match process::stop_signal() {
        0 => Ok(exit::OK),
        signal => Ok(exit::of_signal(signal)),
    }
}

/// None, where a signal came before the first round was whole.
fn measure(wishes: &Wishes) -> Result<Vec<PriceRound>, Failure> {
    let clock = calibrated(Duration::from_millis(100))?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} transport {pos} of {len}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let rounds = price::price_rounds(wishes, &clock, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    rounds
}

/// An interval a round.
fn log(rounds: &[PriceRound], began: SystemTime) -> io::Result<Vec<u8>> {
    let comment = [format!("tickspin lab: {NAME}; an interval a round")];
    let mut writer = hlog::Writer::begin(Vec::new(), began, &comment)?;
    for raw in rounds.iter().flat_map(PriceRound::raw) {
        let (start, length) = raw.span;
        writer.interval(raw.tag, start, length, raw.one_way)?;
    }
    Ok(writer.into_inner())
}

/// The transports with their own or a UDP sender; those of the other sender are in the log.
fn picture(log: &[u8]) -> Result<String, Failure> {
    let mut sums = Vec::new();
    load::of_bytes("price.hlog", log, None, |interval| load::add(&mut sums, &interval))?;
    let names = price::Transport::ALL.map(price::Transport::name);
    sums.retain(|sum| names.contains(&sum.tag.as_str()));
    plot::svg_of_sums("One way by percentile, 64 bytes", &sums)
}

fn object(report: &PriceReport) -> Value {
    let mut object = serde_json::to_value(report).unwrap_or_default();
    object["host"] = crate::host::facts(&Facts::read())
        .into_iter()
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    object
}

fn row(name: &str, price: Option<&Price>) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    let Some(price) = price else {
        row.resize(HEAD.len(), "–".to_owned());
        return row;
    };
    let ns = |value: f64| grouped(value as u64);
    let interval =
        |stat: Stat| format!("{} [{}, {}]", ns(stat.median), ns(stat.low), ns(stat.high));
    let way = |crossed: Option<&Crossed>| match crossed {
        Some(Crossed { one_way_ns, .. }) => [interval(one_way_ns.p50), ns(one_way_ns.p99.median)],
        None => ["–".to_owned(), "–".to_owned()],
    };
    let bypassing = price.with_af_xdp_sender.as_ref();
    row.extend(way(Some(&price.plain)));
    row.extend(way(bypassing));
    row.push(format!("{:.1}", price.empty_poll_ns.median));
    row.push(format!("{:.1}", price.drain_ns.median));
    let lost = price.plain.lost + bypassing.map_or(0, |crossed| crossed.lost);
    row.push(if lost == 0 { String::new() } else { grouped(lost) });
    row
}

/// Of all, in the order of the way through the kernel.
fn rows(report: &PriceReport) -> impl Iterator<Item = Vec<String>> {
    price::Transport::ALL.into_iter().map(|transport| {
        let price = report.transports.get(transport.name());
        row(transport.name(), price.and_then(Option::as_ref))
    })
}

/// Of the transports that are over packets.
fn flood_rows(report: &PriceReport) -> impl Iterator<Item = Vec<String>> {
    price::Transport::ALL.into_iter().filter_map(|transport| {
        let price = report.transports.get(transport.name())?.as_ref()?;
        let Saturated { rate_per_s: rate, sent, lost, explained, unexplained, .. } =
            price.saturated.as_ref()?;
        let [median, low, high] = [rate.median, rate.low, rate.high].map(|of| grouped(of as u64));
        let counts = [sent, lost, explained, unexplained].map(|count| grouped(*count));
        let rate = format!("{median} [{low}, {high}]");
        Some([transport.name().to_owned(), rate].into_iter().chain(counts).collect())
    })
}

fn about(report: &PriceReport) -> String {
    let PriceReport { cores, placement, floor_round_trip_ns, rounds, .. } = report;
    let noisy = match report.is_noisy {
        true => {
            "host too noisy: of some transports no round was quiet, so all were used; these numbers \
             show the host as much\n"
        }
        false => "",
    };
    let notes: String = report.notes.iter().map(|note| format!("{note}\n")).collect();
    let obtained: String = (report.transports.values().flatten())
        .filter_map(|price| price.obtained.as_ref())
        .map(|obtained| format!("{obtained}\n"))
        .collect();
    format!(
        "{} bytes, {} messages/s; cores {} and {}, {placement}: a bare line goes there and back in \
         {floor_round_trip_ns:.0} ns\n{rounds} rounds; set aside: {} rounds in which the host had the \
         cores elsewhere, {} passages with another program on them; {:.0} ms stolen\n\
         {noisy}{obtained}{notes}",
        report.payload_bytes,
        grouped(report.rate_wished_per_s as u64),
        cores.0,
        cores.1,
        report.rounds_moved,
        report.passages_crowded,
        report.steal_ns as f64 / 1e6,
    )
}

fn table(report: &PriceReport) -> String {
    let mut table = Table::new(&HEAD);
    rows(report).for_each(|row| table.row(row));
    let mut flood = Table::new(&FLOOD_HEAD);
    flood_rows(report).for_each(|row| flood.row(row));
    format!("{}\n{}\n{}", table.render(), flood.render(), about(report))
}

fn markdown(report: &PriceReport) -> String {
    let mut text = "# The price of the kernel\n\n".to_owned();
    text.push_str(&format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len())));
    for row in rows(report) {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text.push_str(&format!("\n| {} |\n|{}\n", FLOOD_HEAD.join(" | "), "---|".repeat(6)));
    for row in flood_rows(report) {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text.push('\n');
    for line in about(report).lines() {
        text.push_str(&format!("- {line}\n"));
    }
    for (key, value) in crate::host::facts(&Facts::read()) {
        text.push_str(&format!("- {key}: {value}\n"));
    }
    text
}
