//! Where each value of the configuration comes from: compiled-in default < file < environment
//! (`TICKSPIN_ENGINE_<SECTION>_<KEY>`) < flag.
//!
//! The compiled-in file names every key there is, so "unknown" is a question to it. One section is
//! special: limits have no default. Without `--config` the compiled-in file states them; with it,
//! the user's file (or the environment) has to state each.

use crate::error::EngineError;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use toml::{Table, Value};

/// Every key with meaning, unit, range, default and reason.
pub const DEFAULT: &str = include_str!("default.toml");

/// Prefix of the variables that are keys.
pub const ENVIRONMENT: &str = "TICKSPIN_ENGINE_";

/// The section without defaults.
const LIMITS: &str = "risk";

/// Values with their origins, before they are typed.
#[derive(Debug, Default)]
pub struct Layers {
    defaults: Table,
    values: Table,
    /// Origin of what is not the compiled-in default, by `section.key`.
    origins: BTreeMap<String, String>,
    /// What was asked to state the limits.
    file: Option<String>,
}

impl Layers {
    /// The compiled-in default.
    ///
    /// # Panics
    /// Where the compiled-in file is not TOML: a test sees to it that it is.
    #[must_use]
    pub fn compiled_in() -> Layers {
        let defaults: Table = toml::from_str(DEFAULT).expect("the compiled-in file is TOML");
        Layers { values: defaults.clone(), defaults, ..Layers::default() }
    }

    /// Lays a file over what is there; its limits replace all others.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has a section or key that does not exist.
    pub fn file(&mut self, path: &Path) -> Result<(), EngineError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| EngineError::ConfigFile { path: path.to_path_buf(), source })?;
        let table: Table = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let why = error.message().replace('\n', " ");
            let why = line.map_or(why.clone(), |line| format!("line {line}: {why}"));
            EngineError::ConfigSyntax { path: path.to_path_buf(), why }
        })?;
        let origin = path.display().to_string();
        if let Some(Value::Table(limits)) = self.values.get_mut(LIMITS) {
            limits.clear();
        }
        self.file = Some(origin.clone());
        for (section, keys) in table {
            let Value::Table(keys) = keys else {
                return Err(self.unknown_section(&section, &origin));
            };
            if self.defaults.get(&section).is_none() {
                return Err(self.unknown_section(&section, &origin));
            }
            for (key, value) in keys {
                self.set(&section, &key, value, &origin)?;
            }
        }
        Ok(())
    }

    /// Lays the variables with our prefix over what is there.
    ///
    /// # Errors
    /// A variable that names no key, or is not UTF-8.
    pub fn environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), EngineError> {
        let ours = variables.filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(ENVIRONMENT))?;
            Some((name, value))
        });
        // Sorted, so that of two mistakes always the same is told.
        for (name, value) in ours.collect::<BTreeMap<_, _>>() {
            let origin = format!("environment {name}");
            let path = name[ENVIRONMENT.len()..].to_ascii_lowercase();
            let (section, key) = path.split_once('_').unwrap_or((path.as_str(), ""));
            let text = value.to_str().ok_or_else(|| {
                EngineError::key(format!("{section}.{key}"), &origin, "not UTF-8")
            })?;
            if self.defaults.get(section).is_none() {
                return Err(self.unknown_section(section, &origin));
            }
            self.set(section, key, bare_value(text), &origin)?;
        }
        Ok(())
    }

    /// Lays one flag over what is there.
    ///
    /// # Errors
    /// No such key: a defect, since flags are ours.
    pub fn flag(
        &mut self,
        (section, key): (&str, &str),
        value: impl Into<Value>,
        flag: &str,
    ) -> Result<(), EngineError> {
        self.set(section, key, value.into(), &format!("flag {flag}"))
    }

    fn set(
        &mut self,
        section: &str,
        key: &str,
        value: Value,
        origin: &str,
    ) -> Result<(), EngineError> {
        let known = self.defaults.get(section).and_then(Value::as_table);
        if !known.is_some_and(|known| known.contains_key(key)) {
            let choice: Vec<&str> = known.into_iter().flatten().map(|(key, _)| &**key).collect();
            return Err(EngineError::key(
                format!("{section}.{key}"),
                origin,
                format!("unknown key; keys of [{section}]: {}", choice.join(", ")),
            ));
        }
        if let Some(Value::Table(values)) = self.values.get_mut(section) {
            values.insert(key.to_owned(), value);
        }
        self.origins.insert(format!("{section}.{key}"), origin.to_owned());
        Ok(())
    }

    fn unknown_section(&self, section: &str, origin: &str) -> EngineError {
        let choice: Vec<&str> = self.defaults.keys().map(String::as_str).collect();
        let rule = format!("unknown section; sections: {}", choice.join(", "));
        EngineError::key(section, origin, rule)
    }

    /// Where a value comes from, for messages.
    #[must_use]
    pub fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("compiled-in default", String::as_str)
    }

    /// The values as a typed configuration.
    ///
    /// # Errors
    /// A limit that nobody stated, or a value of another type than its key has.
    pub fn typed<T: serde::de::DeserializeOwned>(&self) -> Result<T, EngineError> {
        if let Some(missing) = self.missing_limit() {
            return Err(missing);
        }
        Value::Table(self.values.clone()).try_into().map_err(|error| self.culprit::<T>(&error))
    }

    fn missing_limit(&self) -> Option<EngineError> {
        let limits = |table: &Table| table.get(LIMITS).and_then(Value::as_table).cloned();
        let (all, stated) = (limits(&self.defaults)?, limits(&self.values)?);
        let (key, value) = all.iter().find(|(key, _)| !stated.contains_key(*key))?;
        let origin = self.file.as_deref().unwrap_or("compiled-in default");
        Some(EngineError::key(
            format!("{LIMITS}.{key}"),
            origin,
            format!("missing; a limit has no default, state it: {key} = {value}"),
        ))
    }

    /// Which key it is that does not fit: the one that alone spoils the default.
    fn culprit<T: serde::de::DeserializeOwned>(&self, error: &toml::de::Error) -> EngineError {
        let why = error.message().lines().next().unwrap_or_default().to_owned();
        for (section, keys) in &self.values {
            for (key, value) in keys.as_table().into_iter().flatten() {
                let mut trial = self.defaults.clone();
                if let Some(Value::Table(place)) = trial.get_mut(section) {
                    place.insert(key.clone(), value.clone());
                }
                let tried: Result<T, toml::de::Error> = Value::Table(trial).try_into();
                if let Err(error) = tried {
                    let why = error.message().lines().next().unwrap_or_default();
                    let path = format!("{section}.{key}");
                    return EngineError::key(&*path, self.origin(&path), format!("{value}: {why}"));
                }
            }
        }
        EngineError::key("configuration", self.file.as_deref().unwrap_or("flags"), why)
    }
}

