//! The command line: one file per command, and what they share: `ask`, `failure`, `operator`, `output`,
//! `private_output`, `settings`.
//!
//! The program exits with 0 if the command succeeded, 1 if it failed, and 2 if the command line or the configuration
//! is wrong.

mod api_key;
mod ask;
mod backup;
mod completions;
mod config;
mod connect;
mod export;
mod failure;
mod import;
mod invite;
mod keys;
mod logins;
mod mail;
mod man;
mod migrate_database;
mod operator;
mod output;
mod private_output;
mod serve;
mod settings;
mod user;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::settings::Settings;

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
    /// Shows every setting in force and where it comes from, or writes a file to begin with
    Config(config::Arguments),
    /// Imports the accounts of an older system, with their passwords
    Import(import::Arguments),
    /// Writes all accounts as JSON lines, which `import` reads
    Export(export::Arguments),
    /// Adds, lists, disables, and deletes accounts
    User(user::Arguments),
    /// Invites people to register
    Invite(invite::Arguments),
    /// Lists and revokes logins
    Logins(logins::Arguments),
    /// Lists and rotates the keys that sign access tokens
    Keys(keys::Arguments),
    /// Creates, lists, rotates and revokes the keys of applications' backends
    ApiKey(api_key::Arguments),
    /// Sends a test email
    Mail(mail::Arguments),
    /// Copies the database while a server runs on it, and checks such copies
    Backup(backup::Arguments),
    /// Moves an SQLite database to PostgreSQL
    MigrateDatabase(migrate_database::Arguments),
    /// Prints a script that lets a shell complete these commands
    Completions(completions::Arguments),
    /// Opens a live session with a server, at a terminal or in a script
    Connect(connect::Arguments),
    /// Writes the manual pages of all commands
    #[command(hide = true)]
    Man(man::Arguments),
}

/// Reads the command line and runs the command that it names. The result is the program's exit code.
#[must_use]
pub fn run() -> ExitCode {
    // Must come before anything that creates a file.
    crate::private_files::set_umask();
    // A wrong command line ends the process here, with clap's message and exit code 2.
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(cli.settings),
        Command::Config(arguments) => config::run(cli.settings, &arguments),
        Command::Import(arguments) => import::run(cli.settings, &arguments),
        Command::Export(arguments) => export::run(cli.settings, &arguments),
        Command::User(arguments) => user::run(cli.settings, arguments),
        Command::Invite(arguments) => invite::run(cli.settings, arguments),
        Command::Logins(arguments) => logins::run(cli.settings, arguments),
        Command::Keys(arguments) => keys::run(cli.settings, arguments),
        Command::ApiKey(arguments) => api_key::run(cli.settings, arguments),
        Command::Mail(arguments) => mail::run(cli.settings, arguments),
        Command::Backup(arguments) => backup::run(cli.settings, &arguments),
        Command::MigrateDatabase(arguments) => migrate_database::run(cli.settings, &arguments),
        Command::Completions(arguments) => completions::run(&arguments, &mut Cli::command()),
        Command::Connect(arguments) => connect::run(arguments),
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
    };
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    let (message, code) = failure.into_parts();
    // Not `eprintln!`, which panics if standard error is closed.
    let _ = writeln!(std::io::stderr(), "doorward: {message}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
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
            assert!(matches!(cli.command, Some(Command::Config(_))));
        }
        assert!(Cli::try_parse_from(["doorward"]).is_ok_and(|cli| cli.command.is_none()));
        assert!(Cli::try_parse_from(["doorward", "--set", "nothing"]).is_err());
    }
}
