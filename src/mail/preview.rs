//! Kept emails: files that only the server's user can read. For trying Doorward without a mail server.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use mail_parser::MessageParser;
use serde::Serialize;

/// How many emails are kept. Older ones are deleted.
const KEPT: usize = 200;

/// A directory of emails. A file's name, `TIME-KIND-ID.eml`, sorts by age.
#[derive(Debug, Clone)]
pub struct Preview {
    directory: PathBuf,
}

/// A kept email as the listing shows it.
#[derive(Debug, Clone, Serialize)]
pub struct KeptEmail {
    pub id: String,
    /// RFC 3339.
    pub date: Option<String>,
    pub to: Option<String>,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub links: Vec<String>,
}

impl Preview {
    /// Creates the directory, private to the server's user, because emails contain links that give access to accounts.
    /// The mode of an existing directory is corrected by `private_files`.
    ///
    /// # Errors
    /// If the directory cannot be created.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// The emails of a directory that need not exist yet.
    #[must_use]
    pub const fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps an email. Readers see the whole file or none.
    ///
    /// # Errors
    /// If the file cannot be written, or an old one cannot be deleted.
    pub fn keep(&self, name: &str, message: &[u8]) -> io::Result<()> {
        let temporary = self.directory.join(format!(".{name}.tmp"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        let kept = file
            .write_all(message)
            .and_then(|()| fs::rename(&temporary, self.directory.join(format!("{name}.eml"))));
        if kept.is_err() {
            // Otherwise each attempt on a full disk would leave another temporary file.
            let _ = fs::remove_file(&temporary);
        }
        kept?;
        for old in self.ids()?.into_iter().skip(KEPT) {
            match fs::remove_file(self.path(&old)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The kept emails, newest first.
    ///
    /// # Errors
    /// If the directory or a file cannot be read.
    pub fn list(&self) -> io::Result<Vec<KeptEmail>> {
        let mut emails = Vec::new();
        for id in self.ids()? {
            // An email that was deleted meanwhile is not listed.
            if let Some(message) = self.read(&id)? {
                emails.push(summary(id, &message));
            }
        }
        Ok(emails)
    }

    /// A whole email, as it would have been sent.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        if !is_id(id) {
            return Ok(None);
        }
        match fs::read(self.path(id)) {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The HTML of an email.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_html(&self, id: &str) -> io::Result<Option<String>> {
        let message = self.read(id)?;
        Ok(message.map(|message| {
            let message = MessageParser::default().parse(&message).unwrap_or_default();
            message.body_html(0).unwrap_or_default().into_owned()
        }))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.eml"))
    }

    fn ids(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".eml")).filter(|id| is_id(id));
            ids.extend(id.map(str::to_owned));
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }
}

/// Whether this can be the name of a kept email. It has no dot and no slash, so that no id leads out of the directory.
fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn summary(id: String, message: &[u8]) -> KeptEmail {
    let message = MessageParser::default().parse(message).unwrap_or_default();
    let text = message.body_text(0).map(std::borrow::Cow::into_owned);
    let links = text
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.starts_with("http://") || line.starts_with("https://"))
        .filter(|line| !line.trim_end().contains(' '))
        .map(|line| line.trim_end().to_owned())
        .collect();
    KeptEmail {
        id,
        date: message.date().map(mail_parser::DateTime::to_rfc3339),
        to: message.to().and_then(|to| to.first()).and_then(|to| to.address()).map(str::to_owned),
        subject: message.subject().map(str::to_owned),
        text,
        links,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::private_files::kept_emails;

    #[test]
    fn emails_are_private_listed_newest_first_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let preview = Preview::open(kept_emails(&dir.path().join("data"))).unwrap();
        for i in 0..KEPT + 5 {
            let mail = format!("To: <a@b.example>\r\nSubject: mail {i}\r\n\r\nread\r\nhttp://h/{i}\r\n");
            preview.keep(&format!("20261122T10{i:04}-verify_email-x"), mail.as_bytes()).unwrap();
        }
        let emails = preview.list().unwrap();
        assert_eq!(emails.len(), KEPT);
        assert_eq!(emails[0].subject.as_deref(), Some("mail 204"));
        assert_eq!(emails[0].to.as_deref(), Some("a@b.example"));
        assert_eq!(emails[0].links, ["http://h/204"]);
        assert_eq!(emails[KEPT - 1].subject.as_deref(), Some("mail 5"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir.path().join("data")), 0o700);
        assert_eq!(mode(&preview.directory), 0o700);
        assert_eq!(mode(&preview.path(&emails[0].id)), 0o600);
        assert!(fs::read_dir(&preview.directory).unwrap().count() == KEPT, "no temporary file is left");
    }

    #[test]
    fn no_id_leads_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret.eml"), "x").unwrap();
        let preview = Preview::open(kept_emails(dir.path())).unwrap();
        for id in ["../secret", "..%2fsecret", "", ".", "a/b", "a\\b", "a\0b", &"a".repeat(129), "secret"] {
            assert!(preview.read(id).unwrap().is_none(), "{id}");
        }
        assert!(Preview::at(dir.path().join("none")).list().unwrap().is_empty());
    }
}
