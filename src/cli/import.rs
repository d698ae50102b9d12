//! `doorward import`: imports accounts of an older system with their passwords.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::accounts::import::{Import, Refused, Report};
use crate::app;
use crate::auth::legacy_hashes::ImportedHash;
use crate::clock::Clock;
use crate::import::{self, Field, Limits, Mapping, Place, SourceError};
use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::failure::Failure;
use super::operator::{self, Absent, Create, caller};
use super::output;
use super::settings::Settings;

/// Characters of a name that a report shows.
const SHOWN: usize = 60;

const EXAMPLES: &str = "\
Examples:
  doorward import old.db --dry-run   # show what would happen, write nothing
  doorward import old.db             # an SQLite file of an older system
  doorward import people.csv         # columns username, hash, and perhaps email, email_verified
  doorward import people.txt --format jsonl --json   # one object a line; the report as JSON

  # another table and column, usernames taken from the address
  doorward import app.db --table user --column hash=pw --username-from-email

  # moves all accounts to a new server, administrators too
  doorward export | ssh new-host doorward import --from - --allow-admins --create

Fields of --column: username, hash, email, email_verified, display_name, roles, claims, disabled,
enabled, created, id.

A server may use the database meanwhile. After an interruption run the command again: accounts that
exist are skipped. Exit codes: 0 all rows are imported, 1 some are not, 2 the command line is wrong.
See docs/IMPORT.md.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// An SQLite database of an older system, a CSV or a JSONL file; `-` reads standard input
    #[arg(required_unless_present = "from")]
    file: Option<PathBuf>,
    /// The same as FILE, for scripts
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    from: Option<PathBuf>,
    /// The format of FILE [default: detected from its content or name]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    mapping: MappingArguments,
    /// Imports accounts with the role `admin` too; without it, their rows are refused
    #[arg(long)]
    allow_admins: bool,
    /// The most rows to read; each takes 100 bytes of memory, or 500 of an SQLite or CSV file
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_rows: u32,
    /// Shows what would happen and writes nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: Create,
    /// Prints the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// How the file's columns are read.
#[derive(clap::Args)]
struct MappingArguments {
    /// The table of an SQLite database with the accounts
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Which column holds which field, such as `username=login`; may be repeated
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = field_and_column)]
    column: Vec<(Field, String)>,
    /// Takes the part before the @ as the username, if the username is an address or missing
    #[arg(long)]
    username_from_email: bool,
    /// Marks every address as verified, because the old system verified them
    #[arg(long)]
    verified: bool,
}

impl MappingArguments {
    fn mapping(&self) -> Mapping {
        Mapping {
            table: self.table.clone(),
            columns: self.column.clone(),
            username_from_email: self.username_from_email,
            verified: self.verified,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Sqlite,
    Csv,
    Jsonl,
}

impl From<Format> for import::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Sqlite => Self::Sqlite,
            Format::Csv => Self::Csv,
            Format::Jsonl => Self::Jsonl,
        }
    }
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let config = settings.load()?.config;
    let limits = Limits { rows: arguments.max_rows.try_into().unwrap_or(usize::MAX), ..Limits::default() };
    let format = arguments.format.map(Into::into);
    let mapping = arguments.mapping.mapping();
    let file = arguments.file.as_ref().or(arguments.from.as_ref());
    let file = file.ok_or_else(|| Failure::Usage("name the file to import".to_owned()))?;
    let source = import::open(file, format, limits, &mapping).map_err(|error| match error {
        SourceError::UnknownFormat(_) => Failure::Usage(error.to_string()),
        _ => Failure::running(error),
    })?;
    if !arguments.database.create && !arguments.dry_run {
        operator::require_database(&config, Absent::MayBeCreated)?;
    }
    for (field, column) in &source.renamed {
        eprintln!("column {} is read as {field}", shown(column));
    }
    if !source.ignored.is_empty() {
        eprintln!("{}", ignored_line(&source.ignored, &source.suspects));
    }
    let ignored = source.ignored.clone();
    let bar = output::progress_bar("{bar:40} {pos} of {len} rows, {eta} left");
    bar.set_length(source.total as u64);
    let mut rows = source.rows();
    let caller = caller();
    let import = Import {
        clock: &Clock::System,
        caller: &caller,
        cost: config.password.cost,
        workers: config.password.workers,
        allow_admins: arguments.allow_admins,
        tick: &|| bar.inc(1),
    };
    let (report, outcome) = if arguments.dry_run {
        let mut conn = config.database.url.open_existing().map_err(Failure::Running)?;
        (import.preview(conn.as_mut(), rows.by_ref()).map_err(Failure::running)?, Ok(()))
    } else {
        let pool = app::open_database(&config, 1).map_err(Failure::Running)?;
        let mut conn = pool.get().map_err(Failure::running)?;
        let mut report = Report::default();
        let outcome = import.run(&mut conn, rows.by_ref(), &mut report);
        (report, outcome)
    };
    bar.finish_and_clear();
    let outcome = outcome.map_err(|error| error.to_string());
    let outcome = outcome.and_then(|()| rows.finish().map_err(|error| error.to_string()));
    tell(&report, &ignored, arguments)?;
    outcome.map_err(|error| {
        Failure::Running(format!("stopped early: {error}; what is counted above is imported"))
    })?;
    match report.refused.len() {
        0 => Ok(()),
        some if arguments.dry_run => {
            Err(Failure::Running(format!("{some} of {} rows would not be imported", report.read)))
        }
        some => Err(Failure::Running(format!("{some} of {} rows were not imported", report.read))),
    }
}

