//! `doorward migrate-database`: from SQLite to PostgreSQL, for when one node is no longer enough.

use std::ffi::OsString;

use crate::config::DatabaseUrl;
use crate::db::transfer::{self, Moved, Progress};
use crate::private_files;
use serde_json::json;

use super::failure::Failure;
use super::output;
use super::settings::{self, Settings};

const EXAMPLES: &str = "\
Examples:
  export DOORWARD_DATABASE__URL=postgres://doorward:PASSWORD@db.example/doorward
  doorward migrate-database --from sqlite:/var/lib/doorward/doorward.db

Stop the server first: rows that it writes meanwhile are not moved. The SQLite file is only read.
The PostgreSQL database has to be empty, or to hold what an interrupted run left: run the command
again, and it continues. A URL on the command line, with its password, is visible to every user who
can list this machine's processes; the environment and the configuration file are not.
See docs/POSTGRES.md.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The database to move, as `sqlite:PATH`
    #[arg(long, value_name = "URL")]
    from: String,
    /// Where to move it, as `postgres://USER@HOST/DATABASE` [default: the setting database.url]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Prints what was moved as one JSON object
    #[arg(long)]
    json: bool,
    /// Arguments without a name. Accepted so that clap does not print them: one may be a URL with a password.
    #[arg(hide = true)]
    unnamed: Vec<OsString>,
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.unnamed.is_empty() {
        return Err(Failure::Usage("URLs are given with --from and --to, see --help".to_owned()));
    }
    let from = parse("--from", &arguments.from)?;
    if !matches!(from, DatabaseUrl::Sqlite(_)) {
        return Err(Failure::Usage(format!("--from cannot be {from}; expected sqlite:PATH")));
    }
    let config = settings.load()?.config;
    settings::warn(private_files::secure_source(&from));
    let (name, to) = match &arguments.to {
        Some(url) => ("--to", parse("--to", url)?),
        None => ("without --to, database.url", config.database.url),
    };
    if !matches!(to, DatabaseUrl::Postgres(_)) {
        return Err(Failure::Usage(format!("{name} cannot be {to}; expected postgres://...")));
    }
    let bar = output::progress_bar("{bar:40} {pos} of {len} rows {msg}, {eta} left");
    let tables = transfer::run(&from, &to, &|progress| match progress {
        Progress::Begins(what, rows) => {
            bar.reset();
            bar.set_length(rows);
            bar.set_message(what);
        }
        Progress::Done(rows) => bar.inc(rows),
    });
    bar.finish_and_clear();
    print(&tables.map_err(Failure::Running)?, arguments.json)
}

/// Not with clap, which prints what it cannot parse.
fn parse(name: &str, url: &str) -> Result<DatabaseUrl, Failure> {
    url.parse().map_err(|error| Failure::Usage(format!("{name} cannot be read: {error}")))
}

fn print(tables: &[Moved], json: bool) -> Result<(), Failure> {
    if json {
        let rows = tables.iter().map(|Moved { table, inserted, already_there, sha256 }| {
            json!({ "table": table, "moved": inserted, "already_there": already_there, "sha256": sha256 })
        });
        return output::print_json(&json!({ "verified": true, "tables": rows.collect::<Vec<_>>() }));
    }
    let rows = tables.iter().map(|Moved { table, inserted, already_there, .. }| {
        [(*table).to_owned(), inserted.to_string(), already_there.to_string(), "verified".to_owned()]
    });
    output::print(&output::table(["table", "moved", "already there", "both sides"], rows))
}
