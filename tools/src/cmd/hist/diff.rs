//! `hist diff`: two logs or result folders beside each other.
//!
//! Tag by tag and percentile by percentile: both values, difference and ratio. It says what is in
//! the two files, not whether the one program is faster: two runs on a shared host always differ.

use super::load::{self, Loaded, Sum};
use super::output::{Format, Out};
use super::print;
use super::unit::Unit;
use crate::error::{Failure, Outcome, exit};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::slice;
use tickspin_results::Percentiles;
use tickspin_results::table::{Table, grouped};

/// Name and version of the object's shape.
const SCHEMA: &str = "tickspin.hist.diff/1";

#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// Interval log, or a result folder with some
    #[arg(value_name = "A")]
    a: PathBuf,
    /// What it is compared with
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// What the values of both are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    out: Out,
}

pub(super) fn run(args: &Diff) -> Outcome {
    let wished = args.json.then_some(Format::Json);
    let output = args.out.decide(wished, Some(Format::Table), &[Format::Table, Format::Json])?;
    let a = load::all(slice::from_ref(&args.a), args.unit)?;
    let b = load::all(slice::from_ref(&args.b), args.unit)?;
    let pairs = pairs(&a, &b, &args.tag)?;
    let text = match output.format {
        Format::Json => json(&a, &b, &pairs)?,
        _ => table(&pairs),
    };
    output.write(text.as_bytes())?;
    a.whole()?;
    b.whole()?;
    Ok(exit::OK)
}

/// A tag and its sum on either side.
type Pair<'l> = (&'l str, Option<&'l Sum>, Option<&'l Sum>);

fn pairs<'l>(a: &'l Loaded, b: &'l Loaded, wished: &[String]) -> Result<Vec<Pair<'l>>, Failure> {
    let find = |sums: &'l [Sum], tag: &str| sums.iter().find(|sum| sum.tag == tag);
    let mut pairs: Vec<Pair> = Vec::new();
    for sum in a.sums.iter().chain(&b.sums) {
        let is_wished = wished.is_empty() || wished.contains(&sum.tag);
        if is_wished && !pairs.iter().any(|(name, ..)| *name == sum.name()) {
            pairs.push((sum.name(), find(&a.sums, &sum.tag), find(&b.sums, &sum.tag)));
        }
    }
    let known = || format!("A has {}; B has {}", a.names(), b.names());
    if let Some(tag) = wished.iter().find(|tag| !pairs.iter().any(|(name, ..)| name == tag)) {
        return Err(Failure::usage(format_args!("--tag {tag}: not there; {}", known())));
    }
    if !pairs.iter().any(|(_, a, b)| a.is_some() && b.is_some()) {
        return Err(Failure::failed(format_args!("no tag in common: {}", known())));
    }
    Ok(pairs)
}

/// What is compared of a tag, by name; `None` where there is no value.
fn quantities(sum: Option<&Sum>) -> [(&'static str, Option<u64>); 8] {
    let p = sum.map(|sum| Percentiles::of(&sum.values)).unwrap_or_default();
    [
        ("count", sum.map(|_| p.count)),
        ("min", p.min),
        ("p50", p.p50),
        ("p90", p.p90),
        ("p99", p.p99),
        ("p99.9", p.p999),
        ("p99.99", p.p9999),
        ("max", p.max),
    ]
}

fn difference(a: Option<u64>, b: Option<u64>) -> Option<i128> {
    Some(i128::from(b?) - i128::from(a?))
}

fn ratio(a: Option<u64>, b: Option<u64>) -> Option<f64> {
    let (a, b) = (a.filter(|a| *a > 0)? as f64, b? as f64);
    Some(b / a)
}

fn table(pairs: &[Pair]) -> String {
    let mut table = Table::new(&["ns", "A", "B", "B - A", "B / A"]);
    for (name, a, b) in pairs {
        for ((quantity, a), (_, b)) in quantities(*a).into_iter().zip(quantities(*b)) {
            let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), grouped);
            let difference = difference(a, b).map(|difference| {
                let sign = if difference < 0 { "-" } else { "+" };
                let size = u64::try_from(difference.unsigned_abs()).unwrap_or(u64::MAX);
                if size == 0 { "0".to_owned() } else { format!("{sign}{}", grouped(size)) }
            });
            let ratio = ratio(a, b).map(|ratio| format!("{ratio:.3}"));
            let dash = || "-".to_owned();
            table.row(vec![
                format!("{name} {quantity}"),
                shown(a),
                shown(b),
                difference.unwrap_or_else(dash),
                ratio.unwrap_or_else(dash),
            ]);
        }
    }
    table.render()
}

fn json(a: &Loaded, b: &Loaded, pairs: &[Pair]) -> Result<String, Failure> {
    let mut tags = Map::new();
    for (name, a, b) in pairs {
        let mut of_tag = Map::new();
        for ((quantity, a), (_, b)) in quantities(*a).into_iter().zip(quantities(*b)) {
            let difference = difference(a, b).and_then(|wide| i64::try_from(wide).ok());
            let object = json!({ "a": a, "b": b, "difference": difference, "ratio": ratio(a, b) });
            of_tag.insert(quantity.to_owned(), object);
        }
        let tag = if *name == "(no tag)" { "" } else { name };
        tags.insert(tag.to_owned(), Value::Object(of_tag));
    }
    let cut = [print::cut(a), print::cut(b)].concat();
    print::pretty(&json!({
        "schema": SCHEMA,
        "a": a.files.first(),
        "b": b.files.first(),
        "tags": tags,
        "cut": cut,
    }))
}
