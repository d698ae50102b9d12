//! `doorward import`: accounts of an older system, brought in with the passwords they have.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use doorward::accounts::import::{Import, Refused, Report};
use doorward::app;
use doorward::auth::foreign::Foreign;
use doorward::clock::Clock;
use doorward::import::{self, Limits, Place, Source, SourceError};
use serde_json::{Value, json};

use super::{Failure, Settings, output};

/// As much of a name as a report shows.
const SHOWN: usize = 60;

const EXAMPLES: &str = "\
Examples:
  doorward import old.db --dry-run     Say what would happen, write nothing
  doorward import old.db               An SQLite file of an older system
  doorward import people.csv           Columns: username, hash and, if there are addresses, email
  doorward import people.txt --format jsonl --json
                                       An object a line; what happened as JSON

A server may run on the same database meanwhile. Run it again after an interruption: what is there is passed
over. Exit codes: 0 every row is in, 1 some are not, 2 the command line is wrong. See docs/IMPORT.md.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// An SQLite database of an older system, a CSV or a JSONL file
    file: PathBuf,
    /// What FILE is [default: told from its content or its name]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Rows that may be read; all are held in memory, about half a kilobyte each
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_rows: u32,
    /// Says what would happen and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints what happened as one JSON object
    #[arg(long)]
    json: bool,
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
    let Source { rows } = import::read(&arguments.file, format, limits).map_err(|error| match error {
        SourceError::UnknownFormat(_) => Failure::Usage(error.to_string()),
        _ => Failure::running(error),
    })?;
    let bar = output::progress_bar("{bar:40} {pos} of {len} rows, {eta} left");
    bar.set_length(rows.len() as u64);
    let import = Import {
        clock: &Clock::System,
        cost: config.password.cost,
        workers: config.password.workers,
        tick: &|| bar.inc(1),
    };
    let (report, outcome) = if arguments.dry_run {
        let mut conn = config.database.url.look().map_err(Failure::Running)?;
        (import.preview(conn.as_mut(), rows).map_err(Failure::running)?, Ok(()))
    } else {
        let pool = app::open_database(&config, 1).map_err(Failure::Running)?;
        let mut conn = pool.get().map_err(Failure::running)?;
        let mut report = Report::default();
        let outcome = import.run(&mut conn, rows, &mut report);
        (report, outcome)
    };
    bar.finish_and_clear();

    for refused in &report.refused {
        eprintln!("{}", line(refused));
    }
    let text = if arguments.json {
        format!("{}\n", json(&report, arguments.dry_run))
    } else {
        table(&report, arguments.dry_run)
    };
    output::print(&text)?;
    outcome
        .map_err(|error| Failure::Running(format!("stopped early: {error}; what is counted above is in")))?;
    match report.refused.len() {
        0 => Ok(()),
        some if arguments.dry_run => {
            Err(Failure::Running(format!("{some} of {} rows would not come in", report.read)))
        }
        some => Err(Failure::Running(format!("{some} of {} rows did not come in", report.read))),
    }
}

fn line(Refused { place, name, reason }: &Refused) -> String {
    match name.as_deref().map(shown) {
        Some(name) => format!("{place}, \"{name}\": {reason}"),
        None => format!("{place}: {reason}"),
    }
}

/// A name as it may be printed. It is anybody's text; and where the columns are mixed up, a hash stands there.
fn shown(name: &str) -> String {
    if Foreign::parse(name).is_ok() {
        return "(a hash)".to_owned();
    }
    let short: String = name.chars().take(SHOWN).collect();
    let dots = if name.chars().nth(SHOWN).is_some() { ".." } else { "" };
    format!("{}{dots}", short.escape_debug())
}

/// How many for each reason.
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

fn json(report: &Report, dry_run: bool) -> Value {
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
        "already_there": report.already_there,
        "refused": refused.collect::<Vec<_>>(),
        "refused_by_reason": by_reason(report),
    })
}
