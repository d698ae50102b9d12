//! One file a command.

mod ask;
mod backup;
mod completions;
mod config;
mod connect;
mod import;
mod keys;
mod logins;
mod mail;
mod migrate_database;
mod operator;
mod output;
mod serve;
mod user;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::{Args, Parser, Subcommand};
use doorward::config::{Config, ConfigError, Loaded, Sources};
use doorward::private_files;

/// A self-hosted sign-in server for live apps.
#[derive(Parser)]
#[command(name = "doorward", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server (the default)
    Serve,
    /// Shows every setting in force and where it came from
    Config,
    /// Brings in the accounts of an older system, with their passwords
    Import(import::Arguments),
    /// Adds, lists, disables, deletes accounts
    User(user::Arguments),
    /// Lists and ends logins
    Logins(logins::Arguments),
    /// Lists and rotates the keys that sign access tokens
    Keys(keys::Arguments),
    /// Tries whether mails leave
    Mail(mail::Arguments),
    /// Copies the database while a server runs on it
    Backup(backup::Arguments),
    /// Moves a grown SQLite database to PostgreSQL
    MigrateDatabase(migrate_database::Arguments),
    /// Prints what a shell needs to complete these commands
    Completions(completions::Arguments),
    /// Opens a live session with a server, for people and scripts
    Connect(connect::Connect),
}

#[derive(Args)]
struct Settings {
    /// The configuration file [default: doorward.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Sets a key for this run, such as `--set log.level=debug`
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, global = true)]
    set: Vec<(String, String)>,
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
    /// For commands: also corrects the modes of what the configuration names, and says on standard error what others
    /// can read.
    fn load(self) -> Result<Loaded, ConfigError> {
        let loaded = self.load_for_server()?;
        warn(loaded.warnings.clone());
        warn(private_files::secure(&loaded.config));
        warn(private_files::check_settings(&loaded.settings));
        Ok(loaded)
    }

    /// Without these: the server does the same, and logs it.
    fn load_for_server(self) -> Result<Loaded, ConfigError> {
        let shortcuts = [("http.listen", self.listen), ("data_dir", self.data_dir)];
        let shortcuts = shortcuts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Config::load(Sources::of_process(self.config, self.set.into_iter().chain(shortcuts).collect()))
    }
}

/// Each line once, whatever led to it.
fn warn(warnings: Vec<String>) {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    for warning in warnings {
        if !said.contains(&warning) {
            eprintln!("doorward: {warning}");
            said.push(warning);
        }
    }
}

/// Why a command ended early; it becomes one line and an exit code.
enum Failure {
    /// The configuration is wrong: whoever starts Doorward must mend it.
    Usage(String),
    Running(String),
    /// With an exit code of its own.
    With(u8, String),
}

impl Failure {
    fn running(error: impl Display) -> Self {
        Self::Running(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

pub fn run() -> ExitCode {
    // A wrong command line ends here, with clap's own words and code 2.
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(cli.settings),
        Command::Config => config::run(cli.settings),
        Command::Import(arguments) => import::run(cli.settings, &arguments),
        Command::User(arguments) => user::run(cli.settings, arguments),
        Command::Logins(arguments) => logins::run(cli.settings, arguments),
        Command::Keys(arguments) => keys::run(cli.settings, arguments),
        Command::Mail(arguments) => mail::run(cli.settings, arguments),
        Command::Backup(arguments) => backup::run(cli.settings, &arguments),
        Command::MigrateDatabase(arguments) => migrate_database::run(cli.settings, &arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Connect(connect) => connect::run(connect),
    };
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Running(message)) => (message, 1),
        Err(Failure::With(code, message)) => (message, code),
    };
    // Not `eprintln!`, which panics if it cannot be written.
    let _ = writeln!(std::io::stderr(), "doorward: {message}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_may_stand_before_and_after_the_command() {
        for line in [
            ["doorward", "--set", "log.level=debug", "config"],
            ["doorward", "config", "--set", "log.level=debug"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(cli.settings.set, [("log.level".to_owned(), "debug".to_owned())]);
            assert!(matches!(cli.command, Some(Command::Config)));
        }
        assert!(Cli::try_parse_from(["doorward"]).is_ok_and(|cli| cli.command.is_none()));
        assert!(Cli::try_parse_from(["doorward", "--set", "nothing"]).is_err());
    }
}
