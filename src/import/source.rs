//! Opens a file, checks it as a whole, and then reads its rows while they are imported.
//!
//! The file is read twice. The first time only counts, so that a file that is damaged in the middle changes
//! nothing. The second time hands over a row when it is wanted, so the memory does not grow with the file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use aws_lc_rs::digest::{Context, SHA256};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

use super::columns::{Columns, Mapping};
use super::field::Field;
use super::fields::RowSource;
use super::sink::Sink;
use super::{Format, Limits, Row, SourceError, csv, jsonl, sqlite, text};
use crate::auth::secret;
use crate::ownership::{self, Need};

/// The first bytes of every SQLite file (<https://www.sqlite.org/fileformat.html>, section 1.3).
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The name that stands for standard input.
pub(super) const STANDARD_INPUT: &str = "-";
/// Rows that are read ahead.
const AHEAD: usize = 256;

/// A file that can be imported.
pub struct Source {
    /// How many rows it has.
    pub total: usize,
    /// Columns that were read under another name than the field's.
    pub renamed: Vec<(Field, String)>,
    /// Columns that were not read.
    pub ignored: Vec<String>,
    /// Ignored columns that may have been meant for a field without a column.
    pub suspects: Vec<(Field, String)>,
    opened: Opened,
}

/// The rows of a file, one after the other.
pub struct Rows {
    receiver: Receiver<Row>,
    reading: JoinHandle<Result<usize, SourceError>>,
    total: usize,
    path: PathBuf,
}

struct Opened {
    path: PathBuf,
    /// Of standard input alone.
    digest: Option<String>,
    content: Content,
    limits: Limits,
    mapping: Mapping,
}

enum Content {
    Sqlite,
    /// In UTF-8. A record is compared with what stands around it, so all of it is in memory.
    Csv(Vec<u8>),
    Jsonl(Vec<u8>),
    /// In UTF-8, and read as it is needed: the file, where its text begins, and its size.
    JsonlFile(File, u64, u64),
}

impl Source {
    /// Starts to read the rows, from the first one on.
    #[must_use]
    pub fn rows(self) -> Rows {
        let (to, receiver) = mpsc::sync_channel(AHEAD);
        let Self { total, mut opened, .. } = self;
        let path = opened.path.clone();
        let reading = thread::spawn(move || {
            let mut sink = Sink::new(opened.limits, Some(to));
            opened.pass(&mut sink)?;
            Ok(sink.count())
        });
        Rows { receiver, reading, total, path }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.receiver.recv().ok()
    }
}

impl Rows {
    /// Whether all rows were read, after the last one.
    ///
    /// # Errors
    /// [`SourceError`] if the file could not be read to its end, or has changed since it was checked.
    pub fn finish(self) -> Result<(), SourceError> {
        let Self { receiver, reading, total, path } = self;
        drop(receiver);
        match reading.join().unwrap_or_else(|panic| resume_unwind(panic))? {
            count if count == total => Ok(()),
            _ => Err(SourceError::Unfit(path, "is being written to: import a copy of it".to_owned())),
        }
    }
}

impl Opened {
    fn pass(&mut self, sink: &mut Sink) -> Result<Columns, SourceError> {
        let Self { path, digest, content, limits, mapping } = self;
        let from = |kind| RowSource { kind, path, digest: digest.as_deref() };
        let read = match content {
            Content::Sqlite => sqlite::read(path, *limits, mapping, sink),
            Content::Csv(bytes) => csv::read(bytes, from("csv"), mapping, sink),
            Content::Jsonl(bytes) => jsonl::read(&mut &**bytes, from("jsonl"), mapping, sink),
            Content::JsonlFile(file, begins_at, size) => {
                file.seek(SeekFrom::Start(*begins_at)).map_err(|error| unreadable(path, &error))?;
                // One byte more, to notice that it grows.
                let mut input = BufReader::new(&*file).take(*size - *begins_at + 1);
                let read = jsonl::read(&mut input as &mut dyn BufRead, from("jsonl"), mapping, sink);
                match input.limit() {
                    1 => read,
                    _ if read.is_err() => read,
                    _ => Err("is being written to: import a copy of it".to_owned()),
                }
            }
        };
        read.map_err(|why| SourceError::Unfit(path.clone(), why))
    }
}

/// Checks a whole file within its limits; `-` is standard input. Without `format`, the content or the name
/// decides.
///
/// # Errors
/// [`SourceError`] if the file as a whole cannot be read. A bad row is no error: it has its
/// [`super::Reason`].
pub fn open(
    path: &Path,
    format: Option<Format>,
    limits: Limits,
    mapping: &Mapping,
) -> Result<Source, SourceError> {
    let path = if path == Path::new(STANDARD_INPUT) {
        path.to_owned()
    } else {
        // Fails early if the file is missing: SQLite would create it.
        path.canonicalize().map_err(|error| unreadable(path, &error))?
    };
    let late = SourceError::Unfit(
        path.clone(),
        format!("takes more than {} to read", humantime::format_duration(limits.time)),
    );
    let (answer, answered) = mpsc::sync_channel(1);
    let mapping = mapping.clone();
    // Reads on a thread that is abandoned when its time is over: neither SQLite, following the pointers of a
    // damaged file, nor a hanging file system can be interrupted.
    thread::spawn(move || {
        // After the deadline there is no receiver.
        let _ = answer.send(check(path, format, limits, mapping));
    });
    answered.recv_timeout(limits.time).unwrap_or(Err(late))
}

