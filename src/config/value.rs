//! A key's value before it is parsed, and what set it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    Default,
    /// A default that is computed from the value of this key.
    Follows(&'static str),
    File(PathBuf),
    /// The variable's name.
    Environment(String),
    CommandLine,
    /// A file that holds only this value, named by another source.
    ValueFile {
        path: Box<Path>,
        /// As that source writes it: a variable, or a key ending in `_file`.
        named_by: Box<str>,
    },
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Follows(key) => write!(f, "follows {key}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => f.write_str("command line"),
            Self::ValueFile { path, named_by } => write!(f, "file {}, named by {named_by}", path.display()),
        }
    }
}

/// One key's value before it is parsed.
#[derive(Clone)]
pub(super) struct Value {
    pub text: String,
    pub origin: ValueSource,
}

/// Every key's value, by key.
pub(super) type Values = BTreeMap<&'static str, Value>;
