//! Where each value of the configuration comes from: compiled-in default < file < environment
//! (`TICKSPIN_FEED_<KEY>`) < flag.
//!
//! The compiled-in file names every key there is, so "unknown" is a question to it.

use crate::args::Flags;
use crate::error::SimError;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use toml::{Table, Value};

/// Every key with meaning, unit, range, default and reason.
pub const DEFAULT: &str = include_str!("default.toml");

/// Prefix of the variables that are keys.
pub const ENVIRONMENT: &str = "TICKSPIN_FEED_";

/// Values with their origins, before they are typed.
#[derive(Debug)]
pub struct Layers {
    /// By key.
    pub values: Table,
    /// Origin of what is not the compiled-in default, by key.
    origins: BTreeMap<String, String>,
}

impl Layers {
    /// The compiled-in default.
    ///
    /// # Panics
    /// Where the compiled-in file is not TOML: a test sees to it that it is.
    #[must_use]
    pub fn compiled_in() -> Layers {
        let values = toml::from_str(DEFAULT).expect("the compiled-in file is TOML");
        Layers { values, origins: BTreeMap::new() }
    }

    /// All layers in order.
    ///
    /// # Errors
    /// An unreadable or malformed file, an unknown key.
    pub fn of(flags: &Flags) -> Result<Layers, SimError> {
        let mut layers = Layers::compiled_in();
        if let Some(path) = &flags.config {
            layers.file(path)?;
        }
        layers.environment(std::env::vars_os())?;
        layers.flags(flags)?;
        Ok(layers)
    }

    /// Lays a file over what is there.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has a key that does not exist.
    pub fn file(&mut self, path: &Path) -> Result<(), SimError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SimError::ConfigFile { path: path.to_path_buf(), source })?;
        let table: Table = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let why = format!("line {line}: {}", error.message().replace('\n', " "));
            SimError::ConfigSyntax { path: path.to_path_buf(), why }
        })?;
        let origin = path.display().to_string();
        table.into_iter().try_for_each(|(key, value)| self.set(&key, value, &origin))
    }

    /// Lays the variables with our prefix over what is there.
    ///
    /// # Errors
    /// A variable that names no key, or is not UTF-8.
    pub fn environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), SimError> {
        let ours = variables.filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(ENVIRONMENT))?;
            Some((name, value))
        });
        // Sorted, so that of two mistakes always the same is told.
        for (name, value) in ours.collect::<BTreeMap<_, _>>() {
            let origin = format!("environment {name}");
            let key = name[ENVIRONMENT.len()..].to_ascii_lowercase();
            let text = value.to_str().ok_or_else(|| SimError::key(&key, &origin, "not UTF-8"))?;
            self.set(&key, bare_value(text), &origin)?;
        }
        Ok(())
    }

    /// Lays the flags over what is there.
    fn flags(&mut self, flags: &Flags) -> Result<(), SimError> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let whole = |value: Option<i64>| value.map(Value::Integer);
        let yes = |flag: bool| flag.then_some(Value::Boolean(true));
        let cores: Vec<Value> =
            flags.cold_cores.iter().map(|&core| Value::Integer(core.into())).collect();
        let burst = |index: usize| flags.burst.get(index).map(|&value| Value::Float(value));
        if !matches!(flags.burst.len(), 0 | 2) {
            let rule = "two numbers, SHARE,LENGTH as in 0.2,100";
            return Err(SimError::key("burst", "flag --burst", rule));
        }
        if flags.loss.len() > 2 {
            let rule = "one share, or two: LINE_A,LINE_B as in 0.05,0.01";
            return Err(SimError::key("loss", "flag --loss", rule));
        }
        let symbols: Vec<Value> = flags.symbols.iter().cloned().map(Value::String).collect();
        let share = |value: Option<f64>| value.map(Value::Float);
        let flags: [(&str, Option<Value>, &str); 40] = [
            ("name", text(&flags.name), "--name"),
            ("rate", flags.rate.map(Value::Float), "--rate"),
            ("speed", flags.speed.as_deref().map(bare_value), "--speed"),
            ("duration", text(&flags.duration), "--duration"),
            ("count", whole(flags.count), "--count"),
            ("from", flags.from.as_deref().map(place_value), "--from"),
            ("to", flags.to.as_deref().map(place_value), "--to"),
            ("symbols", (!symbols.is_empty()).then_some(Value::Array(symbols)), "--symbols"),
            ("parts", yes(flags.parts), "--parts"),
            ("loop", yes(flags.repeats), "--loop"),
            ("seed", whole(flags.seed), "--seed"),
            ("warm_up", whole(flags.warm_up), "--warm-up"),
            ("instruments", whole(flags.instruments.map(i64::from)), "--instruments"),
            ("burst_share", burst(0), "--burst"),
            ("burst_length", burst(1), "--burst"),
            ("ahead", whole(flags.ahead.map(i64::from)), "--ahead"),
            (
                "policy",
                flags.policy.map(|policy| Value::String(policy.name().to_owned())),
                "--policy",
            ),
            ("lockstep", yes(flags.lockstep), "--lockstep"),
            ("sink", flags.sink.map(|sink| Value::String(sink.name().to_owned())), "--sink"),
            ("interface", text(&flags.interface), "--interface"),
            ("line_a", text(&flags.line_a), "--line-a"),
            ("line_b", text(&flags.line_b), "--line-b"),
            ("recovery", text(&flags.recovery), "--recovery"),
            ("resend", whole(flags.resend.map(i64::from)), "--resend"),
            ("loss_a", share(flags.loss.first().copied()), "--loss"),
            // One share is for both.
            ("loss_b", share(flags.loss.last().copied()), "--loss"),
            ("duplicate", share(flags.duplicate), "--duplicate"),
            ("reorder", share(flags.reorder), "--reorder"),
            ("sink_seed", whole(flags.sink_seed), "--sink-seed"),
            ("heartbeat", text(&flags.heartbeat), "--heartbeat"),
            ("window", whole(flags.window.map(i64::from)), "--window"),
            ("ring_slots", whole(flags.ring_slots.map(i64::from)), "--ring-slots"),
            ("core", whole(flags.core.map(i64::from)), "--core"),
            ("cold_cores", (!cores.is_empty()).then_some(Value::Array(cores)), "--cold-cores"),
            ("waiting", flags.yields.then(|| Value::String("yield".to_owned())), "--yield"),
            ("fifo", whole(flags.fifo.map(i64::from)), "--fifo"),
            ("lock_memory", yes(flags.lock_memory), "--lock-memory"),
            ("huge_pages", yes(flags.huge_pages), "--huge-pages"),
            ("wait_peer", text(&flags.wait_peer), "--wait-peer"),
            ("interval", text(&flags.interval), "--interval"),
        ];
        for (key, value, flag) in flags {
            if let Some(value) = value {
                self.set(key, value, &format!("flag {flag}"))?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value, origin: &str) -> Result<(), SimError> {
        let Some(place) = self.values.get_mut(key) else {
            let choice: Vec<&str> = self.values.keys().map(String::as_str).collect();
            let rule = format!("unknown key; keys: {}", choice.join(", "));
            return Err(SimError::key(key, origin, rule));
        };
        *place = value;
        self.origins.insert(key.to_owned(), origin.to_owned());
        Ok(())
    }

    /// Where a value comes from, for messages.
    #[must_use]
    pub fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("compiled-in default", String::as_str)
    }

    /// The compiled-in file's words with the values in force: loadable again, comments kept.
    ///
    /// Relies on the shape of the compiled-in file: one `key = value` a line.
    #[must_use]
    pub fn print(&self) -> String {
        let line = |line: &str| {
            let key = line.split_once(" = ").map(|(key, _)| key);
            let value = key.and_then(|key| Some((key, self.values.get(key)?)));
            value.map_or_else(|| format!("{line}\n"), |(key, value)| format!("{key} = {value}\n"))
        };
        DEFAULT.lines().map(line).collect()
    }
}

