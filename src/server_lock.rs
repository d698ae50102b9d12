//! One server for each SQLite database: two would not know each other's live sessions, and compete for the one writer
//! that SQLite has.
//!
//! The server holds a lock (`flock`) on a file beside the database. The system releases it when the process ends, however
//! it ends, so a crash never keeps the next server from starting. Commands do not take it: they work beside a server.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::config::DatabaseUrl;
use crate::private_files;

/// The end of the file's name.
const ENDING: &str = "-server";

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// Bytes of the file that an error shows.
const MAX_NOTE: u64 = 200;

/// Held for as long as the server runs.
#[derive(Debug)]
pub struct ServerLock(File);

impl ServerLock {
    /// Takes the lock of an SQLite database. None for PostgreSQL, which servers share, and where the file system has no
    /// locks, which is logged.
    ///
    /// # Errors
    /// A sentence that names the server that runs on the database.
    pub fn take(url: &DatabaseUrl) -> Result<Option<Self>, String> {
        let Some(path) = path_of(url) else { return Ok(None) };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // It is written to: a link here would name a file of someone else.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let locked = options.open(&path).and_then(|file| {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Some(file)),
                Err(Errno::WOULDBLOCK) => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        match locked {
            Ok(Some(file)) => Ok(Some(Self(file))),
            Ok(None) => Err(refusal(url, &path)),
            Err(error) => {
                // If nothing can be written here, the database says so next, and why.
                let path = path.display();
                tracing::warn!(%path, %error, "cannot make sure that no other server uses this database");
                Ok(None)
            }
        }
    }

    /// Writes down who holds it, for the error of another server.
    pub fn describe(&mut self, address: &str) {
        let note = format!("process {}, at {address}\n", std::process::id());
        let Self(file) = self;
        // On a full disk the error says less.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
    }
}

fn refusal(url: &DatabaseUrl, path: &Path) -> String {
    format!(
        "another server uses the database {url} ({}): stop it first, or choose another --data-dir; to run several \
         servers on one database, use PostgreSQL",
        note(path)
    )
}

fn note(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_NOTE).read_to_string(&mut text));
    let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    if read.is_err() || text.is_empty() { "its process is not known".to_owned() } else { text }
}

/// The file beside the database. None for a database that is not a file.
fn path_of(url: &DatabaseUrl) -> Option<PathBuf> {
    let path = private_files::sqlite_file(url)?;
    let mut path = real(path).into_os_string();
    path.push(ENDING);
    Some(path.into())
}

/// The file that a path leads to, which need not exist yet: a link is another name of the same database.
fn real(mut path: PathBuf) -> PathBuf {
    for _ in 0..MAX_LINKS {
        let Ok(target) = path.read_link() else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    let Some(name) = path.file_name() else { return path };
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    directory.canonicalize().map_or_else(|_| path.clone(), |directory| directory.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &Path) -> DatabaseUrl {
        format!("sqlite:{}", path.display()).parse().unwrap()
    }

    #[test]
    fn a_database_has_one_server_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("doorward.db");
        std::fs::write(&database, "x").unwrap();
        let link = dir.path().join("link.db");
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let mut held = ServerLock::take(&url(&database)).unwrap().unwrap();
        assert!(ServerLock::take(&url(&database)).unwrap_err().contains("its process is not known"));
        held.describe("http://localhost:8080");
        let note = format!("process {}, at http://localhost:8080", std::process::id());
        for name in [&database, &link] {
            let error = ServerLock::take(&url(name)).unwrap_err();
            assert!(error.contains(&note) && error.contains("PostgreSQL"), "{error}");
        }
        assert!(ServerLock::take(&url(&dir.path().join("other.db"))).unwrap().is_some());
        drop(held);
        assert!(ServerLock::take(&url(&database)).unwrap().is_some());
    }

    #[test]
    fn every_name_of_a_database_is_the_same_database() {
        let dir = tempfile::tempdir().unwrap();
        let (database, link) = (dir.path().join("real.db"), dir.path().join("link.db"));
        // It leads to a file that the first server makes.
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let _held = ServerLock::take(&url(&link)).unwrap().unwrap();
        assert!(ServerLock::take(&url(&database)).is_err());
        let uri = format!("sqlite:file:{}", database.display()).parse().unwrap();
        assert!(ServerLock::take(&uri).is_err());
        assert!(ServerLock::take(&"sqlite::memory:".parse().unwrap()).unwrap().is_none());
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("doorward.db-server")).unwrap();
        assert!(ServerLock::take(&url(&dir.path().join("doorward.db"))).unwrap().is_none());
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn servers_share_a_postgresql_database() {
        let url = "postgres://db/doorward".parse().unwrap();
        assert!(ServerLock::take(&url).unwrap().is_none());
    }
}
