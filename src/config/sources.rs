//! Where values come from: defaults, then the file, the environment and the command line; later ones win.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{self, Fallback, KEYS, Key};
use crate::domain::without_bom;

/// Open files that are not sockets' to take: database, mail, and requests over HTTP.
const RESERVED_FILES: u64 = 256;

/// Read from the working directory if it is there and no other file was named.
const DEFAULT_FILE: &str = "doorward.toml";
const PREFIX: &str = "DOORWARD_";

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    /// The variable's name.
    Environment(String),
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// What to load from. The environment is a parameter: a test must not change its process's own.
#[derive(Clone, Default)]
pub struct Sources {
    /// A file that must exist. Without one `doorward.toml` is read if it is there.
    pub file: Option<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
    /// Keys and values, as `--set` gives them.
    pub flags: Vec<(String, String)>,
}

/// Why there is no configuration. Each names the key, its value unless that may be a secret, who set it and
/// what is expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} is not TOML, line {line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("unknown key {key} ({origin}){}", .nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default())]
    Unknown { key: String, origin: Origin, nearest: Option<&'static str> },
    #[error(
        "{key} cannot be {value} ({origin}){}; expected {expected}",
        .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    Invalid { key: &'static str, value: String, origin: Origin, why: Option<String>, expected: &'static str },
    #[error("{key} cannot be {value} ({origin}): {reason}")]
    Refused { key: &'static str, value: String, origin: Origin, reason: String },
    #[error("the variable {0} is not UTF-8")]
    NotUtf8(String),
}

/// One key's value before it is parsed.
#[derive(Clone)]
pub(super) struct Value {
    pub text: String,
    pub origin: Origin,
}

/// Every key's value, by key.
pub(super) type Values = BTreeMap<&'static str, Value>;

impl Sources {
    /// The file and flags given, and this process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), flags }
    }

    pub(super) fn merge(self) -> Result<Values, ConfigError> {
        let mut values = Values::new();
        match self.file {
            Some(path) => read_file(&path, &mut values)?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE), &mut values)?,
            None => {}
        }
        read_environment(self.environment, &mut values)?;
        values.extend(of_flags(self.flags.into_iter())?);
        fill_defaults(&mut values);
        Ok(values)
    }
}

pub(super) fn of_pairs(pairs: impl Iterator<Item = (String, String)>) -> Result<Values, ConfigError> {
    let mut values = of_flags(pairs)?;
    fill_defaults(&mut values);
    Ok(values)
}

fn of_flags(flags: impl Iterator<Item = (String, String)>) -> Result<Values, ConfigError> {
    let mut values = Values::new();
    for (key, text) in flags {
        set(&mut values, &key, text, Origin::CommandLine)?;
    }
    Ok(values)
}

fn set(values: &mut Values, name: &str, text: String, origin: Origin) -> Result<(), ConfigError> {
    let Some(Key { name, .. }) = keys::find(name) else { return Err(unknown(name, origin)) };
    values.insert(name, Value { text, origin });
    Ok(())
}

fn unknown(name: &str, origin: Origin) -> ConfigError {
    // Whatever a file or the environment holds, an error stays one line of modest length.
    let key = name.chars().filter(|c| !c.is_control()).take(80).collect();
    ConfigError::Unknown { key, origin, nearest: keys::nearest(name) }
}

fn read_environment(variables: Vec<(OsString, OsString)>, values: &mut Values) -> Result<(), ConfigError> {
    // Sorted, so that of two mistakes the same one is named each time.
    let mut ours: Vec<_> = variables
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_str()?.strip_prefix(PREFIX)?.to_owned(), text)))
        .collect();
    ours.sort();
    for (name, text) in ours {
        let variable = format!("{PREFIX}{name}");
        let Ok(text) = text.into_string() else { return Err(ConfigError::NotUtf8(variable)) };
        let key = name.to_ascii_lowercase().replace("__", ".");
        set(values, &key, text, Origin::Environment(variable))?;
    }
    Ok(())
}

fn read_file(path: &Path, values: &mut Values) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let text = without_bom(&text);
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        // Its own `Display` shows the line, which may hold a password.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        ConfigError::Syntax { path: path.to_owned(), line: before.matches('\n').count() + 1, message }
    })?;
    flatten("", table, &Origin::File(path.to_owned()), values)
}

fn flatten(
    prefix: &str,
    table: toml::Table,
    origin: &Origin,
    values: &mut Values,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        let text = match value {
            toml::Value::Table(table) => {
                let section = format!("{name}.");
                if !KEYS.iter().any(|key| key.name.starts_with(&section)) {
                    return Err(unknown(&name, origin.clone()));
                }
                flatten(&section, table, origin, values)?;
                continue;
            }
            toml::Value::Array(items) => match join(&items) {
                Some(text) => text,
                None => return Err(not_a_list(&name, origin.clone())),
            },
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        set(values, &name, text, origin.clone())?;
    }
    Ok(())
}

/// A list in the form in which the environment gives one.
fn join(items: &[toml::Value]) -> Option<String> {
    let texts: Option<Vec<&str>> =
        items.iter().map(|item| item.as_str().filter(|text| !text.contains(','))).collect();
    Some(texts?.join(","))
}

fn not_a_list(name: &str, origin: Origin) -> ConfigError {
    match keys::find(name) {
        None => unknown(name, origin),
        Some(key) => ConfigError::Invalid {
            key: key.name,
            value: "a list of other things than texts".to_owned(),
            origin,
            why: None,
            expected: key.expected,
        },
    }
}

fn fill_defaults(values: &mut Values) {
    for key in KEYS {
        if values.contains_key(key.name) {
            continue;
        }
        let text = match key.fallback {
            Fallback::Fixed(text) => text.to_owned(),
            Fallback::Cores { least } => {
                let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                cores.clamp(least, 64).to_string()
            }
            Fallback::OpenFiles => {
                let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
                limit.unwrap_or(u64::MAX).saturating_sub(RESERVED_FILES).clamp(64, 10_000_000).to_string()
            }
            Fallback::Share { of, times, by, least } => {
                // A value that is no number is refused under its own name.
                let whole = values.get(of).and_then(|value| value.text.trim().parse::<u64>().ok());
                (whole.unwrap_or_default().saturating_mul(times) / by).clamp(least, 10_000_000).to_string()
            }
            Fallback::InDataDir => {
                // The table has data_dir before any key that lies in it.
                let data_dir = values.get("data_dir").map_or("./data", |value| value.text.as_str());
                format!("sqlite:{}", Path::new(data_dir).join("doorward.db").display())
            }
        };
        values.insert(key.name, Value { text, origin: Origin::Default });
    }
}
