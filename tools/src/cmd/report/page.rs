//! The page: everything gathered, put into one template, with a policy that lets nothing else in.
//!
//! The content security policy names the style and the one script by their hashes, and nothing more:
//! even text that slipped past the template's escaping could not run, and nothing can be loaded.

use super::curves::{self, Chart};
use super::facts::{self, Fact};
use super::folder::{File, Folder};
use super::host::Doctor;
use super::slow::{self, Slow};
use super::stages::{self, Table};
use super::strip::{Shown, Strip};
use super::verdict::{self, Badge, Objectives};
use super::waterfall::{self, Level};
use super::{data, text};
use crate::error::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};
use tickspin_results::table::grouped;
use tickspin_results::utc;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Columns of the percentile tables.
const COLUMNS: [&str; 8] = ["count", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
/// Facts of the host block that are the program's.
const PROGRAM: [&str; 4] = ["build", "commit", "compiler", "profile"];
/// Earlier times than this are no times of day: the log counts from its own start.
const TIME_OF_DAY_S: f64 = 1e8;

/// What the template sees.
#[derive(Serialize)]
struct Page<'p> {
    policy: String,
    style: &'static str,
    script: &'static str,
    data: String,
    name: String,
    path: String,
    source: Option<&'p str>,
    ended: Option<&'p str>,
    started: Option<String>,
    made: String,
    maker: &'static str,
    badges: Vec<Badge>,
    headline: Vec<Fact>,
    warnings: Vec<String>,
    notes: Option<Vec<String>>,
    /// What the marks of small values mean.
    floor_said: Option<String>,
    columns: [&'static str; 8],
    tables: Vec<Table>,
    charts: Vec<Chart>,
    levels: Vec<Level>,
    strip: Option<Shown>,
    slow: Slow,
    pacing: Vec<Fact>,
    losses: Vec<Fact>,
    not_held: Vec<Fact>,
    floor: Vec<Fact>,
    measured_also: Vec<Fact>,
    threads: Vec<[Option<String>; 3]>,
    host: Vec<Fact>,
    settings: Vec<Fact>,
    recording: Vec<Fact>,
    doctor: &'p Doctor,
    definitions: Vec<(&'static str, &'static str)>,
    provenance: Vec<Fact>,
    files: Vec<Download>,
    everything: Vec<Fact>,
}

/// A file inside the page.
#[derive(Serialize)]
struct Download {
    name: String,
    bytes: String,
    sha256: String,
    base64: String,
}

/// The whole file.
pub(super) fn render(
    folder: &Folder,
    objectives: &Objectives<'_>,
    doctor: &Doctor,
) -> Result<String, Failure> {
    let strip = Strip::of(folder, slow::marks(folder));
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        data: data::json(folder, strip.as_ref()),
        name: name(folder),
        path: folder.path.display().to_string(),
        source: folder.text("summary:/source feed:/source"),
        ended: folder.text("summary:/ended engine:/ended feed:/ended"),
        started: folder.origin_s.filter(|s| *s > TIME_OF_DAY_S).map(time_of_day),
        made: time_of_day(
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        ),
        maker: env!("TICKSPIN_BUILD"),
        badges: verdict::badges(folder, objectives),
        headline: facts::of(folder, facts::HEADLINE),
        warnings: warnings(folder),
        notes: notes(folder),
        floor_said: stages::floors(folder).map(|floors| floors.meaning()),
        columns: COLUMNS,
        tables: stages::tables(folder, objectives.rules),
        charts: curves::charts(&folder.sums, objectives.rules),
        levels: waterfall::levels(folder),
        strip: strip.as_ref().map(Strip::shown),
        slow: slow::section(folder),
        pacing: match folder.find("summary:/certificate feed:/certificate") {
            Some(_) => facts::of(folder, facts::PACING),
            None => Vec::new(),
        },
        losses: facts::of(folder, facts::LOSSES),
        not_held: facts::not_held(folder),
        floor: facts::of(folder, facts::FLOOR),
        measured_also: facts::measured_also(folder),
        threads: facts::threads(folder),
        host: host(folder, false),
        settings: facts::object(folder, "summary:/settings"),
        recording: facts::object(folder, "summary:/recording feed:/recording"),
        doctor,
        definitions: stages::definitions(),
        provenance: provenance(folder),
        files: folder.files.iter().map(Download::of).collect(),
        everything: facts::everything(folder),
    };
    written(&page)
        .map_err(|error| Failure::failed(format_args!("cannot write the page: {error:#}")))
}

