//! Everything that is checked and decided before anything starts.

use super::super::cores;
use super::aside::Aside;
use super::config::{Config, PartFile};
use super::over::Road;
use super::programs::Programs;
use super::said::Said;
use super::{Args, name_of};
use crate::error::{Failure, meet, output};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;
use tickspin_host::cpu::{self, CorePlan};
use tickspin_host::process;
use tickspin_results::cure::may_read;
use tickspin_results::out::{OutDir, default_folder};
use tickspin_results::{Stage, slow};
use tickspin_ring::MeetError;
use tickspin_ring::rendezvous::{Role, RuntimeDir, check_name};

/// Result files that a run writes beside its histograms.
pub(super) const FILES: [&str; 6] =
    ["summary.json", "feed.json", "engine.json", "feed.hlog", "engine.hlog", slow::FILE];

/// Length of a synthetic market that nobody gave another one: it has no end of its own.
const DURATION_DEFAULT: &str = "5s";

/// A run that may start.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) args: &'a Args,
    pub(super) name: String,
    pub(super) programs: Programs,
    pub(super) plan: CorePlan,
    pub(super) dir: RuntimeDir,
    pub(super) out: OutDir,
    /// Arguments of `feed-sim`.
    pub(super) feed: Vec<OsString>,
    /// Arguments of `engine`.
    pub(super) engine: Vec<OsString>,
    /// What packets go over; `None`: the ring.
    pub(super) road: Option<Road>,
    /// Rate to measure the bare ring at, events a second; `None`: the probe's own.
    pub(super) rate: Option<f64>,
    /// How complaints name the parts of the configuration: the file's path, what to say instead.
    pub(super) aliases: Vec<(String, String)>,
    /// Removed with the job.
    parts: Vec<PartFile>,
    /// What an earlier run left.
    aside: Aside,
}

