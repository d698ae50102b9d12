//! Merges the sources of values: defaults, then the file, the environment and the command line. Later sources
//! win.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{self, ConfigError};
use super::keys::{self, Fallback, KEYS, Key, PREFIX};
use super::service_links::{self, Variables};
use super::value::{Value, ValueSource, Values};
use super::{lint, listen, tables, value_files};
use crate::ownership::{self, Need};
use doorward_core::domain::without_bom;

/// Bytes of a configuration file: far more than all keys need.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Open files kept back from sockets, for the database, email and HTTP requests.
const RESERVED_FILES: u64 = 256;

/// Read from the working directory if it exists and no other file was named.
const DEFAULT_FILE: &str = "doorward.toml";

/// The inputs to load from. The environment is a parameter because a test must not change its process's own.
#[derive(Clone, Default)]
pub struct Sources {
    /// A file that must exist. Without one, `doorward.toml` is read if it exists.
    pub file: Option<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
    /// Keys and values from `--set`.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// The given file and flags, and this process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), flags }
    }

    /// Every key's value, and the warnings for the operator.
    pub(super) fn merge(self) -> Result<(Values, Vec<String>), ConfigError> {
        let mut values = Values::new();
        match self.file {
            Some(path) => read_file(&path, &mut values)?,
            None if is_there(Path::new(DEFAULT_FILE))? => read_file(Path::new(DEFAULT_FILE), &mut values)?,
            None => {}
        }
        let links = read_environment(self.environment, &mut values)?;
        set_flags(self.flags.into_iter(), &mut values)?;
        fill_defaults(&mut values);
        Ok((values, service_links::warning(&links).into_iter().collect()))
    }
}

pub(super) fn of_pairs(pairs: impl Iterator<Item = (String, String)>) -> Result<Values, ConfigError> {
    let mut values = Values::new();
    set_flags(pairs, &mut values)?;
    fill_defaults(&mut values);
    Ok(values)
}

/// One of the sources. Its values replace those of earlier sources, and it may set each key only once.
struct Layer<'a> {
    values: &'a mut Values,
    /// The name that set each key.
    named: BTreeMap<&'static str, String>,
}

impl<'a> Layer<'a> {
    fn over(values: &'a mut Values) -> Self {
        Self { values, named: BTreeMap::new() }
    }

    /// `written` is the name as this source writes it.
    fn set(
        &mut self,
        name: &str,
        written: &str,
        text: String,
        origin: ValueSource,
    ) -> Result<(), ConfigError> {
        if let Some(key) = keys::find(name) {
            return self.insert(key, written, Value { text, origin });
        }
        let Some(key) = name.strip_suffix(value_files::ENDING).and_then(keys::find) else {
            return Err(unknown(name, origin));
        };
        match value_of_file(key, &text, &origin) {
            Ok(value) => {
                let origin =
                    ValueSource::ValueFile { path: Path::new(&text).into(), named_by: written.into() };
                self.insert(key, written, Value { text: value, origin })
            }
            Err(why) => Err(ConfigError::ValueFile { key: key.name, origin, why }),
        }
    }

    fn insert(&mut self, key: &'static Key, written: &str, value: Value) -> Result<(), ConfigError> {
        if let Some(first) = self.named.insert(key.name, written.to_owned()).filter(|first| first != written)
        {
            return Err(ConfigError::Twice { key: key.name, first, second: written.to_owned() });
        }
        if let Some(why) = lint::find(key, &value.text, &value.origin) {
            return Err(error::invalid(key, &value, Some(why)));
        }
        self.values.insert(key.name, value);
        Ok(())
    }
}

/// Reads the file that another source names.
fn value_of_file(key: &Key, path: &str, origin: &ValueSource) -> Result<String, String> {
    if path.is_empty() {
        return Err("no file is named".to_owned());
    }
    if path.contains("://") {
        return Err(format!("this is not the path of a file; set the value itself with {}", key.name));
    }
    // A path is not secret, and may hold the same mistakes as any value.
    if let Some(why) = lint::find_in(&Key { secret: false, ..*key }, path, origin) {
        return Err(format!("as the path of a file, {why}"));
    }
    value_files::read(Path::new(path)).map_err(|why| format!("{path}: {why}"))
}

fn set_flags(flags: impl Iterator<Item = (String, String)>, values: &mut Values) -> Result<(), ConfigError> {
    let mut layer = Layer::over(values);
    for (key, text) in flags {
        layer.set(&key, &key, text, ValueSource::CommandLine)?;
    }
    Ok(())
}

/// Whether a file exists. An error means that its directory cannot be searched, so it may exist.
fn is_there(path: &Path) -> Result<bool, ConfigError> {
    path.try_exists().map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), why: ownership::explain(error, path, Need::Read) }
}

