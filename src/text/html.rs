//! A message as HTML.
//!
//! A message contains no HTML: it is escaped, as are its arguments. A placeholder becomes its value in the markup that
//! the template chose, and text between `<link>` and `</link>`, or another word that the template gave, becomes a link.
//! `<strong>` and `</strong>` may be used in every message.

use std::fmt::{self, Write as _};

use fluent_bundle::{FluentArgs, FluentValue};

use super::{Argument, Language};

/// Stand for an argument while the message around it is escaped: private use, so no text contains them.
const OPEN: char = '\u{f0000}';
const CLOSE: char = '\u{f0001}';

/// A message, its arguments and its links; `Display` writes it as HTML.
pub struct Html<'a> {
    language: &'a Language,
    key: String,
    args: FluentArgs<'static>,
    /// The arguments that are text, as HTML.
    values: Vec<String>,
    /// Words in angle brackets, and the HTML that they begin and end.
    tags: Vec<(&'static str, String, &'static str)>,
}

/// Everything in it is escaped.
impl askama::filters::HtmlSafe for Html<'_> {}

impl<'a> Html<'a> {
    pub(super) fn new(language: &'a Language, key: impl Into<String>) -> Self {
        let tags = vec![("strong", "<strong>".to_owned(), "</strong>")];
        Self { language, key: key.into(), args: FluentArgs::new(), values: Vec::new(), tags }
    }

    /// Gives a placeholder its value. Text is isolated, because its direction may be another one.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Argument) -> Self {
        self.marked_up(name, &value, "<bdi>", "</bdi>")
    }

    /// The same for text that is emphasized: a name, an address.
    #[must_use]
    pub fn strong(self, name: &'static str, value: impl Argument) -> Self {
        self.marked_up(name, &value, "<strong><bdi>", "</bdi></strong>")
    }

    /// The same for text that people copy.
    #[must_use]
    pub fn code(self, name: &'static str, value: impl Argument) -> Self {
        self.marked_up(name, &value, "<code>", "</code>")
    }

    /// Makes a link of the text between `<tag>` and `</tag>`.
    #[must_use]
    pub fn link(mut self, tag: &'static str, href: impl AsRef<str>) -> Self {
        self.tags.push((tag, format!("<a href=\"{}\">", escape(href.as_ref())), "</a>"));
        self
    }

    /// Gives a placeholder a value that is HTML already: another message, or a template.
    #[must_use]
    pub fn html(mut self, name: &'static str, value: impl askama::filters::HtmlSafe) -> Self {
        self.insert(name, value.to_string());
        self
    }

    fn marked_up(mut self, name: &'static str, value: &impl Argument, open: &str, close: &str) -> Self {
        match value.value() {
            FluentValue::String(text) => self.insert(name, format!("{open}{}{close}", escape(&text))),
            number => self.args.set(name, number),
        }
        self
    }

    fn insert(&mut self, name: &'static str, html: String) {
        self.args.set(name, format!("{OPEN}{}{CLOSE}", self.values.len()));
        self.values.push(html);
    }
}

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = escape(&self.language.format(&self.key, &self.args));
        for (tag, open, close) in &self.tags {
            message = message.replace(&format!("&#60;{tag}&#62;"), open);
            message = message.replace(&format!("&#60;/{tag}&#62;"), close);
        }
        let mut parts = message.split(OPEN);
        f.write_str(parts.next().unwrap_or_default())?;
        for part in parts {
            let (number, rest) = part.split_once(CLOSE).unwrap_or((part, ""));
            let value = number.parse::<usize>().ok().and_then(|number| self.values.get(number));
            f.write_str(value.map_or("", String::as_str))?;
            f.write_str(rest)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Html({})", self.key)
    }
}

/// Escapes text as templates do, for element content and for attributes in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // A string can always be written to.
            '&' | '<' | '>' | '"' | '\'' => drop(write!(html, "&#{};", u32::from(c))),
            c => html.push(c),
        }
    }
    html
}
