//! Comparing: planted differences are found, equal sides are not cried over, unlike hosts refused.

use hdrhistogram::Histogram as Hdr;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal, Normal};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tickspin_results::{Histogram, hlog};
use tickspin_testkit::process::TempDir;
use tickspin_tools::compare::{Design, Finding, Settings, Tag, Unit, Verdict, compare};

const TICKSPIN: &str = env!("CARGO_BIN_EXE_tickspin");
/// Rounds of A B B A: the default of the command.
const ROUNDS: usize = 8;

/// One run as a host makes it: log-normal around some hundred ns with a slow tail; runs of one
/// program differ by `between` (2 %: two percent), and everything is slower by `factor`.
fn unit(rng: &mut Pcg64Mcg, values: usize, between: f64, factor: f64) -> Hdr<u64> {
    let level = Normal::new(0.0, between).unwrap().sample(rng).exp() * factor;
    let usual = LogNormal::new(180_f64.ln(), 0.35).unwrap();
    let slow = LogNormal::new(4_000_f64.ln(), 0.8).unwrap();
    let mut histogram = Histogram::new();
    for _ in 0..values {
        let ns: f64 = if rng.random_bool(0.01) { slow.sample(rng) } else { usual.sample(rng) };
        histogram.record((ns * level) as u64);
    }
    histogram.values
}

/// Two tags of rounds; round after round the host gets slower by `drift` in all, for both alike.
fn rounds(seed: u64, b_factor: f64, drift: f64) -> Vec<Tag> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut tag = |name: &str| {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (turn, is_a) in [true, false, false, true].into_iter().enumerate() {
                let at = (round * 4 + turn) as f64 / (ROUNDS * 4) as f64;
                let factor = (1.0 + drift * at) * if is_a { 1.0 } else { b_factor };
                let side = if is_a { &mut a } else { &mut b };
                side.push(Unit::of(&unit(&mut rng, 3_000, 0.02, factor)));
            }
        }
        Tag { name: name.to_owned(), a, b }
    };
    vec![tag("service"), tag("response")]
}

fn settings(design: Design, seed: u64) -> Settings {
    Settings { design, resamples: 300, seed, tolerance: 0.0, clock_step_ns: 0.0 }
}

fn is_verdict(findings: &[Finding], percentile: &str, verdict: Verdict) -> bool {
    let mut of = findings.iter().filter(|finding| finding.percentile == percentile);
    of.all(|finding| finding.verdict == verdict)
}

fn is_cry(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Better | Verdict::Worse)
}

#[test]
fn equal_sides_are_cried_over_in_at_most_one_trial_of_twenty() {
    const TRIALS: u64 = 200;
    let (mut of_rounds, mut of_series) = (0, 0);
    for trial in 0..TRIALS {
        // A host that gets 30 % slower meanwhile is no excuse.
        let drift = if trial % 2 == 0 { 0.0 } else { 0.3 };
        let tags = rounds(trial, 1.0, drift);
        let findings = compare(&tags, &settings(Design::Rounds, trial)).unwrap();
        of_rounds += usize::from(findings.iter().any(is_cry));

        let mut rng = Pcg64Mcg::seed_from_u64(trial + 1_000);
        let mut series = || (0..40).map(|_| Unit::of(&unit(&mut rng, 1_000, 0.02, 1.0))).collect();
        let tags = [Tag { name: "service".to_owned(), a: series(), b: series() }];
        let findings = compare(&tags, &settings(Design::Series, trial)).unwrap();
        of_series += usize::from(findings.iter().any(is_cry));
    }
    println!("cries: {of_rounds} and {of_series} of {TRIALS} trials");
    assert!(of_rounds <= 10 && of_series <= 10, "{of_rounds} and {of_series} of {TRIALS} trials");
}

#[test]
fn a_fifth_more_at_the_median_is_found_either_way() {
    for trial in 0..20 {
        let drift = if trial % 2 == 0 { 0.0 } else { 0.3 };
        let worse = compare(&rounds(trial, 1.2, drift), &settings(Design::Rounds, 1)).unwrap();
        assert!(is_verdict(&worse, "p50", Verdict::Worse), "trial {trial}: {worse:?}");
        let better =
            compare(&rounds(trial, 1.0 / 1.2, drift), &settings(Design::Rounds, 1)).unwrap();
        assert!(is_verdict(&better, "p50", Verdict::Better), "trial {trial}: {better:?}");
        for finding in worse.iter().filter(|finding| finding.percentile == "p50") {
            assert!(finding.low < 1.2 && 1.2 < finding.high, "trial {trial}: {finding:?}");
        }
    }
}

#[test]
fn few_values_clock_steps_and_tolerance_give_no_verdict() {
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let mut side = |factor| (0..16).map(|_| Unit::of(&unit(&mut rng, 300, 0.0, factor))).collect();
    let tags = [Tag { name: "service".to_owned(), a: side(1.0), b: side(1.2) }];
    let of = |settings: &Settings| compare(&tags, settings).unwrap();
    let plain = settings(Design::Rounds, 1);
    assert!(is_verdict(&of(&plain), "p50", Verdict::Worse));
    assert!(is_verdict(&of(&plain), "p99.9", Verdict::TooFew));
    for lenient in
        [Settings { tolerance: 0.25, ..plain }, Settings { clock_step_ns: 50.0, ..plain }]
    {
        assert!(is_verdict(&of(&lenient), "p50", Verdict::CannotTell), "{lenient:?}");
    }
    let again = serde_json::to_string(&of(&plain)).unwrap();
    assert_eq!(
        again,
        serde_json::to_string(&of(&plain)).unwrap(),
        "the same seed, the same report"
    );
    let short =
        [Tag { name: "service".to_owned(), a: tags[0].a[..6].into(), b: tags[0].b[..6].into() }];
    assert!(compare(&short, &plain).unwrap_err().message.contains("3 blocks"));
}