/// A variable's text as a TOML value; what is none is a string (`max`, `auto`, `5s`).
fn bare_value(text: &str) -> Value {
    let parsed: Result<Table, _> = toml::from_str(&format!("value = {text}"));
    parsed
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .filter(|value| !matches!(value, Value::Datetime(_)))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// `--from`, `--to`: a number of nanoseconds, or text.
fn place_value(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, value: &str) -> Result<Layers, SimError> {
        let mut layers = Layers::compiled_in();
        layers.environment([(name.into(), value.into())].into_iter())?;
        Ok(layers)
    }

    #[test]
    fn the_compiled_in_file_prints_as_itself() {
        assert_eq!(Layers::compiled_in().print(), DEFAULT);
    }

    #[test]
    fn variables_need_no_quotes_and_flags_beat_them() {
        let mut layers = environment("TICKSPIN_FEED_SPEED", "max").unwrap();
        assert_eq!(layers.values["speed"].as_str(), Some("max"));
        assert_eq!(layers.origin("speed"), "environment TICKSPIN_FEED_SPEED");
        layers.flags(&Flags { speed: Some("2".into()), ..Flags::default() }).unwrap();
        assert_eq!(layers.values["speed"].as_integer(), Some(2));
        assert_eq!(layers.origin("speed"), "flag --speed");
        let layers = environment("TICKSPIN_FEED_FROM", "09:30:00").unwrap();
        assert_eq!(layers.values["from"].as_str(), Some("09:30:00"));
    }

    #[test]
    fn a_variable_that_names_no_key_is_refused_and_others_are_not_ours() {
        let error = environment("TICKSPIN_FEED_SPED", "1").unwrap_err();
        assert!(error.to_string().contains("TICKSPIN_FEED_SPED"), "{error}");
        assert!(environment("TICKSPIN_DATA", "/data").unwrap().origins.is_empty());
    }
}
