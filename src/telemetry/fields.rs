//! What an event or a span says.

use std::fmt::{self, Debug, Write};

use doorward_core::domain::is_display_control;
use tracing::field::{Field, Visit};

/// The fields of an event or a span, as text without control characters: one text with all values, so that a line needs
/// few allocations.
#[derive(Default)]
pub(super) struct Fields {
    text: String,
    /// Names, and where in `text` their values end.
    ends: Vec<(&'static str, usize)>,
}

impl Fields {
    /// The names and values, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name, end)| (name, &self.text[std::mem::replace(&mut start, end)..end]))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// Appends what is written to it. An error may quote what a client sent: no line break may end the line, no sequence reach
/// the terminal, and no mark turn the direction of what follows.
struct Clean<'a>(&'a mut String);

impl Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.contains(is_display_control) {
            for c in text.chars() {
                match c {
                    c if is_display_control(c) => self.0.extend(c.escape_default()),
                    c => self.0.push(c),
                }
            }
        } else {
            self.0.push_str(text);
        }
        Ok(())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A text cannot fail to be written to.
        let _ = write!(Clean(&mut self.text), "{value:?}");
        self.ends.push((field.name(), self.text.len()));
    }
}