/// A result folder: a log of `service`, one interval a second, and what the host was.
fn folder(place: &Path, name: &str, seed: u64, factor: f64, cpu: &str) {
    let folder = place.join(name);
    fs::create_dir_all(&folder).unwrap();
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut log = Vec::new();
    let mut writer = hlog::Writer::begin(&mut log, UNIX_EPOCH, &[]).unwrap();
    for second in 0..40 {
        let values = unit(&mut rng, 1_000, 0.02, factor);
        let (at, length) = (Duration::from_secs(second), Duration::from_secs(1));
        writer.values("service", at, length, &values).unwrap();
    }
    fs::write(folder.join("engine.hlog"), log).unwrap();
    let summary = json!({ "host": { "cpu": cpu }, "clock": { "step_ns": 7.0 } });
    fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
}

fn run(place: &TempDir, arguments: &[&str]) -> Output {
    let mut command = place.command(Path::new(TICKSPIN));
    command.current_dir(place.path()).arg("compare").args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, and the one line of standard error.
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one line: {stderr:?}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
    }
}

#[test]
fn folders_are_compared_and_unlike_hosts_refused() {
    let place = TempDir::new().unwrap();
    for (name, seed, factor, cpu) in
        [("a", 1, 1.0, "X"), ("same", 2, 1.0, "X"), ("slow", 3, 1.2, "X"), ("other", 4, 1.0, "Y")]
    {
        folder(place.path(), name, seed, factor, cpu);
    }
    let same = run(&place, &["a", "same", "--json"]);
    assert!(same.status.success(), "{}", text(&same.stderr));
    let same: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(same["schema"], "tickspin.compare/1");
    assert_eq!(same["clock_step_ns"], 7.0);
    assert!(
        same["findings"].as_array().unwrap().iter().all(|finding| finding["verdict"] != "worse")
    );
    let slow = run(&place, &["a", "slow"]);
    assert_fails(&slow, 3, &["B is worse"]);
    let table = text(&slow.stdout);
    let p50 = table.lines().find(|line| line.starts_with("service p50")).unwrap();
    assert!(p50.ends_with("worse"), "{table}");
    assert!(table.contains("note: one run of each"), "{table}");
    assert!(run(&place, &["slow", "a"]).status.success(), "better is no regression");
    assert_fails(&run(&place, &["a", "other"]), 4, &["not alike", "cpu X and Y", "--unlike"]);
    let told = run(&place, &["a", "other", "--unlike"]);
    assert!(told.status.success() && text(&told.stdout).contains("note: the hosts are not alike"));
    assert_fails(&run(&place, &["a", "none"]), 1, &["none", "no such file"]);
    assert_fails(&run(&place, &["a", "same", "--tag", "x"]), 2, &["--tag x", "service"]);
    assert_fails(&run(&place, &["a"]), 2, &["B"]);
    assert_fails(&run(&place, &["--a", "true"]), 2, &["--b"]);
}

#[test]
fn commands_run_in_turns_and_must_leave_a_log() {
    let place = TempDir::new().unwrap();
    for run in 0..4 {
        folder(place.path(), &format!("quick{run}"), run, 1.0, "X");
        folder(place.path(), &format!("slow{run}"), run + 10, 1.3, "X");
    }
    // Each takes the next of four prepared runs, and tells when it was its turn.
    let of = |kind: &str| {
        format!("echo {kind} >> turns; n=$(($(grep -c {kind} turns) % 4)); cp {kind}$n/* \"$OUT\"")
    };
    let (quick, slow) = (of("quick"), of("slow"));
    let wished = ["--rounds", "6", "--runs", "runs", "--tolerance", "1"];
    let output = run(&place, &[&["--a", &quick, "--b", &slow], &wished[..]].concat());
    assert_fails(&output, 3, &["B is worse"]);
    let turns = fs::read_to_string(place.path().join("turns")).unwrap();
    assert_eq!(turns.lines().collect::<Vec<_>>().join(" "), ["quick slow slow quick"; 6].join(" "));
    assert_eq!(fs::read_dir(place.path().join("runs")).unwrap().count(), 24);
    let again = run(&place, &[&["--a", &quick, "--b", &slow], &wished[..]].concat());
    assert_fails(&again, 1, &["exists already", "--runs"]);
    let nothing = run(&place, &["--a", "true", "--b", "true", "--runs", "nothing"]);
    assert_fails(&nothing, 1, &["without .hlog"]);
    let broken =
        run(&place, &["--a", "echo no core >&2; exit 4", "--b", "true", "--runs", "broken"]);
    assert_fails(&broken, 1, &["no core", "exit status: 4"]);
    assert!(!place.path().join("broken").exists(), "nothing is left of a first run that failed");
    assert_fails(&run(&place, &["--a", "true", "--b", "true", "--rounds", "1"]), 2, &["--rounds"]);
}
