//! `doorward backup`: a copy of the database while a server runs on it.

use std::path::PathBuf;

use super::failure::Failure;
use super::operator::{self, Absent};
use super::private_output::PrivateOutput;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward backup /backups/doorward-$(date +%F).db

The copy is a consistent snapshot, even while a server writes. It contains signing keys and password hashes: protect
it like the database. To restore it, stop the server and replace the database file with the copy.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where to write the copy; an existing file is not overwritten
    file: PathBuf,
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let config = settings.load()?.config;
    operator::require_database(&config, Absent::IsWrong)?;
    let file = &arguments.file;
    let output = PrivateOutput::create(file)?;
    // SQLite accepts an empty file as the target. Absolute, because it reads some other names as URLs.
    config.database.url.copy_to(output.path()).map_err(Failure::Running)?;
    if output.path().metadata().is_ok_and(|copy| copy.len() == 0) {
        return Err(Failure::Running("the copy is empty".to_owned()));
    }
    let size = output.place()?;
    super::output::print(&format!("{} holds {size} bytes\n", file.display()))
}
