//! A file with secrets that a command writes: private from the beginning, and there under its name only when it is
//! complete.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::ownership::{self, Need};
use crate::private_files;

use super::failure::Failure;
use super::settings;

/// The file until it is complete, under a random name. Removed when dropped.
pub struct PrivateOutput {
    file: PathBuf,
    /// Absolute.
    target: PathBuf,
    partial: PathBuf,
}

impl PrivateOutput {
    /// Creates the empty file. An existing `file` is not overwritten.
    pub fn create(file: &Path) -> Result<Self, Failure> {
        if fs::symlink_metadata(file).is_ok() {
            return Err(refusal(file, &"it exists already"));
        }
        let name = file.file_name().ok_or_else(|| refusal(file, &"it is not the name of a file"))?;
        let target = std::path::absolute(file).map_err(|error| refusal(file, &error))?;
        settings::warn(target.parent().map(private_files::check_directory).unwrap_or_default());
        let partial =
            target.with_file_name(format!(".{}.{}", name.to_string_lossy(), Clock::System.new_id()));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
        made.map_err(|error| refusal(file, &error))?;
        Ok(Self { file: file.to_owned(), target, partial })
    }

    /// The file to fill. Its path is absolute.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    pub fn open(&self) -> Result<File, Failure> {
        OpenOptions::new().write(true).open(&self.partial).map_err(|error| refusal(&self.file, &error))
    }

    /// Gives the complete file its name; returns its size.
    pub fn place(self) -> Result<u64, Failure> {
        self.try_place().map_err(|error| refusal(&self.file, &error))
    }

    fn try_place(&self) -> io::Result<u64> {
        let copy = File::open(&self.partial)?;
        copy.sync_all()?;
        let size = copy.metadata()?.len();
        // Unlike `rename`, `hard_link` does not replace a file that was created meanwhile. Some file systems do not support it.
        if fs::hard_link(&self.partial, &self.target).is_err() {
            let mut placed =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.target)?;
            io::copy(&mut { copy }, &mut placed)?;
            placed.sync_all()?;
        }
        if let Some(directory) = self.target.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(size)
    }
}

impl Drop for PrivateOutput {
    fn drop(&mut self) {
        // Its random name makes it this command's own.
        let _ = fs::remove_file(&self.partial);
    }
}

fn refusal(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let why = ownership::explain(error, file, Need::Write);
    Failure::Running(format!("cannot write {}: {why}", file.display()))
}