/// Prints what was imported, and what was not and why.
fn tell(report: &Report, ignored: &[String], arguments: &Arguments) -> Result<(), Failure> {
    for refused in &report.refused {
        eprintln!("{}", line(refused));
    }
    let text = if arguments.json {
        format!("{}\n", json(report, ignored, arguments.dry_run))
    } else {
        table(report, arguments.dry_run)
    };
    output::print(&text)
}

fn field_and_column(text: &str) -> Result<(Field, String), String> {
    let (field, column) = text.split_once('=').ok_or("expected FIELD=COLUMN")?;
    let known = Field::ALL.into_iter().find(|known| known.name() == field.trim());
    let names = || Field::ALL.map(Field::name).join(", ");
    let field = known.ok_or_else(|| format!("FIELD is one of {}", names()))?;
    match column.trim() {
        "" => Err("COLUMN is empty".to_owned()),
        column => Ok((field, column.to_owned())),
    }
}

/// Which columns were not read, and which field one of them may be meant as.
fn ignored_line(ignored: &[String], suspects: &[(Field, String)]) -> String {
    let names: Vec<String> = ignored.iter().map(|column| shown(column)).collect();
    let hints = suspects.iter().map(|(field, column)| {
        let column = shown(column);
        format!("; if {column} is the {field}, say --column {field}={column}")
    });
    format!("ignored columns: {}{}", names.join(", "), hints.collect::<String>())
}

fn line(Refused { place, name, reason }: &Refused) -> String {
    match name.as_deref().map(shown) {
        Some(name) => format!("{place}, \"{name}\": {reason}"),
        None => format!("{place}: {reason}"),
    }
}

/// A name as it may be printed: escaped, and not a hash, which it is if the columns are mixed up.
fn shown(name: &str) -> String {
    if ImportedHash::parse(name).is_ok() {
        return "(a hash)".to_owned();
    }
    let short: String = name.chars().take(SHOWN).collect();
    let dots = if name.chars().nth(SHOWN).is_some() { ".." } else { "" };
    format!("{}{dots}", short.escape_debug())
}

/// How many rows were refused for each reason.
fn by_reason(report: &Report) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for refused in &report.refused {
        *counts.entry(refused.reason.code()).or_default() += 1;
    }
    counts
}

fn table(report: &Report, dry_run: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut add = |what: &str, count: usize| {
        table.add_row([what.to_owned(), count.to_string()]);
    };
    add("read", report.read);
    add(if dry_run { "would be imported" } else { "imported" }, report.imported);
    if report.admins > 0 {
        add("  administrators", report.admins);
    }
    add("already there", report.already_there);
    add(if dry_run { "would be refused" } else { "refused" }, report.refused.len());
    for (code, count) in by_reason(report) {
        add(&format!("  {code}"), count);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

fn json(report: &Report, ignored: &[String], dry_run: bool) -> Value {
    let refused = report.refused.iter().map(|Refused { place, name, reason }| {
        let (key, number) = match place {
            Place::Row(number) => ("row", json!(number)),
            Place::Line(number) => ("line", json!(number)),
        };
        json!({ key: number, "name": name.as_deref().map(shown), "code": reason.code(), "reason": reason.to_string() })
    });
    json!({
        "dry_run": dry_run,
        "read": report.read,
        "imported": report.imported,
        "admins": report.admins,
        "already_there": report.already_there,
        "ignored_columns": ignored.iter().map(|column| shown(column)).collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "refused_by_reason": by_reason(report),
    })
}
