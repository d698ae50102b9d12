//! The messages that a page's scripts show, as a JSON object beside them: scripts contain no text of their own.

use std::collections::BTreeMap;
use std::fmt;

use crate::text::Language;

/// The placeholders of these messages, which the scripts fill in: `{ $origin }` is `{origin}` there.
const FILLED_BY_SCRIPTS: [(&str, &str); 10] = [
    ("origin", "{origin}"),
    ("link", "{link}"),
    ("field", "{field}"),
    ("reason", "{reason}"),
    ("code", "{code}"),
    ("device", "{device}"),
    ("client", "{client}"),
    ("system", "{system}"),
    ("min", "{min}"),
    ("max", "{max}"),
];

/// Messages by their keys. `Display` writes JSON for a `<script type="application/json">`, which no browser executes.
#[derive(Debug)]
pub(super) struct ScriptTexts<'a>(BTreeMap<&'a str, String>);

/// It contains no character that could end the element.
impl askama::filters::HtmlSafe for ScriptTexts<'_> {}

impl<'a> ScriptTexts<'a> {
    /// The messages whose keys begin with one of these.
    pub fn new(language: &'a Language, site_name: &str, prefixes: &[&str]) -> Self {
        let is_wanted = |key: &&str| prefixes.iter().any(|prefix| key.starts_with(prefix));
        let texts = language.all_keys().filter(is_wanted).map(|key| {
            let text = language.text(key).with("site", site_name);
            let text = FILLED_BY_SCRIPTS.iter().fold(text, |text, (name, value)| text.with(name, *value));
            (key, text.to_string())
        });
        Self(texts.collect())
    }
}

impl fmt::Display for ScriptTexts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
    }
}
