//! Reads JSON Lines: one object per line.

use std::io::{self, BufRead, BufReader};

use serde_json::{Map, Value};

use super::columns::{Columns, Mapping};
use super::field::Field;
use super::fields::{Fields, RowSource, shortened};
use super::sink::Sink;
use super::{MAX_LINE, Place};

/// How many members are named as ignored; more would not help.
const NAMED: usize = 50;

/// Bytes that are looked at to tell how lines end.
pub(super) const LOOK_AHEAD: usize = 128 * 1024;

/// Reads line by line, whatever the size of the file.
pub(super) fn read(
    input: &mut dyn BufRead,
    origin: RowSource<'_>,
    mapping: &Mapping,
    sink: &mut Sink,
) -> Result<Columns, String> {
    let mut input = BufReader::with_capacity(LOOK_AHEAD, input);
    let failed = |error: io::Error| format!("cannot be read: {error}");
    let head = input.fill_buf().map_err(failed)?;
    if head.trim_ascii_start().starts_with(b"[") {
        return Err(
            "is one JSON array; expected is one object per line: jq -c '.[]' FILE > people.jsonl".to_owned()
        );
    }
    // In a file without line feeds, carriage returns end the lines.
    let end = if head.contains(&b'\n') { b'\n' } else { b'\r' };
    let mut seen = Columns::default();
    let mut line = Vec::new();
    for number in 1.. {
        if !read_line(&mut input, end, &mut line).map_err(failed)? {
            break;
        }
        if line.len() <= MAX_LINE && line.trim_ascii().is_empty() {
            continue;
        }
        let place = Place::Line(number);
        let fields = fields(&line, mapping, &mut seen);
        sink.push(|| origin.row_of(place, fields, mapping))?;
    }
    Ok(seen)
}

/// Reads to the end of the line, and keeps one byte more of it than a line may have. False at the end of the
/// file.
fn read_line(input: &mut impl BufRead, end: u8, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let read = input.fill_buf()?;
        if read.is_empty() {
            return Ok(any);
        }
        any = true;
        let (part, used, whole) = match read.iter().position(|byte| *byte == end) {
            Some(at) => (&read[..at], at + 1, true),
            None => (read, read.len(), false),
        };
        let room = (MAX_LINE + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        input.consume(used);
        if whole {
            return Ok(true);
        }
    }
}

/// Reads one line. Its errors are not serde's, which may repeat the content.
fn fields(line: &[u8], mapping: &Mapping, seen: &mut Columns) -> Result<Fields, String> {
    if line.len() > MAX_LINE {
        return Err(format!("The line has more than {MAX_LINE} bytes."));
    }
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "The line is not a JSON object.".to_owned(),
            _ if std::str::from_utf8(line).is_err() => "The line is not UTF-8.".to_owned(),
            _ => format!("The line is not JSON (column {}).", error.column()),
        })?;
    let names: Vec<String> = object.keys().cloned().collect();
    let columns = Columns::of_object(&names, mapping).map_err(|why| format!("The line {why}."))?;
    let places = Field::ALL.map(|field| columns.at(field).map(|at| &names[at]));
    for name in columns.ignored {
        if seen.ignored.len() < NAMED && !seen.ignored.contains(&name) {
            seen.ignored.push(name);
        }
    }
    for (found, all) in [(columns.renamed, &mut seen.renamed), (columns.suspects, &mut seen.suspects)] {
        for named in found {
            if all.len() < NAMED && !all.contains(&named) {
                all.push(named);
            }
        }
    }
    let mut fields = Fields::default();
    for (field, name) in Field::ALL.into_iter().zip(places) {
        let value = name.and_then(|name| object.get(name));
        fields.set(field, text(field, value)?);
    }
    Ok(fields)
}

/// A value as text. What is not text in other formats either is passed on as JSON.
fn text(field: Field, value: Option<&Value>) -> Result<Vec<u8>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let is_expected = match value {
        Value::String(text) => return Ok(shortened(text.as_bytes()).to_vec()),
        Value::Bool(_) => field.is_flag(),
        Value::Number(_) => field.is_flag() || field == Field::Created,
        // Roles, and Keycloak's credentials.
        Value::Array(_) => matches!(field, Field::Roles | Field::Hash),
        Value::Object(_) => matches!(field, Field::Claims | Field::Hash),
        Value::Null => true,
    };
    if !is_expected {
        // A number is the id of a system that is not ours.
        return if field == Field::Id {
            Ok(Vec::new())
        } else {
            Err(format!("\"{field}\" is not a string."))
        };
    }
    Ok(shortened(value.to_string().as_bytes()).to_vec())
}
