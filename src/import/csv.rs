//! Reads CSV with a header (RFC 4180), columns in any order. Commas, semicolons, tabs or bars separate
//! fields.

use csv::{ByteRecord, ReaderBuilder};

use super::columns::{Columns, Mapping};
use super::fields::{Fields, RowSource, shortened};
use super::sink::Sink;
use super::{MAX_LINE, Place};

/// Characters that may separate fields.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The rows, or what is wrong with the header. The error does not repeat the header: a file without one has a
/// user's hash there.
pub(super) fn read(
    bytes: &[u8],
    origin: RowSource<'_>,
    mapping: &Mapping,
    sink: &mut Sink,
) -> Result<Columns, String> {
    let Header { separator, begins_at, width, columns } = header(bytes, mapping)?;
    let mut reader =
        ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(&bytes[begins_at..]);
    reader.byte_headers().map_err(|_| "cannot be read as CSV".to_owned())?;

    let mut record = ByteRecord::new();
    let mut lines = Lines { bytes, at: 0, line: 1 };
    let offset = |position: &csv::Position| begins_at + offset(position);
    loop {
        let begin = offset(reader.position());
        let more = reader.read_byte_record(&mut record);
        let line = lines.of_record_at(begin);
        let place = Place::Line(line);
        match more {
            Ok(false) => return Ok(columns),
            Ok(true) => {}
            Err(_) => {
                sink.push(|| origin.malformed(place, "The line cannot be read as CSV."))?;
                return Ok(columns);
            }
        }
        let field = |index: usize| record.get(index).unwrap_or_default();
        // An unclosed quote swallows the lines after it. Only notes and the like span several lines.
        let end = offset(reader.position());
        let is_broken = |field: &[u8]| field.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        let of_ours = columns.places().any(|index| is_broken(field(index)));
        let of_others = record.iter().any(is_broken);
        let whole = bytes.get(lines.at..end).unwrap_or_default();
        let fields = if of_ours || of_others && !is_quoted_well(whole, separator) {
            let last = lines.of_end_at(end);
            Err(format!("A field spans lines {line} to {last}: a quote may be unclosed."))
        } else if record.as_slice().len() > MAX_LINE {
            Err(format!("The line has more than {MAX_LINE} bytes."))
        } else if record.len() != width {
            Err(format!("The line has {} fields, the header has {width}.", record.len()))
        } else {
            let value = |of| columns.at(of).map(|at| shortened(field(at)).to_vec()).unwrap_or_default();
            Ok(Fields::of(value))
        };
        sink.push(|| origin.row_of(place, fields, mapping))?;
    }
}

struct Header {
    separator: u8,
    /// The offset of the header in the file.
    begins_at: usize,
    /// The number of columns.
    width: usize,
    columns: Columns,
}

/// Finds the separator: the one with which the header has the columns that an account needs.
fn header(bytes: &[u8], mapping: &Mapping) -> Result<Header, String> {
    // Excel writes its separator into a line of its own before the header.
    let begins_at = match bytes {
        [b'S' | b's', b'E' | b'e', b'P' | b'p', b'=', _, rest @ ..]
            if rest.starts_with(b"\r") || rest.starts_with(b"\n") =>
        {
            bytes.len() - rest.len()
        }
        _ => 0,
    };
    let mut refused: Option<(usize, String)> = None;
    for separator in SEPARATORS {
        let mut reader =
            ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(&bytes[begins_at..]);
        let Ok(record) = reader.byte_headers() else { continue };
        let names: Vec<String> =
            record.iter().map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned()).collect();
        match Columns::find(&names, mapping) {
            Ok(columns) => return Ok(Header { separator, begins_at, width: names.len(), columns }),
            // The separator that splits the line into most fields gives the best error.
            Err(why) => {
                if refused.as_ref().is_none_or(|(width, _)| names.len() > *width) {
                    refused = Some((names.len(), why));
                }
            }
        }
    }
    Err(refused.map_or_else(|| "cannot be read as CSV".to_owned(), |(_, why)| why))
}

/// Whether quotes only enclose whole fields, each with a closing one. The reader itself accepts anything.
fn is_quoted_well(record: &[u8], separator: u8) -> bool {
    let mut bytes = record.iter().copied().peekable();
    let (mut quoted, mut begins) = (false, true);
    while let Some(byte) = bytes.next() {
        match (quoted, byte) {
            (true, b'"') if bytes.next_if_eq(&b'"').is_some() => {}
            (true, b'"') => {
                quoted = false;
                let next = bytes.peek().copied();
                if next.is_some_and(|next| next != separator && !matches!(next, b'\r' | b'\n')) {
                    return false;
                }
            }
            (true, _) => {}
            (false, b'"') if begins => quoted = true,
            (false, b'"') => return false,
            (false, _) => begins = byte == separator,
        }
    }
    !quoted
}

/// No offset in memory exceeds a `usize`.
fn offset(position: &csv::Position) -> usize {
    usize::try_from(position.byte()).unwrap_or(usize::MAX)
}

/// Counts lines from one offset to the next. The reader's own count is too low where lines end with CRLF or
/// are empty.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that is read from `offset` on. Skips the line ends before it.
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
        // A single carriage return ends a line as well.
        let ends = between.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => self.bytes.get(self.at + at + 1) != Some(&b'\n'),
            _ => false,
        });
        ends.fold(self.line, |line, _| line + 1)
    }
}
