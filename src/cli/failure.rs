//! Why a command failed.

use std::fmt::Display;

use crate::accounts;
use crate::config::ConfigError;

/// Why a command ended early; it becomes one line on standard error and an exit code.
pub enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// It failed while it ran: exit code 1.
    Running(String),
    /// An exit code of the command's own.
    With(u8, String),
}

impl Failure {
    pub fn running(error: impl Display) -> Self {
        Self::Running(error.to_string())
    }

    /// The line and the exit code.
    pub fn into_parts(self) -> (String, u8) {
        match self {
            Self::Usage(message) => (message, 2),
            Self::Running(message) => (message, 1),
            Self::With(code, message) => (message, code),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<accounts::Error> for Failure {
    fn from(error: accounts::Error) -> Self {
        match error {
            accounts::Error::WeakPassword(weak) => {
                Self::Running([vec![weak.detail], weak.suggestions].concat().join(" "))
            }
            accounts::Error::Invalid(invalid) => Self::Running(invalid.detail),
            error => Self::running(error),
        }
    }
}
