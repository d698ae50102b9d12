//! `doorward backup`: a copy of the database while a server runs on it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use doorward::{app, db};

use super::{Failure, Settings, operator, output};

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
    let target = &arguments.file;
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::Running(format!("cannot write {}: {error}", target.display()))
    };
    if fs::symlink_metadata(target).is_ok() {
        return Err(refuse(&"it is there already"));
    }
    let partial = PathBuf::from(format!("{}.partial", target.display()));
    let written = write(&config, &partial).and_then(|()| {
        // Unlike a renaming, a link does not replace what came there meanwhile.
        fs::hard_link(&partial, target).map_err(|error| refuse(&error))
    });
    // The one that is left of a failure is no backup.
    let _ = fs::remove_file(&partial);
    written?;
    if let Some(directory) = target.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| refuse(&error))?;
    }
    let size = fs::metadata(target).map_err(|error| refuse(&error))?.len();
    output::print(&format!("{} holds {size} bytes\n", target.display()))
}

fn write(config: &doorward::config::Config, partial: &Path) -> Result<(), Failure> {
    let refuse = |error: &dyn std::fmt::Display| {
        Failure::Running(format!("cannot write {}: {error}", partial.display()))
    };
    let name = partial.to_str().ok_or_else(|| refuse(&"its name is not UTF-8"))?;
    // Only its owner may read it, from the first byte on. SQLite fills a file that is empty.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial);
    made.map_err(|error| refuse(&error))?;
    let pool = app::open_database(config, 1).map_err(Failure::Running)?;
    let mut conn = pool.get().map_err(Failure::running)?;
    db::copy_to(&mut conn, name).map_err(|error| refuse(&error))?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(|error| refuse(&error))
}
