//! The command line without a feed: one clear line, the exit code of the contract, nothing left.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

fn engine(folder: &Path, arguments: &[&str]) -> Run {
    engine_with(folder, &[], arguments)
}

fn engine_with(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = Command::cargo_bin("engine").unwrap();
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).args(arguments);
    command.envs(variables.iter().copied()).timeout(Duration::from_secs(20));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or(-1);
    Run { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The one line of an error, which names `words`.
fn one_line(run: &Run, words: &[&str]) {
    assert_eq!(run.stderr.lines().count(), 1, "one line: {}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} in {}", run.stderr);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A whole configuration, with one line changed.
fn changed(folder: &Path, line: &str, to: &str) -> String {
    let text = engine(folder, &["--print-config"]).stdout;
    assert!(text.contains(line), "{line} is in the default");
    let path = folder.join("changed.toml");
    fs::write(&path, text.replacen(line, to, 1)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_build_id_stands_alone_on_one_line() {
    let folder = folder();
    let run = engine(folder.path(), &["--build-id"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1));
    assert!(run.stdout.starts_with(env!("CARGO_PKG_VERSION")), "{}", run.stdout);
}

#[test]
fn unknown_flags_and_values_are_usage() {
    let folder = folder();
    for arguments in [
        &["--bogus"][..],
        &["--strategy", "none"],
        &["--stamps", "some"],
        &["--wait-feed", "30"],
        &["--interval", "0s"],
        &["--fifo", "100"],
        &["--core", "x"],
        &["extra"],
    ] {
        let run = engine(folder.path(), arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_is_out_of_range_names_the_key_who_said_it_and_what_would_do() {
    let folder = folder();
    let run = engine(folder.path(), &["--name", "../x"]);
    assert_eq!(run.code, 2);
    one_line(&run, &["run.name", "flag --name", "A-Z"]);
    let run = engine(folder.path(), &["--interval", "1ms"]);
    assert_eq!(run.code, 2);
    one_line(&run, &["run.interval_ms", "flag --interval", "100 to"]);
    let variable = "TICKSPIN_ENGINE_RINGS_REQUESTS_SLOTS";
    let run = engine_with(folder.path(), &[(variable, "1000")], &[]);
    assert_eq!(run.code, 2);
    one_line(&run, &["rings.requests_slots", variable, "1024 would do"]);
}

#[test]
fn an_unknown_key_is_named() {
    let folder = folder();
    let path = changed(folder.path(), "collar_bp = 500", "collar_bp = 500\ncollar_bps = 1");
    let run = engine(folder.path(), &["--config", &path]);
    assert_eq!(run.code, 2);
    one_line(&run, &["risk.collar_bps", "changed.toml", "unknown key", "collar_bp,"]);
    fs::write(&path, "[feed]\nx = 1\n").unwrap();
    let run = engine(folder.path(), &["--config", &path]);
    assert_eq!(run.code, 2);
    one_line(&run, &["feed", "unknown section", "risk"]);
    let run = engine_with(folder.path(), &[("TICKSPIN_ENGINE_RISK_LUCK", "1")], &[]);
    assert_eq!(run.code, 2);
    one_line(&run, &["risk.luck", "TICKSPIN_ENGINE_RISK_LUCK"]);
}

#[test]
fn every_limit_has_to_be_stated_and_above_zero() {
    let folder = folder();
    for (limit, line) in [
        ("order_qty_max", "order_qty_max = 1000"),
        ("order_notional_max", "order_notional_max = 1000000"),
        ("position_qty_max", "\nposition_qty_max = 1000\n"),
        ("open_orders_max", "open_orders_max = 4096"),
        ("collar_bp", "collar_bp = 500"),
        ("event_age_max_ms", "event_age_max_ms = 1000"),
        ("new_per_second", "new_per_second = 10000000"),
        ("new_burst", "new_burst = 10000"),
        ("replace_per_second", "replace_per_second = 10000000"),
        ("replace_burst", "replace_burst = 10000"),
        ("total_per_second", "total_per_second = 10000000"),
        ("total_burst", "total_burst = 10000"),
    ] {
        let key = format!("risk.{limit}");
        let zero = format!("\n{limit} = 0\n");
        let path = changed(folder.path(), line, &zero);
        let run = engine(folder.path(), &["--config", &path]);
        assert_eq!(run.code, 2, "{limit}");
        one_line(&run, &[&key, "a limit of 0 refuses the start"]);
        let path = changed(folder.path(), line, "\n");
        let run = engine(folder.path(), &["--config", &path]);
        assert_eq!(run.code, 2, "{limit}");
        one_line(&run, &[&key, "missing", "state it"]);
    }
}

#[test]
fn a_wrong_type_names_the_key() {
    let folder = folder();
    let path = changed(folder.path(), "huge_pages = false", "huge_pages = \"no\"");
    let run = engine(folder.path(), &["--config", &path]);
    assert_eq!(run.code, 2);
    one_line(&run, &["memory.huge_pages", "changed.toml", "boolean"]);
    let path = changed(folder.path(), "collar_bp = 500", "collar_bp = -1");
    let run = engine(folder.path(), &["--config", &path]);
    assert_eq!(run.code, 2);
    one_line(&run, &["risk.collar_bp", "-1"]);
}

#[test]
fn the_printed_configuration_loads_again_as_itself() {
    let folder = folder();
    let arguments =
        ["--strategy", "probe", "--stamps", "ends", "--wait-feed", "7s", "--cold-cores", "0"];
    let first = engine(folder.path(), &[&arguments[..], &["--print-config"]].concat());
    assert_eq!(first.code, 0, "{}", first.stderr);
    for line in ["strategy = \"probe\"", "wait_feed_ms = 7000", "cold = [0]", "# pinned"] {
        assert!(first.stdout.lines().any(|l| l.starts_with(line)), "{line}");
    }
    let path = folder.path().join("printed.toml");
    fs::write(&path, &first.stdout).unwrap();
    let path = path.to_str().unwrap();
    let second = engine(folder.path(), &["--config", path, "--print-config"]);
    assert_eq!((second.code, second.stdout), (0, first.stdout));
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_the_file() {
    let folder = folder();
    let path = changed(folder.path(), "wait_feed_ms = 30000", "wait_feed_ms = 1111");
    let printed = |variables: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["--config", &path, "--print-config"], arguments].concat();
        let text = engine_with(folder.path(), variables, &arguments).stdout;
        let line = text.lines().find(|line| line.starts_with("wait_feed_ms")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let variable = ("TICKSPIN_ENGINE_RUN_WAIT_FEED_MS", "2222");
    assert_eq!(printed(&[], &[]), "1111");
    assert_eq!(printed(&[variable], &[]), "2222");
    assert_eq!(printed(&[variable], &["--wait-feed", "3s"]), "3000");
}

#[test]
fn quotes_that_the_gate_would_refuse_are_pointed_out() {
    let folder = folder();
    let variables = [("TICKSPIN_ENGINE_RISK_ORDER_QTY_MAX", "10")];
    let run = engine_with(folder.path(), &variables, &["--print-config"]);
    assert!(run.stdout.contains("quotes.qty 100 is above risk.order_qty_max 10"), "{}", run.stdout);
    let probe = ["--print-config", "--strategy", "probe"];
    let run = engine_with(folder.path(), &variables, &probe);
    assert!(!run.stdout.contains("is above risk"), "{}", run.stdout);
}

#[test]
fn a_configuration_that_is_missing_or_no_toml_is_a_failure() {
    let folder = folder();
    let run = engine(folder.path(), &["--config", "none.toml"]);
    assert_eq!(run.code, 1);
    one_line(&run, &["none.toml", "cannot read"]);
    fs::write(folder.path().join("cut.toml"), "[run]\nname = \"x\n").unwrap();
    let run = engine(folder.path(), &["--config", "cut.toml"]);
    assert_eq!(run.code, 1);
    one_line(&run, &["cut.toml", "line 2"]);
    fs::write(folder.path().join("empty.toml"), "").unwrap();
    let run = engine(folder.path(), &["--config", "empty.toml"]);
    assert_eq!(run.code, 2, "no limits");
    one_line(&run, &["risk.", "missing"]);
}

#[test]
fn a_core_that_does_not_exist_is_the_environments_fault() {
    let folder = folder();
    for arguments in [["--core", "4095"], ["--cold-cores", "4095"]] {
        let run = engine(folder.path(), &[&arguments[..], &["--wait-feed", "1ms"]].concat());
        assert_eq!(run.code, 4, "{}", run.stderr);
        one_line(&run, &["4095", "would do"]);
    }
    assert!(!folder.path().join("tickspin-runs").exists());
}

#[test]
fn without_a_feed_nothing_is_left_behind() {
    let folder = folder();
    let run = engine(folder.path(), &["--wait-feed", "1s", "--name", "alone", "-o", "a/b"]);
    assert_eq!(run.code, 1);
    one_line(&run, &["no feed", "1000 ms", "alone", "--wait-feed"]);
    assert!(run.stdout.contains("pinned"), "the plan was printed: {}", run.stdout);
    assert_eq!(names(folder.path()), ["tickspin"], "neither results nor anything else");
    let left = names(&folder.path().join("tickspin"));
    assert!(left.iter().all(|name| name.starts_with('.')), "{left:?}");
}

#[test]
fn results_are_not_overwritten_by_accident() {
    let folder = folder();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/service.hgrm"), "old").unwrap();
    let run = engine(folder.path(), &["-o", "out", "--wait-feed", "1ms"]);
    assert_eq!(run.code, 1);
    one_line(&run, &["service.hgrm", "--force"]);
    let run = engine(folder.path(), &["-o", "out", "--wait-feed", "1ms", "--force"]);
    one_line(&run, &["no feed"]);
    assert_eq!(fs::read(folder.path().join("out/service.hgrm")).unwrap(), b"old");
}

#[test]
fn a_folder_that_cannot_be_made_is_one_line() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    let run = engine(folder.path(), &["-o", "file/out", "--wait-feed", "1ms"]);
    assert_eq!(run.code, 1);
    one_line(&run, &["file/out", "cannot make the folder"]);
    // /proc takes no folders from anybody, root included.
    let run = engine(folder.path(), &["-o", "/proc/tickspin", "--wait-feed", "1ms"]);
    assert_eq!(run.code, 1, "no permission is missing there, there is no such place");
    one_line(&run, &["/proc/tickspin"]);
}

#[test]
fn with_json_nothing_but_the_object_goes_to_standard_output() {
    let folder = folder();
    let run = engine(folder.path(), &["--json", "--wait-feed", "1ms"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
}
