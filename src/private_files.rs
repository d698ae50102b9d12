//! Keeps files with secrets private to their owner, whatever directory they are in.
//!
//! Three measures work together. A program sets its umask before anything else. Each new file gets an
//! explicit mode, because an application that embeds Doorward has another umask. And the modes of existing
//! files are corrected at each start. A directory belongs to the operator: if others can read it, that is
//! only reported.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::geteuid;

use crate::config::DatabaseUrl;
use crate::config::{Config, Setting, ValueSource};

/// The permissions of the group and of others.
const OTHERS: u32 = 0o077;
/// Suffixes of SQLite's files beside a database. Each gets the database's mode when it is created.
const COMPANIONS: [&str; 5] = ["", "-wal", "-shm", "-journal", "-reserve"];
/// Prefixes of this program's files in the data directory, including copies of the database.
const OURS: [&str; 2] = ["doorward.db", ".doorward"];

/// Where a data directory keeps the emails that are shown locally instead of sent.
#[must_use]
pub fn kept_emails(data_dir: &Path) -> PathBuf {
    data_dir.join("mail")
}

/// Makes new files and directories of this process private. Programs call it first in `main`. A library must
/// not: the umask belongs to the whole process.
pub fn set_umask() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Creates a directory that only its owner can enter, with its parents, unless it exists.
///
/// # Errors
/// If it cannot be created.
pub fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates the empty file of a new SQLite database. SQLite itself would create it with mode 0644 less the
/// umask; it takes an empty file for a new database. If this fails, SQLite reports why.
pub fn create_database(url: &DatabaseUrl) {
    if let Some(path) = sqlite_file(url).filter(|path| !path.exists()) {
        // Closed before SQLite opens it, because closing a file releases the process's locks on it.
        let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    }
}

/// Corrects the modes of the files that a configuration names. Returns each warning for the operator once.
#[must_use]
pub fn secure(config: &Config) -> Vec<String> {
    let mut survey = Survey::default();
    survey.directory(&config.data_dir);
    for path in entries(&config.data_dir) {
        let name = path.file_name().unwrap_or_default().as_bytes();
        if OURS.iter().any(|start| name.starts_with(start.as_bytes())) {
            survey.file(&path);
        }
    }
    survey.kept_emails(&kept_emails(&config.data_dir));
    survey.database(&config.database.url);
    if let Some(tls) = &config.tls {
        survey.others_file(&tls.key, "holds a private key");
    }
    survey.warnings
}

/// The same for the files of a database that is read for the last time. No warning about its directory, which
/// is left behind with it.
#[must_use]
pub fn secure_source(url: &DatabaseUrl) -> Vec<String> {
    let mut survey = Survey::default();
    if let Some(path) = real_file(url) {
        survey.database_files(&path);
    }
    survey.warnings
}

/// The same for a directory in which a file with secrets will be created.
#[must_use]
pub fn check_directory(path: &Path) -> Vec<String> {
    let mut survey = Survey::default();
    survey.directory(path);
    survey.warnings
}

/// Warns if others can read a password in a configuration file.
#[must_use]
pub fn check_settings(settings: &[Setting]) -> Vec<String> {
    let mut survey = Survey::default();
    for setting in settings {
        // Only a value with a password is shown with stars.
        if let (ValueSource::File(path), true) = (&setting.origin, setting.value.contains("***")) {
            survey.others_file(path, &format!("holds a password in {}", setting.key));
        }
    }
    survey.warnings
}

#[derive(Default)]
struct Survey {
    warnings: Vec<String>,
    seen: HashSet<PathBuf>,
}

impl Survey {
    fn database(&mut self, url: &DatabaseUrl) {
        let Some(path) = real_file(url) else { return };
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.database_files(&path);
    }

    fn database_files(&mut self, path: &Path) {
        for ending in COMPANIONS {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            self.file(Path::new(&name));
        }
    }