fn written(page: &Page<'_>) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // A name that is misspelt in the template is an error, not an empty place.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_syntax(SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build()?);
    // Its name ends in .html: what it shows is escaped.
    environment.add_template("page.html", TEMPLATE)?;
    environment.get_template("page.html")?.render(Value::from(Serde(page)))
}

/// Nothing from anywhere, and of what stands in the page only ours.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// The run's name; without one, the folder's.
fn name(folder: &Folder) -> String {
    if let Some(run) = folder.text("summary:/run engine:/run feed:/run") {
        return run.to_owned();
    }
    let whole = folder.path.canonicalize().unwrap_or_else(|_| folder.path.clone());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

fn time_of_day(since_1970_s: f64) -> String {
    format!("{} UTC", utc::date_time(since_1970_s as u64).replace('T', " "))
}

/// What is wrong with the folder.
fn warnings(folder: &Folder) -> Vec<String> {
    let cut = folder.cut.iter().map(|cut| format!("{}: {}", cut.file, cut.what));
    cut.chain(folder.remarks.iter().cloned()).chain(stages::contradictions(folder)).collect()
}

/// Every note of the summary; without one, those of the parts. `None`: no object has any.
fn notes(folder: &Folder) -> Option<Vec<String>> {
    let of = |place: &str| folder.find(place).and_then(|notes| notes.as_array().cloned());
    let notes = match of("summary:/notes") {
        Some(notes) => notes,
        None => match (of("feed:/notes"), of("engine:/notes")) {
            (None, None) => return None,
            (feed, engine) => [feed.unwrap_or_default(), engine.unwrap_or_default()].concat(),
        },
    };
    Some(notes.iter().map(text::plain).collect())
}

/// Facts of the host, or of the program, that stand in one block.
fn host(folder: &Folder, of_program: bool) -> Vec<Fact> {
    let facts = facts::object(folder, "summary:/host").into_iter();
    facts.filter(|fact| PROGRAM.contains(&fact.key.as_str()) == of_program).collect()
}

fn provenance(folder: &Folder) -> Vec<Fact> {
    let line = |key: &str, places: &str| Fact {
        key: key.to_owned(),
        // Told to be none: the orders' hash of a run that was not in lock-step.
        value: match folder.find(places) {
            None if folder.has(places) => Some("none".to_owned()),
            value => value.map(text::plain),
        },
    };
    let mut facts = host(folder, true);
    if facts.is_empty() {
        facts.push(line("build", "summary:/build engine:/build feed:/build"));
    }
    facts.extend([
        line("schema", "summary:/schema engine:/schema feed:/schema"),
        line("feed's core", "summary:/feed/core feed:/usage/core"),
        line("engine's core", "summary:/engine/core engine:/usage/core"),
        line("epoch of the events ring", "engine:/epoch feed:/epoch"),
        line("hash of the orders", "summary:/orders/hash feed:/orders_hash"),
        line("hash of the final books", "summary:/book/hash engine:/book_hash"),
    ]);
    facts
}

impl Download {
    fn of(file: &File) -> Download {
        let digest = Sha256::digest(&file.bytes);
        Download {
            name: file.name.clone(),
            bytes: grouped(file.bytes.len() as u64),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            base64: STANDARD.encode(&file.bytes),
        }
    }
}
