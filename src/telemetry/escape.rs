//! JSON lines without characters that a terminal or an editor obeys. JSON needs no escape for DEL, the controls of
//! Latin-1 and the marks of writing direction, so `serde_json` writes them as they are.

use std::fmt::Write as _;
use std::io::{self, Write};

use doorward_core::domain::is_display_control;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that escape.
pub(super) struct Escaping<M>(pub M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaping<M> {
    type Writer = EscapingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        EscapingWriter(self.0.make_writer_for(metadata))
    }
}

/// Takes a whole line in one write, as `tracing_subscriber` does it.
pub(super) struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match str::from_utf8(bytes) {
            Ok(line) if line.contains(|c| c != '\n' && is_display_control(c)) => {
                self.0.write_all(escaped(line).as_bytes())
            }
            _ => self.0.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Such a character can only be inside a string, where its number means the same.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if c != '\n' && is_display_control(c) {
            // A text cannot fail to be written to. All of these characters have four digits at most.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_means_the_same_without_such_characters() {
        let value = serde_json::json!({ "name": "a\u{7f}\u{9b}31m\u{202e}b\u{2028}c\nd" });
        let mut line = Vec::new();
        let text = serde_json::to_string(&value).unwrap() + "\n";
        EscapingWriter(&mut line).write_all(text.as_bytes()).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(!line.trim_end().contains(is_display_control), "{line:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        assert!(line.ends_with("}\n"), "{line:?}");
    }
}
