//! The errors of loading a configuration.

use std::path::PathBuf;

use super::keys::Key;
use super::lint;
use super::mask::{masked, shown};
use super::value::{Value, ValueSource};

/// Why a configuration is refused. The message names the key, its value unless that may be a secret, its
/// source, and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("the configuration {} is not TOML, line {line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("unknown key {key} ({origin}){}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Unknown { key: String, origin: ValueSource, hint: Option<String> },
    #[error(
        "{key} cannot be {value} ({origin}){}; expected {expected}",
        .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    Invalid {
        key: &'static str,
        value: String,
        origin: ValueSource,
        why: Option<Box<str>>,
        expected: &'static str,
    },
    #[error("{key} cannot be read from its file ({origin}): {why}")]
    ValueFile { key: &'static str, origin: ValueSource, why: String },
    #[error("{key} is set twice, by {first} and by {second}: remove one of them")]
    Twice { key: &'static str, first: String, second: String },
    #[error("the variable {0} is not UTF-8")]
    NotUtf8(String),
}

/// The error about a value. It shows the value unless that may be a secret.
pub(super) fn invalid(key: &Key, value: &Value, why: Option<String>) -> ConfigError {
    let shown = match &value.origin {
        ValueSource::ValueFile { .. } => "the content of its file".to_owned(),
        _ if value.text.contains("-----BEGIN") => "a PEM text".to_owned(),
        _ if !lint::may_show(key, &value.text) => masked(&value.text),
        _ => shown(key.name, &value.text),
    };
    ConfigError::Invalid {
        key: key.name,
        value: shown,
        origin: value.origin.clone(),
        why: why.map(Into::into),
        expected: key.expected,
    }
}
