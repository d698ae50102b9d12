//! Colours for a terminal.

use std::fmt;

use tracing::Level;

/// Colours, or none.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub bool);

/// A text between the sequences that begin and end a style.
pub(super) struct Styled<'a>(&'static str, &'a str);

impl fmt::Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str(self.1),
            style => write!(f, "\x1b[{style}m{}\x1b[0m", self.1),
        }
    }
}

impl Paint {
    pub(super) fn dim(self, text: &str) -> Styled<'_> {
        self.style("2", text)
    }

    pub(super) fn level(self, level: Level) -> Styled<'static> {
        match level {
            Level::ERROR => self.style("31", "ERROR"),
            Level::WARN => self.style("33", "WARN "),
            Level::INFO => self.style("32", "INFO "),
            Level::DEBUG => self.style("34", "DEBUG"),
            Level::TRACE => self.style("35", "TRACE"),
        }
    }

    pub(super) fn style<'a>(self, style: &'static str, text: &'a str) -> Styled<'a> {
        Styled(if self.0 { style } else { "" }, text)
    }
}
