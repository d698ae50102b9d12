//! What a client sends to a room, as it is passed on: the same JSON without white space, and nothing in it that other
//! clients' parsers stumble over.

use super::Refusal;

/// Arrays and objects in each other.
const DEEPEST: usize = 64;

/// Characters of a number: more than any that a double or a 128-bit integer has.
const LONGEST_NUMBER: usize = 64;

/// Writes valid JSON without the white space between its parts. So there is no line break in it, which would begin another
/// message where messages are lines.
///
/// # Errors
/// [`Refusal`] `bad_data` for what JSON allows and few parsers read: more than 64 levels, halves of surrogate pairs
/// (RFC 8259 section 8.2), numbers that no double holds (section 6).
pub fn compact(json: &str) -> Result<String, Refusal> {
    let mut written = String::with_capacity(json.len());
    let mut rest = json;
    let mut depth = 0_usize;
    while let Some(first) = rest.chars().next() {
        let part = match first {
            '"' => string(rest).ok_or(BAD_STRING)?,
            '-' | '0'..='9' => number(rest).ok_or(BAD_NUMBER)?,
            _ => &rest[..first.len_utf8()],
        };
        match first {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(TOO_DEEP);
        }
        if !matches!(first, ' ' | '\t' | '\n' | '\r') {
            written.push_str(part);
        }
        rest = &rest[part.len()..];
    }
    Ok(written)
}

const BAD_STRING: Refusal = Refusal::new("bad_data", "a string in `data` has half a surrogate pair");
const BAD_NUMBER: Refusal =
    Refusal::new("bad_data", "a number in `data` is too large, or written with too many digits");
const TOO_DEEP: Refusal = Refusal::new("bad_data", "`data` has more than 64 levels");

/// The string that a text begins with, if it is well formed.
fn string(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut at, mut high) = (1, false);
    loop {
        let byte = *bytes.get(at)?;
        let unit = (byte == b'\\' && bytes.get(at + 1) == Some(&b'u'))
            .then(|| u16::from_str_radix(text.get(at + 2..at + 6)?, 16).ok());
        let low = matches!(unit, Some(Some(0xdc00..=0xdfff)));
        // A high half is followed by a low one, and a low half follows a high one.
        if high != low {
            return None;
        }
        high = matches!(unit, Some(Some(0xd800..=0xdbff)));
        at += match (byte, unit) {
            (b'"', _) => return Some(&text[..=at]),
            (_, Some(unit)) => unit.map(|_| 6)?,
            (b'\\', None) => 2,
            _ => 1,
        };
    }
}

/// The number that a text begins with, if others can read it.
fn number(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    let number = &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())];
    let is_good = number.len() <= LONGEST_NUMBER && number.parse::<f64>().is_ok_and(f64::is_finite);
    is_good.then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn white_space_between_parts_goes_and_all_else_stays() {
        for (json, written) in [
            ("[\n1 ,\t2\r\n]", "[1,2]"),
            (r#" { "a b" : "c\\" , "d" : "\" x" } "#, r#"{"a b":"c\\","d":"\" x"}"#),
            (r#""\ud83d\ude00 é \n""#, r#""\ud83d\ude00 é \n""#),
            ("1.50e+2", "1.50e+2"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("null", "null"),
        ] {
            assert_eq!(compact(json).as_deref(), Ok(written), "{json}");
        }
    }

    #[test]
    fn what_other_parsers_stumble_over_is_refused() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let long = "1".repeat(65);
        for json in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83dx""#,
            r#""\ud83d\ud83d""#,
            "1e999",
            "-1e999",
            &long,
            &deep,
        ] {
            assert_eq!(compact(json).map_err(|refusal| refusal.code), Err("bad_data"), "{json}");
        }
        assert!(compact(&deep[1..130 - 1]).is_ok(), "64 levels");
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}|[\\x00-\\x7f]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,5}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_means_the_same_and_has_no_line_break(value in value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let written = compact(&pretty).unwrap();
            prop_assert_eq!(&written, &serde_json::to_string(&value).unwrap());
            prop_assert!(!written.contains(['\n', '\r']));
            prop_assert_eq!(compact(&written).unwrap(), written);
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}|[\\[\\]{}\",:\\\\ud8c0-9eE+. -]{0,60}") {
            if serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() {
                let _ = compact(&text);
            }
        }
    }
}
