//! `tickspin knee`: the same market faster and faster, until an objective breaks.
//!
//! ```text
//! speed 1 ─ holds ─► 2 ─ holds ─► 4 ─ holds ─► 8 ─ broken
//!                                   6 ◄─ halved, --steps times, by the ratio ─┘
//! ```
//! Each speed is a run of `tickspin run` by itself, with its results in a folder of its own. It counts
//! as held when most of its rounds met every objective, lost nothing and kept the schedule: a feed that
//! falls behind it is a knee too, and is told apart.
//!
//! Cost: two spinning cores for (speeds × rounds × time). When wrong: on a host whose noise alone
//! breaks the objective at every speed; then the first speed is broken, and that is said.

use super::hist::{load, rule::Rule};
use super::{cores, time};
use crate::error::{Failure, Outcome, exit, output};
use crate::num::{hundredth, median};
use crate::print;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};
use tickspin_host::{child, process};
use tickspin_results::out::{OutDir, default_folder};
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.knee/1";
/// Half of the events later than this share of the round: the feed cannot keep the schedule.
const BEHIND_SHARE_MAX: f64 = 0.02;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recorded feeds of any format; without one a synthetic market of 100,000 events a second
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What must hold, repeatable: 'tick_to_order p99.9 < 2us', 'response max < 1ms'
    #[arg(long, required = true, value_name = "RULE")]
    slo: Vec<Rule>,
    /// The first speed, 0.01 to 1000
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    speed_min: f64,
    /// No speed beyond this, 1000 at most
    #[arg(long, value_name = "X", default_value_t = 1_000.0, value_parser = speed)]
    speed_max: f64,
    /// Halvings between the last that held and the first that broke
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=10))]
    steps: u8,
    /// Rounds of each speed; most of them decide
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=101))]
    rounds: u8,
    /// Length of a round: 500ms, 5s, 1m
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time::parse)]
    time: Duration,
    /// Deliver what lies before at once and unmeasured, as in `tickspin run`
    #[arg(long, value_name = "PLACE", requires = "files")]
    from: Option<String>,
    /// Cores of feed and engine; chosen as `tickspin run` would where not given
    #[arg(long, value_name = "FEED,ENGINE", value_parser = cores::parse)]
    cores: Option<(usize, usize)>,
    /// Result folder: knee.json, and one folder a round
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace results that are there
    #[arg(long)]
    force: bool,
    /// Print the JSON object instead of the table
    #[arg(long)]
    json: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.01..=1_000.0).contains(speed));
    speed.ok_or_else(|| "a number from 0.01 to 1000".to_owned())
}

/// One round of a speed.
#[derive(Debug, Serialize)]
struct Round {
    /// Each objective's value, ns, in the order of the rules; the worst where a rule is for every tag.
    values_ns: Vec<f64>,
    target_per_s: f64,
    achieved_per_s: f64,
    /// What the pacing certificate says.
    pace: String,
    /// Why it did not hold; empty: it did.
    broken: Vec<String>,
}

/// All rounds of a speed.
#[derive(Debug, Serialize)]
struct Point {
    speed: f64,
    holds: bool,
    /// Medians over the rounds.
    values_ns: Vec<f64>,
    achieved_per_s: f64,
    rounds: Vec<Round>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    source: String,
    rules: Vec<String>,
    /// The highest speed that held; `null`: none did.
    knee_speed: Option<f64>,
    knee_per_s: Option<f64>,
    /// The lowest speed that broke; `null`: all held.
    broken_speed: Option<f64>,
    points: &'a [Point],
}

