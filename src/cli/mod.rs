//! The command line: one file per command, and what they share: `ask`, `failure`, `operator`, `output`,
//! `private_output`, `settings`, `when`.
//!
//! The program exits with 0 if the command succeeded, 1 if it failed, and 2 if the command line or the configuration
//! is wrong.

mod api_key;
mod ask;
mod audit;
mod backup;
mod brand;
mod completions;
mod config;
mod connect;
mod export;
mod failure;
mod greeting;
#[cfg(test)]
mod help_tests;
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
mod room;
mod serve;
mod settings;
mod user;
mod when;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::failure::Failure;
use self::settings::{LeadingSettings, ServerSettings, With};
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  doorward                                 # run a server at http://localhost:8080
  doorward --listen :9000                  # the same for other machines too, on port 9000
  doorward user add alice --role admin     # add an administrator, also while the server runs
  doorward config                          # show every setting and where it comes from

Without a command, doorward runs the server. `doorward COMMAND --help` has more examples.";

/// A self-hosted sign-in server for live apps
#[derive(Parser)]
#[command(name = "doorward", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: LeadingSettings,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server (the default)
    Serve(With<serve::Arguments, ServerSettings>),
    /// Shows every setting in force and where it comes from, or writes a file to begin with
    Config(With<config::Arguments, ServerSettings>),
    /// Shows your name, logo and colors on the pages and in emails
    Brand(With<brand::Arguments, ServerSettings>),
    /// Adds, lists, changes, and deletes accounts
    User(With<user::Arguments>),
    /// Invites people to register
    Invite(With<invite::Arguments>),
    /// Lists and revokes logins
    Logins(With<logins::Arguments>),
    /// Adds, removes, and bans members of rooms, and puts their sessions out
    Room(With<room::Arguments>),
    /// Shows what happened to accounts, and what failed
    Audit(With<audit::Arguments>),
    /// Lists and rotates the keys that sign access tokens
    Keys(With<keys::Arguments>),
    /// Creates, lists, rotates, and revokes the API keys of backends
    ApiKey(With<api_key::Arguments>),
    /// Sends a test email
    Mail(With<mail::Arguments>),
    /// Imports the accounts of an older system, with their passwords
    Import(With<import::Arguments>),
    /// Writes all accounts as JSON lines, which `import` reads
    Export(With<export::Arguments>),
    /// Copies the SQLite database, also while a server runs on it, and checks such copies
    Backup(With<backup::Arguments>),
    /// Moves an SQLite database to PostgreSQL
    MigrateDatabase(With<migrate_database::Arguments>),
    /// Opens a live session with a server, at a terminal or in a script
    Connect(connect::Arguments),
    /// Prints a script that lets a shell complete these commands
    Completions(completions::Arguments),
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
    let outcome = execute(Cli::parse());
    telemetry::flush();
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    let (message, code) = failure.into_parts();
    // A message may name what is in a file of others. Not `eprintln!`, which panics if standard error is closed.
    let _ = writeln!(std::io::stderr(), "doorward: {}", output::escape_line(&message));
    ExitCode::from(code)
}

fn execute(Cli { command, settings: leading }: Cli) -> Result<(), Failure> {
    match command {
        None => serve::run(leading.for_server(ServerSettings::default())),
        Some(Command::Serve(with)) => serve::run(leading.for_server(with.settings)),
        Some(Command::Config(with)) => config::run(leading.for_server(with.settings), &with.arguments),
        Some(Command::Brand(with)) => brand::run(leading.for_server(with.settings), &with.arguments),
        Some(Command::Import(with)) => import::run(leading.for_command(with.settings)?, &with.arguments),
        Some(Command::Export(with)) => export::run(leading.for_command(with.settings)?, &with.arguments),
        Some(Command::User(with)) => user::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Invite(with)) => invite::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Logins(with)) => logins::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Room(with)) => room::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Audit(with)) => audit::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Keys(with)) => keys::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::ApiKey(with)) => api_key::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Mail(with)) => mail::run(leading.for_command(with.settings)?, with.arguments),
        Some(Command::Backup(with)) => backup::run(leading.for_command(with.settings)?, &with.arguments),
        Some(Command::MigrateDatabase(with)) => {
            migrate_database::run(leading.for_command(with.settings)?, &with.arguments)
        }
        Some(Command::Completions(arguments)) => {
            leading.for_none("completions")?;
            completions::run(&arguments, &mut Cli::command())
        }
        Some(Command::Man(arguments)) => {
            leading.for_none("man")?;
            man::run(&arguments, Cli::command())
        }
        Some(Command::Connect(arguments)) => {
            leading.for_none("connect")?;
            connect::run(arguments)
        }
    }
}
