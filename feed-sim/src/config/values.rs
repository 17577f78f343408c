//! Values that may be one thing or another: a number or a word, a list or a word.

use crate::error::SimError;
use tickspin_recording::place::{PLACE_RULE, Place};
use toml::Value;

pub(super) fn place(value: &Value) -> Result<Option<Place>, &'static str> {
    match value {
        Value::String(word) if word == "none" => Ok(None),
        Value::String(text) => Place::parse(text).map(Some),
        Value::Datetime(date) => Place::parse(&date.to_string()).map(Some),
        Value::Integer(ns) => {
            u64::try_from(*ns).map(|ns| Some(Place::Ns(ns))).map_err(|_| PLACE_RULE)
        }
        _ => Err(PLACE_RULE),
    }
}

pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

pub(super) fn core(value: &Value, origin: &str) -> Result<Option<usize>, SimError> {
    match value {
        Value::String(word) if word == "auto" => Ok(None),
        Value::Integer(core) if usize::try_from(*core).is_ok() => Ok(Some(*core as usize)),
        _ => Err(SimError::key("core", origin, "the number of a core, or \"auto\"")),
    }
}

pub(super) fn cold_cores(value: &Value, origin: &str) -> Result<Option<Vec<usize>>, SimError> {
    let list = match value {
        Value::String(word) if word == "auto" => return Ok(None),
        Value::Array(list) => {
            list.iter().map(|core| usize::try_from(core.as_integer()?).ok()).collect()
        }
        _ => None,
    };
    let rule = "a list of cores as in [0, 2], not empty, or \"auto\"";
    let list: Option<Vec<usize>> = list;
    list.filter(|list| !list.is_empty())
        .map(Some)
        .ok_or_else(|| SimError::key("cold_cores", origin, rule))
}