fn unknown(name: &str, origin: ValueSource) -> ConfigError {
    // Keeps the error to one short line, whatever a file or the environment holds.
    let key = name.chars().filter(|c| !c.is_control()).take(80).collect();
    let section = format!("{name}.");
    let in_section: Vec<&str> =
        KEYS.iter().map(|key| key.name).filter(|name| name.starts_with(&section)).take(3).collect();
    let hint = match (keys::find(name), in_section.as_slice(), keys::nearest(name)) {
        (Some(_), _, _) => Some("it is a key, not a section".to_owned()),
        (_, [_, ..], _) => Some(format!("it is a section, with keys such as {}", in_section.join(", "))),
        (_, _, Some(near)) => Some(match &origin {
            ValueSource::Environment(_) => {
                format!("did you mean {near}? Its variable is {}", keys::variable(near))
            }
            _ => format!("did you mean {near}?"),
        }),
        _ => None,
    };
    ConfigError::Unknown { key, origin, hint }
}

/// Returns the variables that were ignored because they are service links.
fn read_environment(
    variables: Vec<(OsString, OsString)>,
    values: &mut Values,
) -> Result<Vec<String>, ConfigError> {
    // Sorted, so that the same of two mistakes is reported each time.
    let mut ours = Variables::new();
    for (name, text) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Ok(text) = text.into_string() else { return Err(ConfigError::NotUtf8(name.to_owned())) };
        ours.insert(name.to_owned(), text);
    }
    let (links, ours): (Vec<_>, Vec<_>) =
        ours.iter().partition(|(name, _)| service_links::is_link(&ours, name));
    let mut layer = Layer::over(values);
    for (name, text) in ours {
        let key = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace("__", ".");
        layer.set(&key, name, text.clone(), ValueSource::Environment(name.clone()))?;
    }
    Ok(links.into_iter().map(|(name, _)| name.clone()).collect())
}

fn read_file(path: &Path, values: &mut Values) -> Result<(), ConfigError> {
    // It may be a pipe, such as a shell's process substitution.
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let text = value_files::read_text(file, LARGEST_FILE)
        .map_err(|why| ConfigError::Unreadable { path: path.to_owned(), why })?;
    let text = without_bom(&text);
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        // The error's own `Display` shows the line, which may hold a password.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        ConfigError::Syntax { path: path.to_owned(), line: before.matches('\n').count() + 1, message }
    })?;
    flatten("", table, &ValueSource::File(path.to_owned()), &mut Layer::over(values))
}

fn flatten(
    prefix: &str,
    table: toml::Table,
    origin: &ValueSource,
    layer: &mut Layer<'_>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        let text = match value {
            toml::Value::Table(table) => {
                let section = format!("{name}.");
                if !is_section(&section) {
                    return Err(unknown(&name, origin.clone()));
                }
                flatten(&section, table, origin, layer)?;
                continue;
            }
            toml::Value::Array(items) => joined(&name, &items, origin)?,
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        layer.set(&name, &name, text, origin.clone())?;
    }
    Ok(())
}

/// Whether keys begin with this, which ends in a dot.
fn is_section(section: &str) -> bool {
    KEYS.iter().any(|key| key.name.starts_with(section)) || tables::is_section(section)
}

/// A list in the form that the environment uses.
fn joined(name: &str, items: &[toml::Value], origin: &ValueSource) -> Result<String, ConfigError> {
    let Some(key) = keys::find(name) else { return Err(unknown(name, origin.clone())) };
    let refused = |value: &str, why: Option<String>| ConfigError::Invalid {
        key: key.name,
        value: value.to_owned(),
        origin: origin.clone(),
        why: why.map(Into::into),
        expected: key.expected,
    };
    if !key.takes_list() {
        return Err(refused("a list", Some("it takes one value".to_owned())));
    }
    let mut texts = Vec::new();
    for item in items {
        let text = item.as_str().ok_or_else(|| refused("a list of anything but strings", None))?;
        let why = if text.contains(',') {
            Some("put each value of the list in its own quotes".to_owned())
        } else {
            lint::find_in(key, text, origin)
        };
        if why.is_some() {
            let value = Value { text: text.to_owned(), origin: origin.clone() };
            return Err(error::invalid(key, &value, why));
        }
        texts.push(text);
    }
    Ok(texts.join(","))
}

fn fill_defaults(values: &mut Values) {
    for key in KEYS.iter().chain(tables::keys(values)) {
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
                // A value that is not a number is refused under its own key.
                let whole = values.get(of).and_then(|value| value.text.trim().parse::<u64>().ok());
                (whole.unwrap_or_default().saturating_mul(times) / by).clamp(least, 10_000_000).to_string()
            }
            Fallback::SameAs(of) => values.get(of).map(|value| value.text.clone()).unwrap_or_default(),
            Fallback::OfListener => {
                // The table has http.listen before. One that is not an address is refused under its own key.
                let address = values.get("http.listen").and_then(|value| listen::parse(&value.text));
                let encrypted = values.get("tls.cert").is_some_and(|value| !value.text.is_empty());
                listen::public_url(address.unwrap_or(([127, 0, 0, 1], 8080).into()), encrypted)
            }
            Fallback::InDataDir => {
                // The table has data_dir before any key that depends on it.
                let data_dir = values.get("data_dir").map_or("./data", |value| value.text.as_str());
                format!("sqlite:{}", Path::new(data_dir).join("doorward.db").display())
            }
        };
        let origin = key.fallback.follows().map_or(ValueSource::Default, ValueSource::Follows);
        values.insert(key.name, Value { text, origin });
    }
}
