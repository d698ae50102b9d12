//! Reads JSON Lines: one object per line.

use serde_json::{Map, Value};

use super::columns::{Columns, Field, Mapping};
use super::{Fields, Limits, MAX_LINE, Place, RowSource, Table, shortened};

/// How many members are named as ignored; more would not help.
const NAMED: usize = 50;

pub(super) fn read(
    bytes: &[u8],
    origin: RowSource<'_>,
    limits: Limits,
    mapping: &Mapping,
) -> Result<Table, String> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(
            "is one JSON array; expected is one object per line: jq -c '.[]' FILE > people.jsonl".to_owned()
        );
    }
    // In a file without line feeds, carriage returns end the lines.
    let end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines = (1..).map(Place::Line).zip(bytes.split(|byte| *byte == end));
    let filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut rows = Vec::new();
    let mut seen = Columns::default();
    for (place, line) in filled {
        if rows.len() == limits.rows {
            return Err(limits.too_many_rows());
        }
        rows.push(match fields(line, mapping, &mut seen) {
            Ok(fields) => origin.row(place, None, fields, mapping),
            Err(why) => origin.malformed(place, why),
        });
    }
    Ok(Table { rows, columns: seen })
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
    let columns = Columns::among(&names, mapping).map_err(|why| format!("The line {why}."))?;
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
    let text = |field: Field, at: Option<usize>| {
        let value = at.and_then(|at| object.get(&names[at]));
        match value {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(shortened(text.as_bytes()).to_vec()),
            Some(Value::Bool(_) | Value::Number(_)) if field == Field::EmailVerified => {
                Ok(value.map(Value::to_string).unwrap_or_default().into_bytes())
            }
            // Keycloak's credentials.
            Some(Value::Object(_) | Value::Array(_)) if field == Field::Hash => {
                Ok(shortened(value.map(Value::to_string).unwrap_or_default().as_bytes()).to_vec())
            }
            Some(_) => Err(format!("\"{field}\" is not a string.")),
        }
    };
    Ok(Fields {
        username: text(Field::Username, columns.username)?,
        email: text(Field::Email, columns.email)?,
        verified: text(Field::EmailVerified, columns.verified)?,
        hash: text(Field::Hash, columns.hash)?,
    })
}