/// A variable's text as a TOML value; what is none is a string (`probe`, `auto`).
fn bare_value(text: &str) -> Value {
    let parsed: Result<Table, _> = toml::from_str(&format!("value = {text}"));
    parsed
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The compiled-in file's words with `values` in force: loadable again, comments kept.
///
/// Relies on the shape of the compiled-in file: one `key = value` a line, in its section.
#[must_use]
pub fn print(values: &Table) -> String {
    let mut section = String::new();
    let mut text = String::with_capacity(DEFAULT.len());
    for line in DEFAULT.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        }
        let key = line.split_once(" = ").map(|(key, _)| key).filter(|key| !key.starts_with('#'));
        let value = key.and_then(|key| values.get(&section)?.get(key));
        match (key, value) {
            (Some(key), Some(value)) => text.push_str(&format!("{key} = {value}\n")),
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// The keys of a section, in the order of the compiled-in file.
pub fn keys_of(section: &str) -> impl Iterator<Item = String> {
    let head = format!("[{section}]");
    DEFAULT
        .lines()
        .skip_while(move |line| *line != head)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, value: &str) -> Result<Layers, EngineError> {
        let mut layers = Layers::compiled_in();
        layers.environment([(name.into(), value.into())].into_iter())?;
        Ok(layers)
    }

    #[test]
    fn the_compiled_in_file_prints_as_itself() {
        assert_eq!(print(&Layers::compiled_in().defaults), DEFAULT);
    }

    #[test]
    fn a_variable_needs_no_quotes_and_beats_the_default() {
        let layers = environment("TICKSPIN_ENGINE_RUN_STRATEGY", "probe").unwrap();
        assert_eq!(layers.values["run"]["strategy"].as_str(), Some("probe"));
        assert_eq!(layers.origin("run.strategy"), "environment TICKSPIN_ENGINE_RUN_STRATEGY");
        let layers = environment("TICKSPIN_ENGINE_RISK_COLLAR_BP", "7").unwrap();
        assert_eq!(layers.values["risk"]["collar_bp"].as_integer(), Some(7));
    }

    #[test]
    fn a_variable_that_names_no_key_is_refused_and_others_are_not_ours() {
        for name in ["TICKSPIN_ENGINE_RISK_NONE", "TICKSPIN_ENGINE_X", "TICKSPIN_ENGINE_"] {
            let error = environment(name, "1").unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(environment("TICKSPIN_DATA", "/data").unwrap().origins.is_empty());
    }

    #[test]
    fn a_value_cannot_smuggle_in_a_second_key() {
        assert_eq!(bare_value("1\nother = 2"), Value::String("1\nother = 2".into()));
    }
}
