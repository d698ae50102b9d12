//! The settings that the command line gives, for every command.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::config::{Config, ConfigError, Loaded, Sources};
use crate::private_files;

#[derive(clap::Args)]
pub struct Settings {
    /// The configuration file [default: doorward.toml, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Sets a key for this run, such as `--set log.level=debug`
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, global = true)]
    pub set: Vec<(String, String)>,
    /// Where to listen, short for `--set http.listen=...`
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    listen: Option<String>,
    /// Where data is kept, short for `--set data_dir=...`
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<String>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Settings {
    /// For every command but `serve`: also makes the files that the configuration names private, and warns on standard
    /// error of those that others can still read.
    pub fn load(self) -> Result<Loaded, ConfigError> {
        let loaded = self.load_for_server()?;
        warn(loaded.warnings.clone());
        warn(private_files::secure(&loaded.config));
        warn(private_files::check_settings(&loaded.settings));
        Ok(loaded)
    }

    /// For `serve`, which does the same later and logs the warnings.
    pub fn load_for_server(self) -> Result<Loaded, ConfigError> {
        let file = self.config.clone();
        Config::load(Sources::of_process(file, self.flags()))
    }

    /// The keys and values that the command line sets.
    pub fn flags(self) -> Vec<(String, String)> {
        let shortcuts = [("http.listen", self.listen), ("data_dir", self.data_dir)];
        let shortcuts = shortcuts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        self.set.into_iter().chain(shortcuts).collect()
    }
}

/// Prints warnings to standard error, each only once.
pub fn warn(warnings: Vec<String>) {
    static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    for warning in warnings {
        if !printed.contains(&warning) {
            eprintln!("doorward: {warning}");
            printed.push(warning);
        }
    }
}
