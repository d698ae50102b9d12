//! Finds out who owns a file that this process cannot use; the system's "permission denied" does not say.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use rustix::fs::{Access, access};
use rustix::io::Errno;

/// What this process needs to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Read a file, or list a directory.
    Read,
    /// Read and write a file, which need not exist yet.
    Write,
    /// Create and remove files in a directory, which need not exist yet.
    Fill,
}

/// The error and, if it is about permissions, the owner of the file or directory in the way.
#[must_use]
pub fn explain(error: &dyn std::fmt::Display, path: &Path, need: Need) -> String {
    match obstacle(path, need) {
        Some(whose) => format!("{error}; {whose}"),
        None => error.to_string(),
    }
}

/// Describes the file, or the directory on the way to it, that this process may not use as needed; none if
/// there is no such obstacle.
#[must_use]
pub fn obstacle(path: &Path, need: Need) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let closed = above.iter().find_map(|directory| denied(directory, Access::EXEC_OK));
    if closed.is_some() {
        return closed;
    }
    let wanted = match need {
        Need::Read => Access::READ_OK,
        Need::Write => Access::READ_OK | Access::WRITE_OK,
        Need::Fill => Access::WRITE_OK | Access::EXEC_OK,
    };
    if fs::metadata(&path).is_ok() {
        return denied(&path, wanted);
    }
    // The file would have to be created, in the nearest existing directory.
    let nearest = above.into_iter().rev().find(|directory| directory.is_dir())?;
    if need == Need::Read { None } else { denied(nearest, Access::WRITE_OK | Access::EXEC_OK) }
}

/// The same for an SQLite database: its file, the files beside it, and the directory in which SQLite creates
/// them.
#[must_use]
pub fn obstacle_of_database(path: &Path) -> Option<String> {
    obstacle_of_files(path).or_else(|| obstacle(real(path).parent()?, Need::Fill))
}

/// The same for the database's file and those beside it only. SQLite opens a read-only file, and fails later.
#[must_use]
pub fn obstacle_of_files(path: &Path) -> Option<String> {
    let path = real(path);
    let beside = ["-wal", "-shm", "-journal"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    let beside = beside.iter().filter(|path| path.exists());
    std::iter::once(&path).chain(beside).find_map(|path| obstacle(path, Need::Write))
}

/// SQLite's files are beside the database, not beside a link to it.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// Describes what is denied. A missing file has an error of its own.
fn denied(path: &Path, wanted: Access) -> Option<String> {
    match access(path, wanted) {
        Err(Errno::ACCESS | Errno::PERM) => Some(whose(path)),
        Err(Errno::ROFS) => Some(format!("{} is on a read-only file system", path.display())),
        _ => None,
    }
}

/// Who owns a file, and as whom this process runs.
#[must_use]
pub fn whose(path: &Path) -> String {
    let this = name(Uid::effective());
    match fs::metadata(path) {
        Ok(data) => format!(
            "{} belongs to {}, mode {:o}, and this process runs as {this}",
            path.display(),
            name(Uid::from_raw(data.uid())),
            data.mode() & 0o7777
        ),
        Err(error) => format!("{}: {error}, and this process runs as {this}", path.display()),
    }
}

fn name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        _ => format!("uid {uid}"),
    }
}

/// Adds the owner to an I/O error.
///
/// # Errors
/// The given error, explained.
pub fn explained<T>(result: io::Result<T>, path: &Path, need: Need) -> Result<T, String> {
    result.map_err(|error| explain(&error, path, need))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_owner_is_named_with_uid_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let uid = Uid::effective();
        let said = whose(&file);
        assert!(said.contains("/file belongs to ") && said.contains("mode 640"), "{said}");
        assert!(said.contains(&format!("uid {uid}")), "{said}");
        assert_eq!(obstacle(&file, Need::Write), None);
        assert_eq!(obstacle(&dir.path().join("none"), Need::Write), None);
        assert_eq!(explain(&"why", &file, Need::Read), "why");
        assert_eq!(name(Uid::from_raw(4_000_000_000)), "uid 4000000000");
    }

    #[test]
    fn a_closed_file_or_directory_is_named() {
        // Nothing is closed to root.
        if Uid::effective().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (inner, file) = (dir.path().join("inner"), dir.path().join("inner/file"));
        fs::create_dir(&inner).unwrap();
        fs::write(&file, "x").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(&file, 0o400);
        assert_eq!(obstacle(&file, Need::Read), None);
        assert!(obstacle(&file, Need::Write).unwrap().contains("inner/file belongs to"));
        assert!(obstacle_of_database(&file).unwrap().contains("mode 400"));
        set(&inner, 0o500);
        assert!(obstacle(&inner.join("new"), Need::Write).unwrap().contains("inner belongs to"));
        set(&inner, 0o600);
        assert!(obstacle(&file, Need::Read).unwrap().contains("inner belongs to"));
        set(&inner, 0o700);
    }
}
