//! What lies in the folder: interval logs, the JSON objects of a run, records of slow ticks.
//!
//! Every file is read once, so that what is shown is what can be downloaded from the page. All is
//! optional but one: a folder without a log and without a summary has nothing to show.

use crate::cmd::hist::load::{self, Cut, Sum};
use crate::cmd::hist::unit::Unit;
use crate::error::Failure;
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tickspin_results::hlog::Interval;
use tickspin_results::slow::FILE as SLOW;
use tickspin_results::summary::{EnginePart, FeedPart, SCHEMA, Summary};

/// The objects of a run, in the order of the page's downloads.
const OBJECTS: [&str; 3] = ["summary", "feed", "engine"];

/// A file that the page carries.
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// One interval of one tag, as far as the time strip needs it.
pub(super) struct Span {
    pub(super) tag: String,
    /// Since 1970 as far as the log says, seconds.
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    pub(super) count: u64,
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) max_ns: u64,
}

/// All of it.
pub(super) struct Folder {
    /// As given.
    pub(super) path: PathBuf,
    pub(super) files: Vec<File>,
    /// Stages in their order, then other tags by name.
    pub(super) sums: Vec<Sum>,
    pub(super) spans: Vec<Span>,
    /// Start of the engine's log, else of the earliest: what records of slow ticks count from.
    pub(super) origin_s: Option<f64>,
    pub(super) slow: Vec<Value>,
    pub(super) cut: Vec<Cut>,
    /// What a reader must know about the folder itself.
    pub(super) remarks: Vec<String>,
    has_engine: bool,
    objects: [Option<Value>; 3],
}

impl Folder {
    /// Reads everything.
    pub(super) fn read(path: &Path, unit: Option<Unit>) -> Result<Folder, Failure> {
        let mut folder = Folder {
            path: path.to_path_buf(),
            files: Vec::new(),
            sums: Vec::new(),
            spans: Vec::new(),
            origin_s: None,
            slow: Vec::new(),
            cut: Vec::new(),
            remarks: Vec::new(),
            has_engine: false,
            objects: [None, None, None],
        };
        if path.is_dir() {
            for log in logs(path)? {
                folder.log(&log, unit)?;
            }
            for (index, name) in OBJECTS.iter().enumerate() {
                folder.objects[index] = folder.object(&path.join(format!("{name}.json")))?;
            }
            folder.slow(&path.join(SLOW))?;
        } else {
            folder.log(path, unit)?;
        }
        folder.sums.sort_by(|a, b| a.place().cmp(&b.place()));
        folder.complete();
        if folder.sums.is_empty() && folder.objects.iter().all(Option::is_none) {
            return Err(Failure::failed(format_args!(
                "{}: nothing to report: no .hlog and none of summary.json, feed.json, engine.json",
                path.display()
            )));
        }
        Ok(folder)
    }

    /// The first of these places that holds something: `summary:/events/sent feed:/sent`.
    pub(super) fn find(&self, places: &str) -> Option<&Value> {
        places.split(' ').find_map(|place| {
            let (object, pointer) = place.split_once(':')?;
            self.object_of(object)?.pointer(pointer).filter(|value| !value.is_null())
        })
    }

    /// Whether one of these places is there, be it `null`.
    pub(super) fn has(&self, places: &str) -> bool {
        places.split(' ').any(|place| {
            place.split_once(':').is_some_and(|(object, pointer)| {
                self.object_of(object).is_some_and(|value| value.pointer(pointer).is_some())
            })
        })
    }

    /// `summary`, `feed` or `engine`.
    pub(super) fn object_of(&self, name: &str) -> Option<&Value> {
        let index = OBJECTS.iter().position(|object| *object == name)?;
        self.objects[index].as_ref()
    }

    /// Text at the first of these places.
    pub(super) fn text(&self, places: &str) -> Option<&str> {
        self.find(places)?.as_str()
    }

    /// A sum by its tag, if it has values.
    pub(super) fn sum(&self, tag: &str) -> Option<&Sum> {
        self.sums.iter().find(|sum| sum.tag == tag && !sum.values.is_empty())
    }

