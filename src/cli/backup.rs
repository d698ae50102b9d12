//! `doorward backup`: a copy of the database while a server runs on it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use doorward::clock::Clock;
use doorward::ownership::{self, Need};
use doorward::private_files;

use super::failure::Failure;
use super::settings::{self, Settings};
use super::{operator, output};

const EXAMPLES: &str = "\
Examples:
  doorward backup /backups/doorward-$(date +%F).db

The copy is the state of one moment, whatever is written meanwhile. It holds signing keys and password hashes:
keep it as safe as the database. To go back, stop the server and put the copy in the database's place.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Where the copy goes; a file that is there is not overwritten
    file: PathBuf,
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let config = settings.load()?.config;
    operator::must_be_there(&config)?;
    let file = &arguments.file;
    let refuse = |error: &dyn std::fmt::Display| {
        let why = ownership::explain(error, file, Need::Write);
        Failure::Running(format!("cannot write {}: {why}", file.display()))
    };
    if fs::symlink_metadata(file).is_ok() {
        return Err(refuse(&"it is there already"));
    }
    let name = file.file_name().ok_or_else(|| refuse(&"it names no file"))?.to_string_lossy();
    // Absolute, for SQLite takes some other names for URLs.
    let target = std::path::absolute(file).map_err(|error| refuse(&error))?;
    settings::warn(target.parent().map(private_files::check_directory).unwrap_or_default());
    let partial = target.with_file_name(format!(".{name}.{}", Clock::System.new_id()));
    // Only its owner may read it, from the first byte on. SQLite fills a file that is empty.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    made.map_err(|error| refuse(&error))?;
    let placed = config
        .database
        .url
        .copy_to(&partial)
        .map_err(Failure::Running)
        .and_then(|()| place(&partial, &target).map_err(|error| refuse(&error)));
    // Ours by its name. What is left of a failure is no backup.
    let _ = fs::remove_file(&partial);
    let size = placed?;
    output::print(&format!("{} holds {size} bytes\n", file.display()))
}

/// Gives a whole copy its name and answers its size.
fn place(partial: &Path, target: &Path) -> std::io::Result<u64> {
    let copy = File::open(partial)?;
    copy.sync_all()?;
    let size = copy.metadata()?.len();
    if size == 0 {
        return Err(std::io::Error::other("the copy is empty"));
    }
    // Unlike a renaming, a link does not replace what came there meanwhile. Some file systems have none.
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
