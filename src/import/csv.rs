//! CSV with a header (RFC 4180), columns in any order and further ones ignored.

use csv::{ByteRecord, ReaderBuilder};

use super::{Fields, Limits, MAX_LINE, Origin, Place, Row, shortened};

/// Rows, or what is wrong with the header. What the header says is not repeated: a file without one has
/// somebody's hash there.
pub(super) fn read(bytes: &[u8], origin: Origin<'_>, limits: Limits) -> Result<Vec<Row>, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.byte_headers().map_err(|_| "cannot be read as CSV".to_owned())?.clone();
    let column = |name: &str| {
        header.iter().position(|column| column.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    let hash = column("hash").or_else(|| column("password_hash"));
    let (Some(username), Some(hash)) = (column("username"), hash) else {
        return Err(
            "needs a first line that names its columns: username, hash (or password_hash) and, if there are \
             addresses, email"
                .to_owned(),
        );
    };
    let email = column("email");

    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    let mut lines = Lines { bytes, at: 0, line: 1 };
    loop {
        let begin = offset(reader.position());
        let more = reader.read_byte_record(&mut record);
        let line = lines.of_record_at(begin);
        let place = Place::Line(line);
        match more {
            Ok(false) => return Ok(rows),
            _ if rows.len() == limits.rows => return Err(limits.too_many_rows()),
            Ok(true) => {}
            Err(_) => {
                rows.push(origin.malformed(place, "The line cannot be read as CSV."));
                return Ok(rows);
            }
        }
        let field = |index: usize| record.get(index).unwrap_or_default();
        let wanted = [Some(username), Some(hash), email];
        // A quote that is not closed swallows the lines below it; only notes and the like have several lines.
        let end = offset(reader.position());
        let of_ours = wanted.into_iter().flatten().any(|index| field(index).contains(&b'\n'));
        let of_others = record.iter().any(|field| field.contains(&b'\n'));
        if of_ours || of_others && !is_quoted_well(bytes.get(lines.at..end).unwrap_or_default()) {
            let last = lines.of_end_at(end);
            let why = format!("A field goes on over lines {line} to {last}: a quote may not be closed.");
            rows.push(origin.malformed(place, why));
        } else if record.as_slice().len() > MAX_LINE {
            rows.push(origin.malformed(place, format!("The line has more than {MAX_LINE} bytes.")));
        } else if record.len() != header.len() {
            let why = format!("The line has {} fields, the header has {}.", record.len(), header.len());
            rows.push(origin.malformed(place, why));
        } else {
            let fields = Fields {
                username: shortened(field(username)).to_vec(),
                email: shortened(email.map(field).unwrap_or_default()).to_vec(),
                hash: shortened(field(hash)).to_vec(),
            };
            rows.push(origin.row(place, None, fields));
        }
    }
}

/// Whether quotes stand only round whole fields, each with its other one. The reader itself takes anything.
fn is_quoted_well(record: &[u8]) -> bool {
    let mut bytes = record.iter().copied().peekable();
    let (mut quoted, mut begins) = (false, true);
    while let Some(byte) = bytes.next() {
        match (quoted, byte) {
            (true, b'"') if bytes.next_if_eq(&b'"').is_some() => {}
            (true, b'"') => {
                quoted = false;
                if !matches!(bytes.peek(), None | Some(b',' | b'\r' | b'\n')) {
                    return false;
                }
            }
            (true, _) => {}
            (false, b'"') if begins => quoted = true,
            (false, b'"') => return false,
            (false, _) => begins = byte == b',',
        }
    }
    !quoted
}

/// Beyond what fits into memory there is nothing.
fn offset(position: &csv::Position) -> usize {
    usize::try_from(position.byte()).unwrap_or(usize::MAX)
}

/// Counts lines from one offset to the next. The reader's own count is behind where lines end with CRLF or
/// are empty.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that is read from `offset` on, past the ends of the lines before it.
    fn of_record_at(&mut self, offset: usize) -> u64 {
        let ends = self.bytes.get(offset..).unwrap_or_default();
        let ends = ends.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line = self.count_to(offset + ends);
        self.at = offset + ends;
        self.line
    }

    /// The line of the last character before `offset`.
    fn of_end_at(&self, offset: usize) -> u64 {
        let record = self.bytes.get(..offset).unwrap_or(self.bytes).trim_ascii_end();
        self.count_to(record.len())
    }

    fn count_to(&self, offset: usize) -> u64 {
        let between = self.bytes.get(self.at..offset).unwrap_or_default();
        between.iter().filter(|byte| **byte == b'\n').fold(self.line, |line, _| line + 1)
    }
}
