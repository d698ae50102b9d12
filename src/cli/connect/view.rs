//! How messages are shown: with which colours, and what is known beside them.

use std::time::Duration;

/// What a message is shown with.
#[derive(Clone, Copy, Default)]
pub struct View<'a> {
    pub colour: bool,
    /// The id of this session, which lists mark.
    pub session: &'a str,
    /// How long the reply took.
    pub took: Option<Duration>,
}

#[derive(Clone, Copy)]
pub enum Ink {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
}

impl View<'_> {
    pub fn ink(self, ink: Ink, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", ink as u8) } else { text.to_owned() }
    }
}