fn check(
    path: PathBuf,
    format: Option<Format>,
    limits: Limits,
    mapping: Mapping,
) -> Result<Source, SourceError> {
    let (file, digest) = input(&path, limits)?;
    let content = content(&path, file, format, limits, &mapping)?;
    let mut opened = Opened { path, digest, content, limits, mapping };
    let mut sink = Sink::new(limits, None);
    let Columns { renamed, ignored, suspects, .. } = opened.pass(&mut sink)?;
    Ok(Source { total: sink.count(), renamed, ignored, suspects, opened })
}

fn unreadable(path: &Path, error: &io::Error) -> SourceError {
    SourceError::Unreadable(path.to_owned(), ownership::explain(error, path, Need::Read))
}

/// The file to read, and the digest of standard input.
fn input(path: &Path, limits: Limits) -> Result<(File, Option<String>), SourceError> {
    let unreadable = |error| unreadable(path, &error);
    if path == Path::new(STANDARD_INPUT) {
        let (file, digest) = spool(io::stdin().lock(), limits.bytes()).map_err(unreadable)?;
        return Ok((file, Some(digest)));
    }
    // A pipe must not block until a writer opens it.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    Ok((file, None))
}

fn content(
    path: &Path,
    mut file: File,
    format: Option<Format>,
    limits: Limits,
    mapping: &Mapping,
) -> Result<Content, SourceError> {
    let unreadable = |error| unreadable(path, &error);
    let unfit = |why| SourceError::Unfit(path.to_owned(), why);
    let is_file = path != Path::new(STANDARD_INPUT);
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unfit("is not a regular file: --from - reads standard input".to_owned()));
    }
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head).map_err(unreadable)?;
    let is_sqlite = head == SQLITE_MAGIC;
    let format = match format {
        Some(format) => format,
        None if is_sqlite => Format::Sqlite,
        None if !is_file => by_content(&head),
        None => by_extension(path).ok_or_else(|| SourceError::UnknownFormat(path.to_owned()))?,
    };
    match format {
        Format::Sqlite if !is_sqlite => Err(unfit("is not an SQLite database".to_owned())),
        Format::Sqlite if !is_file => {
            Err(unfit("is an SQLite database, which is read from a file alone: name the file".to_owned()))
        }
        Format::Sqlite => Ok(Content::Sqlite),
        _ if is_sqlite => Err(unfit("is an SQLite database, not what --format names".to_owned())),
        _ if mapping.table.is_some() => {
            Err(unfit("is not an SQLite database, and --table is for those".to_owned()))
        }
        format => {
            let size = file.metadata().map_err(unreadable)?.len();
            if size > limits.bytes() {
                return Err(unfit(format!(
                    "has {size} bytes, more than the {} that {} rows may have: allow more with --max-rows, or split \
                     it",
                    limits.bytes(),
                    limits.rows
                )));
            }
            if let (Format::Jsonl, Some(begins_at)) = (format, text::begin_of_utf8(&head).map_err(unfit)?) {
                return Ok(Content::JsonlFile(file, begins_at, size));
            }
            let bytes = read_whole(file, size).map_err(unreadable)?.map_err(unfit)?;
            let bytes = text::decode(bytes).map_err(unfit)?;
            Ok(if format == Format::Csv { Content::Csv(bytes) } else { Content::Jsonl(bytes) })
        }
    }
}

/// The whole file, as long as it was when it was opened.
fn read_whole(mut file: File, size: u64) -> io::Result<Result<Vec<u8>, String>> {
    file.rewind()?;
    let mut bytes = Vec::new();
    // One byte more, to notice that it grows.
    file.take(size + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Ok(Err("is being written to: import a copy of it".to_owned()));
    }
    Ok(Ok(bytes))
}

/// Copies a stream into a file without a name, which only this process can read, up to one byte more than
/// allowed. Returns the SHA-256 digest of it too, in base64url.
fn spool(input: impl Read, most: u64) -> io::Result<(File, String)> {
    let mut bytes = [0; 16];
    secret::fill(&mut bytes);
    let name = format!(".doorward-import-{:032x}", u128::from_ne_bytes(bytes));
    let path = std::env::temp_dir().join(name);
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    let mut input = input.take(most.saturating_add(1));
    let mut digest = Context::new(&SHA256);
    let mut part = vec![0; 64 * 1024];
    loop {
        match input.read(&mut part) {
            Ok(0) => break,
            Ok(read) => {
                digest.update(&part[..read]);
                file.write_all(&part[..read])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.rewind()?;
    Ok((file, BASE64_URL_SAFE_NO_PAD.encode(digest.finish())))
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" | "tab" => Some(Format::Csv),
        // An array in a .json file is reported as such.
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}

/// Without a name: an object begins with a brace, which no header does.
fn by_content(head: &[u8]) -> Format {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.starts_with(b"{") || text.starts_with(b"[") { Format::Jsonl } else { Format::Csv }
}
