//! The configuration of every test: settings by key, for a server in this process and for the binary alike.

use std::path::Path;
use std::process::{Command, Stdio};

use doorward::Config;

use crate::support::database;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_doorward");

/// Real password hashes at the lowest cost, so that a test that signs in takes milliseconds.
const CHEAP_HASHES: [(&str, &str); 2] = [("password.insecure_cost", "true"), ("password.cost", "4")];

/// Every test connects from one address, so limits are off. Tests of the limits set them.
const NO_LIMITS: [(&str, &str); 10] = [
    ("limits.sign_in", "off"),
    ("limits.register", "off"),
    ("limits.forgot_password", "off"),
    ("limits.links", "off"),
    ("limits.refresh", "off"),
    ("limits.password_strength", "off"),
    ("limits.export", "off"),
    ("limits.handshakes", "off"),
    ("limits.polls", "off"),
    ("limits.bad_tokens", "off"),
];

/// Settings by key, as `doorward.toml` names them. The last value of a key is in force.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// For a command: cheap password hashes.
    pub fn cheap() -> Self {
        Self::default().with(&CHEAP_HASHES)
    }

    /// The same on the database of this data directory, which on SQLite is in it.
    pub fn on(data_dir: &Path) -> Self {
        match database::url(data_dir) {
            Some(url) => Self::cheap().with(&[("database.url", &url)]),
            None => Self::cheap(),
        }
    }

    /// For a server: free ports, and no limits by client address.
    pub fn server(data_dir: &Path) -> Self {
        let listen = [("http.listen", "127.0.0.1:0"), ("tcp.listen", "127.0.0.1:0")];
        Self::on(data_dir).with(&listen).with(&NO_LIMITS)
    }

    pub fn with(mut self, settings: &[(&str, &str)]) -> Self {
        self.0.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self
    }

    pub fn config(self) -> Config {
        Config::from_pairs(self.0).unwrap()
    }

    /// As environment variables. A name in capitals is one already.
    pub fn variables(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(key, value)| {
            let is_variable = key.contains(|c: char| c.is_ascii_uppercase());
            let name = if is_variable { key.clone() } else { variable(key) };
            (name, value.as_str())
        })
    }

    /// The binary with these settings as its whole environment, and no standard input.
    pub fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().envs(self.variables()).stdin(Stdio::null());
        command
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("DOORWARD_{}", key.to_uppercase().replace('.', "__"))
}
