//! A file with secrets that a command writes: private from the beginning, and there under its name only when it is
//! complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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
    /// `target` exists and is replaced.
    replaces: bool,
}

impl PrivateOutput {
    /// Creates the empty file. An existing `file` is not overwritten. Warns if others can use its directory.
    pub fn create(file: &Path) -> Result<Self, Failure> {
        let output = Self::anywhere(file, "")?;
        settings::warn(output.target.parent().map(private_files::check_directory).unwrap_or_default());
        Ok(output)
    }

    /// The same without the warning. `advice` says what to do about an existing file.
    pub fn anywhere(file: &Path, advice: &str) -> Result<Self, Failure> {
        if fs::symlink_metadata(file).is_ok() {
            let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
            return Err(refusal(file, &format!("it exists already{advice}")));
        }
        Self::beside(file, std::path::absolute(file), false)
    }

    /// Creates the empty file, which takes the place of `file` when it is complete. The owner and the mode of the file
    /// that it replaces are kept, and a link leads where it did.
    pub fn over(file: &Path) -> Result<Self, Failure> {
        let Ok(old) = fs::metadata(file) else { return Self::anywhere(file, "") };
        if !old.is_file() {
            return Err(refusal(file, &"it is not a regular file"));
        }
        let output = Self::beside(file, file.canonicalize(), true)?;
        let partial = &output.partial;
        fs::set_permissions(partial, fs::Permissions::from_mode(old.mode() & 0o660))
            .and_then(|()| std::os::unix::fs::chown(partial, Some(old.uid()), Some(old.gid())))
            .map_err(|error| refusal(file, &format!("its owner cannot be kept: {error}")))?;
        Ok(output)
    }

    fn beside(file: &Path, target: io::Result<PathBuf>, replaces: bool) -> Result<Self, Failure> {
        let name = file.file_name().ok_or_else(|| refusal(file, &"it is not the name of a file"))?;
        let target = target.map_err(|error| refusal(file, &error))?;
        let partial =
            target.with_file_name(format!(".{}.{}", name.to_string_lossy(), Clock::System.new_id()));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
        made.map_err(|error| refusal(file, &error))?;
        Ok(Self { file: file.to_owned(), target, partial, replaces })
    }

    /// Writes the whole text.
    pub fn fill(&self, text: &str) -> Result<(), Failure> {
        self.open()?.write_all(text.as_bytes()).map_err(|error| refusal(&self.file, &error))
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
        let complete = File::open(&self.partial)?;
        complete.sync_all()?;
        let size = complete.metadata()?.len();
        if self.replaces {
            fs::rename(&self.partial, &self.target)?;
        } else {
            name(&self.partial, &self.target, |from, to| fs::hard_link(from, to))?;
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

/// Gives the file `from` the name `to`, which must be free, and never a part of it.
fn name(from: &Path, to: &Path, link: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    // Unlike `rename`, a hard link does not replace a file that was created meanwhile.
    match link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // Some file systems have no hard links.
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        outcome => outcome,
    }
}

fn refusal(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let why = ownership::explain(error, file, Need::Write);
    Failure::Running(format!("cannot write {}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_its_name_whole_and_replaces_none_also_without_hard_links() {
        let links: [fn(&Path, &Path) -> io::Result<()>; 2] =
            [|from, to| fs::hard_link(from, to), |_, _| Err(io::ErrorKind::Unsupported.into())];
        for link in links {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("accounts.jsonl");
            let output = PrivateOutput::create(&target).unwrap_or_else(|_| panic!());
            fs::write(output.path(), "whole").unwrap();
            name(output.path(), &target, link).unwrap();
            drop(output);
            assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
            assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

            let other = dir.path().join("other");
            fs::write(&other, "another").unwrap();
            assert_eq!(name(&other, &target, link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_without_access_for_all_and_a_link_to_it_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("real.toml"), dir.path().join("link.toml"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let output = PrivateOutput::over(&link).unwrap_or_else(|_| panic!());
        output.fill("new").unwrap_or_else(|_| panic!());
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        output.place().unwrap_or_else(|_| panic!());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(PrivateOutput::over(dir.path()).is_err());
    }
}