    fn log(&mut self, path: &Path, unit: Option<Unit>) -> Result<(), Failure> {
        let bytes = fs::read(path).map_err(|error| load::failed(path, &error))?;
        let name = path.display().to_string();
        let unpacked = load::unpack(&bytes).map_err(|error| load::failed(path, &error))?;
        let log = unpacked.as_deref().unwrap_or(&bytes);
        let (sums, spans) = (&mut self.sums, &mut self.spans);
        let mut earliest = f64::INFINITY;
        let dropped = load::of_bytes(&name, log, unit, |interval| {
            let span = Span::of(&interval);
            earliest = earliest.min(span.start_s);
            spans.push(span);
            load::add(sums, &interval)
        })?;
        self.cut.extend(dropped.map(|what| Cut { file: name, what }));
        let is_engine =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("engine.hlog"));
        if is_engine || !self.has_engine {
            let known = self.origin_s.filter(|_| !is_engine).unwrap_or(f64::INFINITY);
            self.origin_s = Some(known.min(earliest));
            self.has_engine = is_engine;
        }
        self.carry(path, bytes);
        Ok(())
    }

    fn carry(&mut self, path: &Path, bytes: Vec<u8>) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.files.push(File { name, bytes });
    }

    fn object(&mut self, path: &Path) -> Result<Option<Value>, Failure> {
        let Some(bytes) = optional(path)? else { return Ok(None) };
        let object: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))?;
        if !object.is_object() {
            return Err(Failure::failed(format_args!("{}: not a JSON object", path.display())));
        }
        if let Some(schema) = object.get("schema").filter(|schema| **schema != SCHEMA) {
            let name = path.display();
            self.remarks.push(format!("{name} has schema {schema}, this program knows {SCHEMA}"));
        }
        self.carry(path, bytes);
        Ok(Some(object))
    }

    fn slow(&mut self, path: &Path) -> Result<(), Failure> {
        let Some(bytes) = optional(path)? else { return Ok(()) };
        let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
        // A log that is whole ends in a line end: what follows the last one was cut off.
        let rest = lines.pop().unwrap_or_default();
        if !rest.is_empty() {
            let what = format!("cut inside its last line, {} bytes of it dropped", rest.len());
            self.cut.push(Cut { file: path.display().to_string(), what });
        }
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            let record = serde_json::from_slice(line).map_err(|error| {
                Failure::failed(format_args!("{}: line {}: {error}", path.display(), index + 1))
            })?;
            self.slow.push(record);
        }
        self.carry(path, bytes);
        Ok(())
    }

    /// Both parts of a run whose summary was never written say all that the programs knew.
    fn complete(&mut self) {
        let [None, Some(feed), Some(engine)] = &self.objects else { return };
        let feed: Result<FeedPart, _> = serde_json::from_value(feed.clone());
        let engine: Result<EnginePart, _> = serde_json::from_value(engine.clone());
        let (Ok(feed), Ok(engine)) = (feed, engine) else { return };
        if feed.epoch != engine.epoch {
            self.remarks.push(format!(
                "feed.json and engine.json are of two runs: epoch {} and {}",
                feed.epoch, engine.epoch
            ));
            return;
        }
        // What only `tickspin run` knows, the join leaves empty: empty is not recorded.
        let Ok(mut joined) = serde_json::to_value(Summary::join(&feed, &engine)) else { return };
        if let Some(object) = joined.as_object_mut() {
            for key in
                ["host", "placement", "floor_ns", "ring_one_way_ns", "idle_control", "offset"]
            {
                object.remove(key);
            }
        }
        self.remarks.push("no summary.json: joined from feed.json and engine.json".to_owned());
        self.objects[0] = Some(joined);
    }
}

impl Span {
    fn of(interval: &Interval) -> Span {
        let (start_s, values) = (interval.since_epoch.as_secs_f64(), &interval.values);
        Span {
            tag: interval.tag.clone(),
            start_s,
            end_s: start_s + interval.length.as_secs_f64(),
            count: values.len(),
            p50_ns: values.value_at_quantile(0.5),
            p99_ns: values.value_at_quantile(0.99),
            max_ns: values.max(),
        }
    }
}

/// The interval logs of a folder, by name.
fn logs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let entries = entries.map_err(|error| load::failed(folder, &error))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut logs: Vec<PathBuf> = paths.filter(|path| load::is_log(path)).collect();
    logs.sort();
    Ok(logs)
}

/// A file's bytes; `None` where there is no such file.
fn optional(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(load::failed(path, &error)),
    }
}
