//! One configuration file for a run, taken apart: each program gets its own table to judge.

use crate::error::Failure;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tickspin_results::cure::may_read;
use toml::Table;

/// The two tables of a file of configuration; an absent one is empty.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Where it was read from.
    path: PathBuf,
    /// `[feed]`.
    pub(super) feed: Option<Table>,
    /// `[engine]`.
    pub(super) engine: Option<Table>,
}

impl Config {
    /// Reads a file, or nothing.
    ///
    /// # Errors
    /// Exit code 1: missing or not TOML; 2: a key on its top that is neither `feed` nor `engine`,
    /// or one of these that is no table; 4: not readable for want of permission.
    pub(super) fn read(path: Option<&Path>) -> Result<Config, Failure> {
        let Some(path) = path else { return Ok(Config::default()) };
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| {
            let line = format!("{shown}: cannot read the configuration: {error}");
            match error.kind() {
                ErrorKind::PermissionDenied => {
                    Failure::environment(format_args!("{line}; {}", may_read(path)))
                }
                _ => Failure::failed(line),
            }
        })?;
        let whole: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            let why = error.message().replace('\n', "; ");
            Failure::failed(format_args!("{shown}: not a TOML file: line {line}: {why}"))
        })?;
        let mut config = Config { path: path.to_path_buf(), ..Config::default() };
        for (key, value) in whole {
            let place = match key.as_str() {
                "feed" => &mut config.feed,
                "engine" => &mut config.engine,
                _ => {
                    return Err(Failure::usage(format_args!(
                        "{shown}: unknown key {key}: a run knows the tables [feed] and [engine]"
                    )));
                }
            };
            let toml::Value::Table(table) = value else {
                return Err(Failure::usage(format_args!("{shown}: {key} must be a table")));
            };
            *place = Some(table);
        }
        Ok(config)
    }

    /// How a complaint about one of the parts should name it.
    pub(super) fn name_of(&self, part: &str) -> String {
        format!("{} [{part}]", self.path.display())
    }
}

/// A table of the configuration in a file of its own, gone when this is dropped.
#[derive(Debug)]
pub(super) struct PartFile(pub(super) PathBuf);

impl PartFile {
    /// Writes the table into `folder`.
    ///
    /// # Errors
    /// Exit code 1: it cannot be written.
    pub(super) fn write(folder: &Path, part: &str, table: &Table) -> Result<PartFile, Failure> {
        let file = PartFile(folder.join(format!(".{part}-{}.toml", std::process::id())));
        let text = table.to_string();
        fs::write(&file.0, text)
            .map_err(|error| Failure::failed(format_args!("{}: {error}", file.0.display())))?;
        Ok(file)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        fs::write(&path, text).unwrap();
        Config::read(Some(&path))
    }

    #[test]
    fn a_file_is_taken_apart_and_each_part_survives_the_way() {
        let config = read("[engine.risk]\nqty = 5\nlist = [1, 2]\n[feed]\nname = 'x'\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let engine = config.engine.unwrap();
        let file = PartFile::write(folder.path(), "engine", &engine).unwrap();
        let back: Table = fs::read_to_string(&file.0).unwrap().parse().unwrap();
        assert_eq!(back, engine);
        let path = file.0.clone();
        drop(file);
        assert!(!path.exists());
        assert_eq!(config.feed.unwrap()["name"].as_str(), Some("x"));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_code_of_the_contract() {
        for (text, code, word) in [
            ("[feed]\n[mistake]\n", 2, "mistake"),
            ("engine = 3\n", 2, "engine must be a table"),
            ("[feed]\nrate = \n", 1, "line 2"),
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.exit, code, "{failure}");
            assert!(failure.message.contains(word), "{failure}");
            assert!(!failure.message.contains('\n'), "{failure}");
        }
        let failure = Config::read(Some(Path::new("/nowhere/run.toml"))).unwrap_err();
        assert_eq!(failure.exit, 1);
    }
}
