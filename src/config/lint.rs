//! Checks values for mistakes that no key can mean: quotes left in place, line breaks, surrounding white
//! space. Taken literally, such a value would name another directory or another host.

use super::keys::Key;
use super::value::ValueSource;

/// Pairs of quotes that people and programs put around a value.
const QUOTES: [(char, char); 6] =
    [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}'), ('«', '»')];

/// How a PEM file begins.
const PEM: &str = "-----BEGIN";

/// Says why the text must be a mistake, and what to write instead. Repeats nothing of a secret value.
pub(super) fn find(key: &Key, text: &str, origin: &ValueSource) -> Option<String> {
    if text.is_empty() {
        let why = "it is empty: leave the key out to use its default";
        return (!key.may_be_empty()).then(|| why.to_owned());
    }
    find_in(key, text, origin)
}

/// The same for one item of a list, and for the path of a value file.
pub(super) fn find_in(key: &Key, text: &str, origin: &ValueSource) -> Option<String> {
    if text.contains(PEM) {
        return Some("it is the content of a PEM file: name the file's path".to_owned());
    }
    let why = control_character(text)
        .or_else(|| invisible_character(text))
        .or_else(|| {
            let why = "the white space before or after it is part of the value";
            (text.trim() != text).then(|| why.to_owned())
        })
        .or_else(|| quotes(key, text, origin))
        .or_else(|| list_in_brackets(key, text))
        .or_else(|| not_expanded(key, text))?;
    let clean = cleaned(key, text);
    // Of several lines, either the first or all may be meant.
    let is_fresh = clean != text && !clean.is_empty() && !text.trim().contains(['\r', '\n']);
    if is_fresh && may_show(key, &clean) && !matches!(origin, ValueSource::ValueFile { .. }) {
        return Some(format!("{why}: write {clean}"));
    }
    Some(why)
}

/// Whether an error may repeat a text. A URL with a user may have been meant for another key.
pub(super) fn may_show(key: &Key, text: &str) -> bool {
    !key.secret && !may_have_user(text)
}

/// Whether a URL with a user, and so perhaps a password, may be in a text.
pub(super) fn may_have_user(text: &str) -> bool {
    text.contains("://") && text.contains('@')
}

fn control_character(text: &str) -> Option<String> {
    let first = text.chars().find(|c| c.is_control())?;
    let inner = text.trim_end_matches(['\r', '\n']);
    Some(match first {
        '\r' if !inner.contains('\r') => {
            "it ends with a carriage return: its file has Windows line endings (CRLF)".to_owned()
        }
        '\r' | '\n' if !inner.contains(['\r', '\n']) => "it ends with a line break".to_owned(),
        '\r' | '\n' => "it has more than one line".to_owned(),
        '\t' if !text.trim().contains('\t') => "the tab before or after it is part of the value".to_owned(),
        other => format!("it contains the control character U+{:04X}", u32::from(other)),
    })
}

/// Finds characters that editors and web pages leave behind: byte order marks, zero-width spaces, direction
/// marks. The joiners that some scripts need within a name are allowed.
fn invisible_character(text: &str) -> Option<String> {
    let is_invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let found = text.chars().find(|c| is_invisible(*c))?;
    Some(format!("it contains the invisible character U+{:04X}", u32::from(found)))
}

fn quotes(key: &Key, text: &str, origin: &ValueSource) -> Option<String> {
    let (first, last) = (text.chars().next()?, text.chars().next_back()?);
    if QUOTES.contains(&(first, last)) && text.chars().count() > 1 {
        return Some(match origin {
            ValueSource::Environment(_) => {
                "the quotes are part of the value (Docker does not strip quotes in env files)".to_owned()
            }
            _ => "the quotes are part of the value".to_owned(),
        });
    }
    // A name may stand in quotes before an address: "Doorward, Inc." <no-reply@example.org>.
    let is_quote = |c: char| QUOTES.iter().any(|(open, close)| c == *open || c == *close);
    if key.name != "mail.from" && (is_quote(first) || is_quote(last)) {
        return Some("a quote at one end is part of the value".to_owned());
    }
    None
}

/// Finds a JSON list where plain text is expected.
fn list_in_brackets(key: &Key, text: &str) -> Option<String> {
    (key.takes_list() && text.starts_with('[') && text.ends_with(']'))
        .then(|| "write a list without brackets and quotes, separated by commas".to_owned())
}

fn not_expanded(key: &Key, text: &str) -> Option<String> {
    let path = match text.strip_prefix("sqlite:") {
        Some(path) if key.name == "database.url" => path.strip_prefix("//").unwrap_or(path),
        _ if key.is_path() => text,
        _ => return None,
    };
    if path == "~" || path.starts_with("~/") {
        return Some("~ is not expanded here: write the full path".to_owned());
    }
    let names_variable = |(at, _): (usize, &str)| {
        path[at + 1..].starts_with(|c: char| matches!(c, '{' | '(' | '_') || c.is_ascii_alphabetic())
    };
    if path.match_indices('$').any(names_variable) {
        return Some("variables are not expanded here: write the full path".to_owned());
    }
    path.contains(" #").then(|| "a comment after a value is part of the value".to_owned())
}

/// The value that was probably meant.
fn cleaned(key: &Key, text: &str) -> String {
    let mut clean: String = text.chars().filter(|c| !c.is_control() && *c != '\u{feff}').collect();
    if invisible_character(&clean).is_some() {
        clean.retain(|c| invisible_character(c.encode_utf8(&mut [0; 4])).is_none());
    }
    let mut text = clean.trim();
    if key.is_path() {
        text = text.split(" #").next().unwrap_or(text).trim_end();
    }
    let is_quote = |c: char| QUOTES.iter().any(|(open, close)| c == *open || c == *close);
    if key.name != "mail.from" || quotes(key, text, &ValueSource::Default).is_some() {
        text = text.trim_matches(is_quote).trim();
    }
    if list_in_brackets(key, text).is_some() {
        let items = text[1..text.len() - 1].split(',').map(|item| item.trim().trim_matches(is_quote));
        return items.collect::<Vec<_>>().join(",");
    }
    text.to_owned()
}
