//! `hist convert`: one log in another format, found by the end of the new file's name.
//!
//! A log becomes a log of ours interval by interval: whatever wrote it, the result is V2, deflated,
//! in ns, with times since 1970 and maxima in ms.

use super::load::{self, Loaded};
use super::output::{Format, Out};
use super::unit::Unit;
use super::{columns, dump, merge, plot, print};
use crate::error::{Failure, Outcome, exit};
use std::path::PathBuf;
use std::slice;
use tickspin_results::hlog::Writer;

#[derive(Debug, clap::Args)]
pub(super) struct Convert {
    /// Interval log, or a result folder with some; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// What the values of the log are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    /// What to write; without it the end of OUT's name decides
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    out: Out,
}

const FORMATS: [Format; 6] =
    [Format::Hgrm, Format::Csv, Format::Json, Format::Parquet, Format::Hlog, Format::Svg];

pub(super) fn run(args: &Convert) -> Outcome {
    let output = args.out.decide(args.format, None, &FORMATS)?;
    if output.format == Format::Hlog {
        let (bytes, loaded) = log(args)?;
        output.write(&bytes)?;
        loaded.whole()?;
        return Ok(exit::OK);
    }
    let mut loaded = load::all(slice::from_ref(&args.file), args.unit)?;
    loaded.choose(&args.tag)?;
    let bytes = match output.format {
        Format::Hgrm => print::hgrm(loaded.only()?)?.into_bytes(),
        Format::Csv => print::csv(loaded.only()?)?.into_bytes(),
        Format::Parquet => columns::parquet(&loaded.sums)?,
        Format::Svg => plot::svg_of(&loaded)?.into_bytes(),
        _ => dump::json(&loaded)?.into_bytes(),
    };
    output.write(&bytes)?;
    loaded.whole()?;
    Ok(exit::OK)
}

/// Interval by interval, one in memory at a time.
fn log(args: &Convert) -> Result<(Vec<u8>, Loaded), Failure> {
    let (mut writer, mut seen) = (None::<Writer<Vec<u8>>>, Vec::<String>::new());
    let cut = load::each(slice::from_ref(&args.file), args.unit, |interval| {
        if !seen.contains(&interval.tag) {
            seen.push(interval.tag.clone());
        }
        if !args.tag.is_empty() && !args.tag.contains(&interval.tag) {
            return Ok(());
        }
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                let comment = "converted by tickspin hist convert".to_owned();
                let begun = merge::begin(interval.since_epoch, &[comment]);
                writer.insert(begun.map_err(|failure| failure.message)?)
            }
        };
        writer
            .values(&interval.tag, interval.since_epoch, interval.length, &interval.values)
            .map_err(|error| merge::failed(&error).message)
    })?;
    if let Some(tag) = args.tag.iter().find(|tag| !seen.contains(tag)) {
        let known = seen.join(", ");
        return Err(Failure::usage(format_args!("--tag {tag}: not there; there is {known}")));
    }
    let bytes = writer.map(Writer::into_inner).unwrap_or_default();
    let files = vec![args.file.display().to_string()];
    Ok((bytes, Loaded { files, sums: Vec::new(), left_out: 0, cut }))
}
