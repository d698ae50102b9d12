//! The options that name the configuration, for every command that reads it.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Config, ConfigError, Loaded, Sources};
use crate::private_files;

use super::failure::Failure;

/// The part of the help that lists these options.
const HEADING: &str = "Configuration";

/// The options after a command's name.
#[derive(Args, Default)]
pub struct Settings {
    /// The configuration file [default: doorward.toml, if it exists]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    config: Option<PathBuf>,
    /// Sets a key for this run, such as `log.level=debug`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, help_heading = HEADING)]
    pub set: Vec<(String, String)>,
    /// Where data is kept, short for `--set data_dir=...` [default: ./data]
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    data_dir: Option<String>,
    #[arg(skip)]
    listen: Option<String>,
}

/// The options after the name of a command that says where to listen.
#[derive(Args, Default)]
pub struct ServerSettings {
    /// Where to listen: `ADDRESS:PORT`, `:PORT`, or `PORT` [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", help_heading = HEADING)]
    listen: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// The same options before a command's name, and those of `serve` if there is no name. Their ids differ: clap would take
/// two options of one id for one, and keep only the values of the last.
#[derive(Args, Default)]
pub struct LeadingSettings {
    /// Where to listen: `ADDRESS:PORT`, `:PORT`, or `PORT` [default: 127.0.0.1:8080]
    #[arg(long = "listen", id = "leading_listen", value_name = "ADDRESS", help_heading = HEADING)]
    listen: Option<String>,
    /// The configuration file [default: doorward.toml, if it exists]
    #[arg(long = "config", id = "leading_config", value_name = "FILE", help_heading = HEADING)]
    config: Option<PathBuf>,
    /// Sets a key for this run, such as `log.level=debug`; may be repeated
    #[arg(
        long = "set",
        id = "leading_set",
        value_name = "KEY=VALUE",
        value_parser = key_and_value,
        help_heading = HEADING
    )]
    set: Vec<(String, String)>,
    /// Where data is kept, short for `--set data_dir=...` [default: ./data]
    #[arg(long = "data-dir", id = "leading_data_dir", value_name = "DIR", help_heading = HEADING)]
    data_dir: Option<String>,
}

/// A command's own arguments, with options that name the configuration: also after the names of its subcommands.
pub struct With<A, S = Settings> {
    pub settings: S,
    pub arguments: A,
}

impl<A: FromArgMatches, S: FromArgMatches> FromArgMatches for With<A, S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let settings = S::from_arg_matches(matches)?;
        Ok(Self { settings, arguments: A::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.settings.update_from_arg_matches(matches)?;
        self.arguments.update_from_arg_matches(matches)
    }
}

impl<A: Args, S: Args> Args for With<A, S> {
    fn augment_args(command: Command) -> Command {
        A::augment_args(S::augment_args(command).mut_args(|option| option.global(true)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(S::augment_args_for_update(command).mut_args(|option| option.global(true)))
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl LeadingSettings {
    /// For a command that takes all of them.
    pub fn for_server(self, after: ServerSettings) -> Settings {
        let listen = after.listen.or(self.listen.clone());
        Settings { listen, ..self.join(after.settings) }
    }

    /// For a command that does not listen.
    pub fn for_command(self, after: Settings) -> Result<Settings, Failure> {
        if self.listen.is_some() {
            return Err(Failure::Usage("--listen is an option of `doorward serve`".to_owned()));
        }
        Ok(self.join(after))
    }

    /// For a command that reads no configuration.
    pub fn for_none(self, command: &str) -> Result<(), Failure> {
        let Self { listen, config, set, data_dir } = self;
        if listen.is_some() || config.is_some() || !set.is_empty() || data_dir.is_some() {
            let why = "--listen, --config, --set and --data-dir are of no use to it";
            return Err(Failure::Usage(format!("`doorward {command}` reads no configuration: {why}")));
        }
        Ok(())
    }

    /// What is nearer to the command's end wins.
    fn join(self, after: Settings) -> Settings {
        let set = self.set.into_iter().chain(after.set).collect();
        let (config, data_dir) = (after.config.or(self.config), after.data_dir.or(self.data_dir));
        Settings { config, set, data_dir, listen: None }
    }
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

    /// The same, listening at `address` unless the command line says where.
    pub fn or_listen(mut self, address: &str) -> Self {
        if self.listen.is_none() && !self.set.iter().any(|(key, _)| key == "http.listen") {
            self.listen = Some(address.to_owned());
        }
        self
    }

    /// For a command that runs a server of its own beside another: these keys and values win over all others.
    pub fn load_with(self, overrides: &[(&'static str, String)]) -> Result<Loaded, ConfigError> {
        let file = self.config.clone();
        let is_free = |(key, _): &(String, String)| !overrides.iter().any(|(name, _)| name == key);
        let flags = self.flags().into_iter().filter(is_free);
        let overrides = overrides.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        Config::load(Sources::of_process(file, flags.chain(overrides).collect()))
    }

    /// Whether the command line names a configuration file.
    pub fn names_file(&self) -> bool {
        self.config.is_some()
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