/// Runs the command.
///
/// # Errors
/// What `tickspin run` fails with; 1: results that are there; 3: the first speed does not hold.
pub fn run(args: &Args) -> Outcome {
    let path = args.out.clone().unwrap_or_else(|| default_folder("knee", SystemTime::now()));
    let folder = OutDir::create(&path).map_err(|error| output(&error))?;
    folder.refuse_existing(&["knee.json"], args.force).map_err(|error| {
        folder.abandon();
        output(&error)
    })?;
    process::catch_stop_signals();
    let mut points = Vec::new();
    let climbed = climb(args, folder.path(), &mut points);
    if points.is_empty() {
        folder.abandon();
    }
    climbed?;
    points.sort_by(|one: &Point, other| one.speed.total_cmp(&other.speed));
    // Noise may break a speed below one that held: the knee is below the first that broke.
    let broken = points.iter().find(|point| !point.holds);
    let mut below =
        points.iter().filter(|point| broken.is_none_or(|broken| point.speed < broken.speed));
    let knee = below.rfind(|point| point.holds);
    let report = Report {
        schema: SCHEMA,
        source: match args.files.as_slice() {
            [] => "synthetic market, 100000 events/s at speed 1".to_owned(),
            files => {
                files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
            }
        },
        rules: args.slo.iter().map(ToString::to_string).collect(),
        knee_speed: knee.map(|point| point.speed),
        knee_per_s: knee.map(|point| point.achieved_per_s),
        broken_speed: broken.map(|point| point.speed),
        points: &points,
    };
    let pretty = serde_json::to_vec_pretty(&report).map_err(Failure::failed)?;
    folder.write("knee.json", &pretty).map_err(|error| output(&error))?;
    if args.json {
        print::json(&report)?;
    } else {
        print::out(&format!("{}files: {}\n", table(&report), folder.path().display()))?;
    }
    match (process::stop_signal(), knee) {
        (0, Some(_)) => Ok(exit::OK),
        (0, None) => Err(Failure::new(
            exit::CHECK,
            format_args!("speed {} does not hold already", args.speed_min),
        )),
        (signal, _) => Ok(exit::of_signal(signal)),
    }
}

/// Doubles until it breaks, then halves the ratio between what held and what broke.
fn climb(args: &Args, folder: &Path, points: &mut Vec<Point>) -> Result<(), Failure> {
    let (mut held, mut speed) = (None, args.speed_min);
    let mut broke = loop {
        let Some(point) = measure(args, folder, speed)? else { return Ok(()) };
        let holds = point.holds;
        points.push(point);
        if !holds {
            break speed;
        }
        if speed >= args.speed_max {
            return Ok(());
        }
        held = Some(speed);
        speed = (speed * 2.0).min(args.speed_max);
    };
    let Some(mut held) = held else { return Ok(()) };
    for _ in 0..args.steps {
        let speed = hundredth((held * broke).sqrt());
        if speed <= held || speed >= broke {
            break;
        }
        let Some(point) = measure(args, folder, speed)? else { break };
        if point.holds {
            held = speed
        } else {
            broke = speed
        }
        points.push(point);
    }
    Ok(())
}

/// All rounds of a speed; `None`: a signal came before the last was over.
fn measure(args: &Args, folder: &Path, speed: f64) -> Result<Option<Point>, Failure> {
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let out = folder.join(format!("speed-{speed}-{number}"));
        let round = round(args, &out, speed);
        if process::stop_signal() != 0 {
            return Ok(None);
        }
        rounds.push(round?);
    }
    let held = rounds.iter().filter(|round| round.broken.is_empty()).count();
    let over = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of).collect());
    Ok(Some(Point {
        speed,
        holds: held * 2 > rounds.len(),
        values_ns: (0..args.slo.len())
            .map(|rule| over(&|round| round.values_ns.get(rule).copied().unwrap_or(f64::NAN)))
            .collect(),
        achieved_per_s: over(&|round| round.achieved_per_s),
        rounds,
    }))
}

