//! `doorward backup`: a copy of the database while a server runs on it, and a check of such a copy.

use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::db::check::{self, Report};

use super::failure::Failure;
use super::operator::{self, Absent};
use super::output::{self, Format};
use super::private_output::PrivateOutput;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward backup /backups/doorward-$(date +%F).db
  doorward backup check /backups/doorward-2026-11-27.db

The copy is a consistent snapshot, even while a server writes. It contains signing keys and password hashes: protect
it like the database. To restore it, check it, stop the server, and replace the database file with the copy. See
docs/BACKUP.md.";

const CHECK_EXAMPLES: &str = "\
Examples:
  doorward backup check /backups/doorward-2026-11-27.db
  doorward backup check --json copy.db

Reads the whole file and changes nothing. Exit codes: 0 the backup can be restored, 1 it cannot, 2 the command line is
wrong.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Where to write the copy; an existing file is not overwritten. A file named `check` is `./check`
    #[arg(required = true)]
    file: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Checks a backup before it is put in place
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The backup, an SQLite file
        file: PathBuf,
        #[command(flatten)]
        format: Format,
    },
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    match (&arguments.action, &arguments.file) {
        (Some(Action::Check { file, format }), _) => check(file, format),
        (None, Some(file)) => copy(settings, file),
        // clap requires one of them.
        (None, None) => Err(Failure::Usage("name the file to write".to_owned())),
    }
}

fn copy(settings: Settings, file: &Path) -> Result<(), Failure> {
    let config = settings.load()?.config;
    operator::require_database(&config, Absent::IsWrong)?;
    let output = PrivateOutput::create(file)?;
    // SQLite accepts an empty file as the target. Absolute, because it reads some other names as URLs.
    config.database.url.copy_to(output.path()).map_err(Failure::Running)?;
    if output.path().metadata().is_ok_and(|copy| copy.len() == 0) {
        return Err(Failure::Running("the copy is empty".to_owned()));
    }
    let size = output.place()?;
    output::print(&format!("{} holds {size} bytes\n", file.display()))
}

fn check(file: &Path, format: &Format) -> Result<(), Failure> {
    let report = check::check(file, Clock::System.now()).map_err(Failure::Running)?;
    let problems = report.problems();
    if format.json {
        output::print_json(&serde_json::json!({
            "can_be_restored": problems.is_empty(), "problems": problems, "found": report,
        }))?;
    } else {
        output::print(&text(&report))?;
    }
    if !problems.is_empty() {
        let problems = problems.join("; ");
        return Err(Failure::Running(format!("{} cannot be restored: {problems}", file.display())));
    }
    if format.json { Ok(()) } else { output::print(&format!("{} can be restored\n", file.display())) }
}

fn text(report: &Report) -> String {
    let migrations = &report.migrations;
    let schema = match (migrations.missing, migrations.unknown.as_slice()) {
        (0, []) => format!("current ({} migrations)", migrations.known),
        (1, []) => "older: the server applies 1 migration when it starts".to_owned(),
        (missing, []) => format!("older: the server applies {missing} migrations when it starts"),
        (_, unknown) => format!("newer: this version does not know {}", unknown.join(", ")),
    };
    let lost = report
        .lost_references
        .iter()
        .map(|lost| format!("missing in {}, named by {} rows of {}", lost.refers_to, lost.rows, lost.table));
    let lost =
        if report.lost_references.is_empty() { "ok".to_owned() } else { lost.collect::<Vec<_>>().join("; ") };
    let note = "a copy of the database's own file, which lacks the newest changes unless the server had been stopped: use \
                `doorward backup`";
    let rows = [
        ("size", format!("{} bytes", report.bytes)),
        ("file", "ok".to_owned()),
        ("references", lost),
        ("schema", schema),
        ("users", format!("{}, {} of them disabled", report.users, report.disabled_users)),
        ("logins", format!("{}, {} of them active", report.logins, report.active_logins)),
        ("signing keys", report.signing_keys.to_string()),
        ("note", note.to_owned()),
    ];
    let rows = rows.into_iter().filter(|(name, _)| *name != "note" || report.plain_copy);
    let rows = rows.map(|(name, found)| [name.to_owned(), found]);
    output::table(["checked", "result"], rows)
}