impl<'a> Job<'a> {
    /// Checks programs, name, configuration, cores, runtime directory and result folder, in this
    /// order; from the last one on there is something to remove.
    ///
    /// # Errors
    /// One line, and nothing is left behind.
    pub(super) fn prepare(args: &'a Args) -> Result<Job<'a>, Failure> {
        process::catch_stop_signals();
        let programs = Programs::find()?;
        let name = args.name.clone().unwrap_or_else(|| format!("run-{}", std::process::id()));
        check_name(&name).map_err(|error| Failure::usage(&error))?;
        let config = Config::read(args.config.as_deref())?;
        for file in &args.files {
            std::fs::File::open(file).map_err(|error| cannot_open(file, &error))?;
        }
        let mut plan = cores::plan(args.cores)?;
        if args.fifo.is_some() {
            plan.may_use_fifo().map_err(|error| Failure::environment(&error))?;
        }
        let road = Road::build(args)?;
        let dir = RuntimeDir::open().map_err(|error| meet(&error))?;
        refuse_busy(&dir, &name)?;
        make_room(&dir, &mut plan)?;

        let path = args.out.clone().unwrap_or_else(|| default_folder(&name, SystemTime::now()));
        let out = OutDir::create(&path).map_err(|error| output(&error))?;
        let tables: Vec<String> =
            Stage::ALL.iter().map(|stage| format!("{}.hgrm", stage.name())).collect();
        let names: Vec<&str> = FILES.into_iter().chain(tables.iter().map(String::as_str)).collect();
        out.refuse_existing(&names, args.force).map_err(|error| {
            out.abandon();
            output(&error)
        })?;
        // What an earlier run left must not be taken for this one's, whatever becomes of it.
        let names = names.into_iter().map(str::to_owned).collect();
        let aside = Aside::of(out.path(), names).map_err(|error| {
            out.abandon();
            output(&error)
        })?;
        let mut parts = Vec::new();
        let mut aliases = Vec::new();
        let mut part = |name: &str, table: &Option<toml::Table>| {
            let Some(table) = table else { return Ok(None) };
            let file = PartFile::write(out.path(), name, table)?;
            let path = file.0.clone();
            aliases.push((path.display().to_string(), config.name_of(name)));
            parts.push(file);
            Ok(Some(path))
        };
        let written =
            part("feed", &config.feed).and_then(|feed| Ok((feed, part("engine", &config.engine)?)));
        let (feed_config, engine_config) = match written {
            Ok(paths) => paths,
            Err(failure) => {
                parts.clear();
                out.abandon();
                return Err(failure);
            }
        };

        let mut job = Job {
            args,
            name,
            programs,
            plan,
            dir,
            out,
            feed: Vec::new(),
            engine: Vec::new(),
            road,
            rate: args.rate,
            aliases,
            parts,
            aside,
        };
        let said = Said { feed: config.feed.as_ref() };
        job.rate = said.rate(args);
        let is_bounded = said.is_bounded(args);
        job.feed = job.feed_arguments(feed_config, is_bounded);
        job.engine = job.engine_arguments(engine_config);
        Ok(job)
    }

    /// Removes the parts of the configuration, the earlier results if there are new ones, and the
    /// folders that this run made and left empty.
    pub(super) fn clean_up(self) {
        drop(self.parts);
        drop(self.aside);
        self.out.abandon();
    }

    fn feed_arguments(&self, config: Option<PathBuf>, is_bounded: bool) -> Vec<OsString> {
        let args = self.args;
        let mut line = Line::default();
        match args.files.is_empty() {
            true => line.0.push("synth".into()),
            false => line.0.push("replay".into()),
        }
        self.common(&mut line, self.plan.feed, config);
        line.value("--policy", args.policy.map(name_of));
        line.flag("--lockstep", args.lockstep);
        line.value("--speed", args.speed.as_ref());
        line.value("--rate", args.rate);
        let default = (!is_bounded).then(|| DURATION_DEFAULT.to_owned());
        line.value("--duration", args.duration.clone().or(default));
        line.value("--count", args.count);
        line.value("--from", args.from.as_ref());
        line.value("--to", args.to.as_ref());
        line.value("--symbols", (!args.symbols.is_empty()).then(|| args.symbols.join(",")));
        line.flag("--parts", args.parts);
        line.flag("--loop", args.repeat);
        line.value("--seed", args.seed);
        line.value("--instruments", args.instruments);
        line.value("--warm-up", args.warm_up);
        line.0.extend(self.road.iter().flat_map(|road| road.feed.iter().map(Into::into)));
        if !args.files.is_empty() {
            // A name may begin with a dash.
            line.0.push("--".into());
            line.0.extend(args.files.iter().map(Into::into));
        }
        line.0
    }

    fn engine_arguments(&self, config: Option<PathBuf>) -> Vec<OsString> {
        let args = self.args;
        let mut line = Line::default();
        self.common(&mut line, self.plan.engine, config);
        line.value("--strategy", args.strategy.map(name_of));
        line.value("--stamps", args.stamps.map(name_of));
        line.value("--slow", args.slow.as_ref());
        line.0.extend(self.road.iter().flat_map(|road| road.engine.iter().map(Into::into)));
        line.0
    }

    /// What both programs understand alike.
    fn common(&self, line: &mut Line, core: usize, config: Option<PathBuf>) {
        let args = self.args;
        let cold: Vec<String> = self.plan.cold.iter().map(ToString::to_string).collect();
        line.value("--name", Some(&self.name));
        line.value("--core", Some(core));
        line.value("--cold-cores", Some(cold.join(",")));
        line.flag("--yield", self.plan.must_yield);
        line.value("--fifo", args.fifo);
        line.flag("--lock-memory", args.lock_memory);
        line.flag("--huge-pages", args.huge_pages);
        if let Some(config) = config {
            line.0.extend(["--config".into(), config.into()]);
        }
        line.0.extend(["-o".into(), self.out.path().into()]);
        line.flag("--force", args.force);
        line.flag("--json", true);
    }
}

/// A command line that grows.
#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn value(&mut self, flag: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.extend([flag.into(), value.to_string().into()]);
        }
    }

    fn flag(&mut self, flag: &str, is_on: bool) {
        if is_on {
            self.0.push(flag.into());
        }
    }
}

/// Two spinners for each run alive and two of ours: more than cores, and all of ours yield. Those
/// that spin already go on spinning; ours at least do not make it worse.
fn make_room(dir: &RuntimeDir, plan: &mut CorePlan) -> Result<(), Failure> {
    let (alive, _) = dir.runs().map_err(|error| meet(&error))?;
    let cores = cpu::cores().map_err(|error| Failure::environment(&error))?;
    let allowed = cores.iter().filter(|core| core.allowed).count();
    if !alive.is_empty() && 2 * (alive.len() + 1) > allowed && !plan.must_yield {
        plan.must_yield = true;
        let names: Vec<&str> = alive.iter().map(|run| run.name.as_str()).collect();
        plan.why = format!(
            "{}; {} spins on this host already and there are {allowed} cores: both programs yield",
            plan.why,
            names.join(", ")
        );
    }
    Ok(())
}

fn cannot_open(file: &std::path::Path, error: &std::io::Error) -> Failure {
    let line = format!("{}: cannot open: {error}", file.display());
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Failure::environment(format_args!("{line}; {}", may_read(file)))
        }
        _ => Failure::failed(line),
    }
}

/// Another live run of the same name would be joined half by half: refused with its owner named.
fn refuse_busy(dir: &RuntimeDir, name: &str) -> Result<(), Failure> {
    for (role, label) in [(Role::Feed, "feed"), (Role::Engine, "engine")] {
        if let Some(owner) = dir.owner(name, role).map_err(|error| meet(&error))? {
            let error = MeetError::Busy { run: name.to_owned(), role: label, owner };
            return Err(Failure::failed(format_args!("{error}; give another --name")));
        }
    }
    Ok(())
}
