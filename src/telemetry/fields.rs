//! What an event or a span says.

use std::fmt::Debug;

use tracing::field::{Field, Visit};

/// The fields of an event or a span, as text without control characters.
#[derive(Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// The names and values, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(&'static str, String)> {
        self.0.iter()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn add(&mut self, field: &Field, value: &str) {
        // An error may quote what a client sent: no line break may end the line, and no sequence reach the terminal.
        let is_clean = !value.contains(char::is_control);
        let value = if is_clean { value.to_owned() } else { escaped(value) };
        self.0.push((field.name(), value));
    }
}

fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }
}
