//! JSON, an object a line. Further members are ignored.

use serde_json::{Map, Value};

use super::{Fields, Limits, MAX_LINE, Origin, Place, Row, shortened};

pub(super) fn read(bytes: &[u8], origin: Origin<'_>, limits: Limits) -> Result<Vec<Row>, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let lines = (1..).map(Place::Line).zip(bytes.split(|byte| *byte == b'\n'));
    let filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut rows = Vec::new();
    for (place, line) in filled {
        if rows.len() == limits.rows {
            return Err(limits.too_many_rows());
        }
        rows.push(match fields(line) {
            Ok(fields) => origin.row(place, None, fields),
            Err(why) => origin.malformed(place, why),
        });
    }
    Ok(rows)
}

/// serde's own words could repeat what stands there.
fn fields(line: &[u8]) -> Result<Fields, String> {
    if line.len() > MAX_LINE {
        return Err(format!("The line has more than {MAX_LINE} bytes."));
    }
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "The line is no JSON object.".to_owned(),
            _ if std::str::from_utf8(line).is_err() => "The line is not UTF-8.".to_owned(),
            _ => format!("The line is no JSON (column {}).", error.column()),
        })?;
    let text = |names: &[&str]| match names.iter().find_map(|name| object.get(*name)) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(shortened(text.as_bytes()).to_vec()),
        Some(_) => Err(format!("\"{}\" is no string.", names[0])),
    };
    Ok(Fields {
        username: text(&["username"])?,
        email: text(&["email"])?,
        hash: text(&["hash", "password_hash"])?,
    })
}
