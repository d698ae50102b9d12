//! `doorward backup`: a copy of the database while a server runs on it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::ownership::{self, Need};
use crate::private_files;

use super::failure::Failure;
use super::settings::{self, Settings};
use super::{operator, output};

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
    operator::require_database(&config)?;
    let file = &arguments.file;
    let refuse = |error: &dyn std::fmt::Display| {
        let why = ownership::explain(error, file, Need::Write);
        Failure::Running(format!("cannot write {}: {why}", file.display()))
    };
    if fs::symlink_metadata(file).is_ok() {
        return Err(refuse(&"it exists already"));
    }
    let name = file.file_name().ok_or_else(|| refuse(&"it is not the name of a file"))?.to_string_lossy();
    // Absolute, because SQLite reads some other names as URLs.
    let target = std::path::absolute(file).map_err(|error| refuse(&error))?;
    settings::warn(target.parent().map(private_files::check_directory).unwrap_or_default());
    let partial = target.with_file_name(format!(".{name}.{}", Clock::System.new_id()));
    // Private before it holds anything. SQLite accepts an empty file as the target.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    made.map_err(|error| refuse(&error))?;
    let placed = config
        .database
        .url
        .copy_to(&partial)
        .map_err(Failure::Running)
        .and_then(|()| place(&partial, &target).map_err(|error| refuse(&error)));
    // Its random name makes it this command's own. After a failure it is not a backup.
    let _ = fs::remove_file(&partial);
    let size = placed?;
    output::print(&format!("{} holds {size} bytes\n", file.display()))
}

/// Gives the complete copy its name; returns its size.
fn place(partial: &Path, target: &Path) -> std::io::Result<u64> {
    let copy = File::open(partial)?;
    copy.sync_all()?;
    let size = copy.metadata()?.len();
    if size == 0 {
        return Err(std::io::Error::other("the copy is empty"));
    }
    // Unlike `rename`, `hard_link` does not replace a file that was created meanwhile. Some file systems do not support it.
    if fs::hard_link(partial, target).is_err() {
        let mut placed = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target)?;
        std::io::copy(&mut { copy }, &mut placed)?;
        placed.sync_all()?;
    }
    if let Some(directory) = target.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(size)
}