    /// The directory is this program's, unlike its parent.
    fn kept_emails(&mut self, directory: &Path) {
        self.restrict(directory, FileType::Directory);
        self.directory(directory);
        for path in entries(directory) {
            let ending = path.extension().unwrap_or_default();
            if ending == "eml" || ending == "tmp" {
                self.file(&path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        // Resolves only the directory: a link must not be confused with its target.
        let directory = path.parent().and_then(|parent| parent.canonicalize().ok());
        let path = directory.zip(path.file_name()).map(|(directory, name)| directory.join(name));
        if let Some(path) = path.filter(|path| self.seen.insert(path.clone())) {
            self.restrict(&path, FileType::RegularFile);
        }
    }

    /// Removes the permissions of others. Does not follow a link, whose target others may have to read.
    fn restrict(&mut self, path: &Path, kind: FileType) {
        match restrict(path, kind) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(Outcome::Done) => {}
            Ok(Outcome::Refused(mode, why)) => self.warn_file(path, mode, why),
            Err(error) => self.warnings.push(format!("cannot make {} private: {error}", path.display())),
        }
    }

    fn warn_file(&mut self, path: &Path, mode: u32, why: &str) {
        let path = path.display();
        self.warnings
            .push(format!("{path} can be read by others (mode {mode:04o}) and {why}: chmod 600 {path}"));
    }

    /// Warns about what others can do in a directory.
    fn directory(&mut self, path: &Path) {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let Ok(path) = path.canonicalize() else { return };
        let Ok(data) = fs::metadata(&path) else { return };
        if !data.is_dir() || !self.seen.insert(path.clone()) {
            return;
        }
        let (mode, shown) = (data.mode() & 0o7777, path.display());
        if mode & OTHERS != 0 {
            let can = if mode & 0o022 == 0 { "read" } else { "written to" };
            self.warnings.push(format!(
                "the directory {shown} holds secrets and can be {can} by others (mode {mode:04o}): chmod 700 {shown}"
            ));
        }
    }

    /// Warns about a file that is only read here, and that a group may be meant to read.
    fn others_file(&mut self, path: &Path, what: &str) {
        let Ok(data) = fs::metadata(path) else { return };
        let mode = data.mode() & 0o7777;
        if mode & 0o007 != 0 && self.seen.insert(path.to_owned()) {
            self.warn_file(path, mode, what);
        }
    }
}

enum Outcome {
    /// Only the owner has access, or it is another kind of file.
    Done,
    /// It was left with this mode.
    Refused(u32, &'static str),
}

fn restrict(path: &Path, kind: FileType) -> io::Result<Outcome> {
    // A handle that only names the file: the file that is checked is the one that is changed, and unlike
    // others the handle may be closed while SQLite holds locks on the file.
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let data = rustix::fs::fstat(&file)?;
    let mode = data.st_mode & 0o7777;
    if FileType::from_raw_mode(data.st_mode) != kind || mode & OTHERS == 0 {
        return Ok(Outcome::Done);
    }
    if data.st_uid != geteuid().as_raw() {
        return Ok(Outcome::Refused(mode, "belongs to another user"));
    }
    let is_file = kind == FileType::RegularFile;
    if is_file && data.st_nlink > 1 {
        // Others may have to read it under the other name.
        return Ok(Outcome::Refused(mode, "has another name (a hard link)"));
    }
    let private = if is_file { 0o600 } else { 0o700 };
    let handle = format!("/proc/self/fd/{}", file.as_raw_fd());
    let permissions = fs::Permissions::from_mode(mode & private);
    // Without `/proc`, by its name, which was not a link a moment ago.
    fs::set_permissions(handle, permissions.clone()).or_else(|_| fs::set_permissions(path, permissions))?;
    Ok(Outcome::Done)
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The file of an existing database. Follows a link: the configuration names it, and SQLite follows it too.
fn real_file(url: &DatabaseUrl) -> Option<PathBuf> {
    sqlite_file(url).and_then(|path| path.canonicalize().ok())
}

/// The file of an SQLite database; none for a database in memory or in PostgreSQL.
/// <https://www.sqlite.org/uri.html>
pub(crate) fn sqlite_file(url: &DatabaseUrl) -> Option<PathBuf> {
    let DatabaseUrl::Sqlite(name) = url else { return None };
    let Some(uri) = name.strip_prefix("file:").or_else(|| name.strip_prefix("sqlite://")) else {
        return (name != ":memory:").then(|| PathBuf::from(name));
    };
    let uri = uri.split('#').next().unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = match path.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => path,
    };
    let path = percent_decoded(path);
    let in_memory = path.is_empty() || path == b":memory:";
    let unusual = query.split('&').any(|pair| pair.starts_with("mode=") || pair.starts_with("vfs="));
    (!in_memory && !unusual).then(|| PathBuf::from(OsStr::from_bytes(&path).to_owned()))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let code = after.get(..2).filter(|code| *first == b'%' && code.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        if code.is_some() {
            rest = after.get(2..).unwrap_or_default();
        }
        bytes.push(code.unwrap_or(*first));
    }
    bytes
}

#[cfg(test)]
mod tests;
