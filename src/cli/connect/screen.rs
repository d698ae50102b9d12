//! Shows messages and notes.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::Sender;

use serde_json::Value;

use super::print::{self, View};

pub struct Screen {
    json: bool,
    terminal: bool,
    colour: bool,
    /// Shows text above the line that is being edited.
    editor: Option<Sender<String>>,
}

/// Standard output was closed.
pub struct OutputClosed;

impl Screen {
    pub fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, terminal, colour, editor: None }
    }

    pub fn edit(&mut self, editor: Sender<String>) {
        self.editor = Some(editor);
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Shows a message: `raw` as it arrived, or `message` as a user reads it.
    pub fn message(&self, raw: &str, message: &Value, view: View<'_>) -> Result<(), OutputClosed> {
        let line = match self.json {
            true if self.terminal || raw.contains(['\n', '\r']) => print::json_line(raw),
            true => raw.to_owned(),
            false => print::pretty(message, View { colour: self.colour, ..view }),
        };
        self.show(line)
    }

    fn show(&self, mut text: String) -> Result<(), OutputClosed> {
        text.push('\n');
        if let Some(editor) = &self.editor {
            return editor.send(text).map_err(|_| OutputClosed);
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|_| OutputClosed)
    }

    /// Shows a note of this program.
    pub fn note(&self, text: &str) {
        if self.editor.is_some() {
            let _ = self.show(text.to_owned());
        } else {
            let _ = writeln!(std::io::stderr(), "doorward: {text}");
        }
    }

    /// Removes the prompt before the program ends.
    pub fn leave(&mut self) {
        if self.editor.take().is_some() {
            let _ = write!(std::io::stdout(), "\r\x1b[K");
            let _ = std::io::stdout().flush();
        }
    }
}