/// One run, by this same program.
fn round(args: &Args, out: &Path, speed: f64) -> Result<Round, Failure> {
    let failed = |what: String| Failure::failed(format_args!("speed {speed}: {what}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg("run").args(&args.files).args(["--no-probe", "--force", "-o"]).arg(out);
    command.args(["--speed", &speed.to_string()]);
    command.args(["--duration", &format!("{}ms", args.time.as_millis())]);
    if let Some(place) = &args.from {
        command.args(["--from", place]);
    }
    if let Some((feed, engine)) = args.cores {
        command.args(["--cores", &format!("{feed},{engine}")]);
    }
    let (code, said) = wait(&mut command).map_err(|error| failed(error.to_string()))?;
    if code != Some(0) {
        let line = said.lines().next().unwrap_or("no word").trim_start_matches("tickspin: ");
        let code = code.and_then(|code| u8::try_from(code).ok());
        return Err(Failure::new(code.unwrap_or(exit::FAILURE), line));
    }
    let summary =
        std::fs::read(out.join("summary.json")).map_err(|error| failed(error.to_string()))?;
    let summary: Value =
        serde_json::from_slice(&summary).map_err(|error| failed(error.to_string()))?;
    judged(args, out, &summary)
}

/// Its exit code and what it complained of. A signal to us is passed on, once: it is in a process
/// group of its own, so that none comes to it from the terminal too.
fn wait(command: &mut Command) -> io::Result<(Option<i32>, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut running = child::stop_with_parent(command).spawn()?;
    let (mut code, mut passed_on) = (None, 0);
    while code.is_none() {
        code = running.try_wait()?.map(|status| status.code());
        let signal = process::stop_signal();
        if signal != passed_on {
            child::send_signal(&mut running, signal)?;
            passed_on = signal;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut said = String::new();
    if let Some(mut stderr) = running.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    Ok((code.flatten(), said))
}

/// What of a run met the objectives.
fn judged(args: &Args, out: &Path, summary: &Value) -> Result<Round, Failure> {
    let loaded = load::all(&[out.to_owned()], None)?;
    let (mut values_ns, mut broken) = (Vec::new(), Vec::new());
    for rule in &args.slo {
        let findings = rule.find(&loaded.sums).map_err(Failure::failed)?;
        values_ns.push(findings.iter().map(|finding| finding.value_ns).fold(0.0, f64::max));
        broken.extend(findings.iter().filter(|found| !found.is_ok()).map(ToString::to_string));
    }
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let certificate = &summary["certificate"];
    let (target, achieved) = (&certificate["target_rate"], &certificate["achieved_rate"]);
    let (target_per_s, achieved_per_s) = (number(target), number(achieved));
    let behind_ns = number(&summary["latency_ns"]["schedule_lag"]["p50"]);
    if behind_ns > args.time.as_nanos() as f64 * BEHIND_SHARE_MAX {
        broken.push(format!("the feed fell behind its schedule: p50 {behind_ns:.0} ns"));
    }
    let lost = number(&summary["events"]["lost"]) + number(&summary["events"]["overruns"]);
    if lost > 0.0 {
        broken.push(format!("{lost} events lost"));
    }
    let pace = certificate["verdict"].as_str().unwrap_or_default().to_owned();
    Ok(Round { values_ns, target_per_s, achieved_per_s, pace, broken })
}

fn table(report: &Report<'_>) -> String {
    let head: Vec<String> = report.rules.iter().map(|rule| format!("{rule}, ns")).collect();
    let mut columns = vec!["speed", "events/s", "verdict"];
    columns.extend(head.iter().map(String::as_str));
    columns.push("why");
    let mut table = Table::new(&columns);
    for point in report.points {
        let mut row = vec![
            format!("{}", point.speed),
            grouped(point.achieved_per_s as u64),
            if point.holds { "holds" } else { "broken" }.to_owned(),
        ];
        row.extend(point.values_ns.iter().map(|&ns| grouped(ns as u64)));
        let broken = point.rounds.iter().filter(|round| !round.broken.is_empty());
        let why = broken.clone().flat_map(|round| round.broken.first()).next();
        row.push(why.map_or_else(String::new, |why| {
            format!("{} of {} rounds: {why}", broken.count(), point.rounds.len())
        }));
        table.row(row);
    }
    let knee = match (report.knee_speed, report.knee_per_s, report.broken_speed) {
        (Some(speed), Some(rate), Some(broken)) => format!(
            "holds up to speed {speed} ({} events/s), breaks at {broken}",
            grouped(rate as u64)
        ),
        (Some(speed), Some(rate), None) => {
            format!("holds at every speed tried, up to {speed} ({} events/s)", grouped(rate as u64))
        }
        _ => "does not hold at the first speed".to_owned(),
    };
    format!("{}\n\n{}\n{knee}\n", report.source, table.render())
}
