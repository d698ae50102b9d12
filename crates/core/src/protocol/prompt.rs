//! What is typed at a prompt, byte by byte: by a person whose terminal sends each key, by a line at a time, or by a
//! program that sends no newline at all. Without I/O and without a clock.

use bytes::{Buf, BytesMut};

/// Bytes of an answer: room for a token.
pub const MAX_ANSWER: usize = 8 * 1024;

/// What a byte amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Text(u8),
    /// Backspace, or Delete where that is the same key.
    Erase,
    /// Ctrl-U.
    EraseAll,
    Enter,
    /// Ctrl-C, or Telnet's word for it.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Nothing that was typed.
    Nothing,
}

/// Commands of Telnet (RFC 854), which some clients send by themselves.
mod telnet {
    pub const IAC: u8 = 255;
    pub const SB: u8 = 250;
    pub const SE: u8 = 240;
    /// End of file (RFC 1184), abort, break, interrupt.
    pub const LEAVE: [u8; 4] = [236, 238, 243, 244];
    /// WILL, WONT, DO, DONT: an option follows.
    pub const NEGOTIATION: std::ops::RangeInclusive<u8> = 251..=254;
}

/// Where in a command of Telnet the next byte is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Outside,
    Command,
    Option,
    Parameters,
    /// After an IAC within them.
    ParametersCommand,
}

/// The keys of one connection, over all of its prompts.
#[derive(Debug, Default)]
struct Keys {
    telnet: Telnet,
    /// Enter was a CR: an LF or a NUL may belong to it (RFC 854).
    after_cr: bool,
    /// The answer before ended without a newline: one that comes now is its own.
    late_newline: bool,
}

impl Keys {
    fn press(&mut self, byte: u8) -> Key {
        match self.telnet {
            Telnet::Outside => {}
            Telnet::Command => return self.command(byte),
            Telnet::Option => {
                self.telnet = Telnet::Outside;
                return Key::Nothing;
            }
            Telnet::Parameters => {
                if byte == telnet::IAC {
                    self.telnet = Telnet::ParametersCommand;
                }
                return Key::Nothing;
            }
            Telnet::ParametersCommand => {
                self.telnet = if byte == telnet::SE { Telnet::Outside } else { Telnet::Parameters };
                return Key::Nothing;
            }
        }
        if byte == telnet::IAC {
            self.telnet = Telnet::Command;
            return Key::Nothing;
        }
        if std::mem::take(&mut self.after_cr) && matches!(byte, b'\n' | 0) {
            return Key::Nothing;
        }
        let late = std::mem::take(&mut self.late_newline);
        match byte {
            b'\r' => {
                self.after_cr = true;
                if late { Key::Nothing } else { Key::Enter }
            }
            b'\n' if late => Key::Nothing,
            b'\n' => Key::Enter,
            0x08 | 0x7f => Key::Erase,
            0x15 => Key::EraseAll,
            0x03 => Key::Interrupt,
            0x04 => Key::EndOfInput,
            byte => Key::Text(byte),
        }
    }

    fn command(&mut self, byte: u8) -> Key {
        self.telnet = Telnet::Outside;
        match byte {
            // Doubled, it stands for the byte itself, which is never valid in UTF-8.
            telnet::IAC => Key::Text(telnet::IAC),
            telnet::SB => {
                self.telnet = Telnet::Parameters;
                Key::Nothing
            }
            byte if telnet::NEGOTIATION.contains(&byte) => {
                self.telnet = Telnet::Option;
                Key::Nothing
            }
            byte if telnet::LEAVE.contains(&byte) => Key::Interrupt,
            _ => Key::Nothing,
        }
    }
}

/// How far an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was typed yet.
    Empty,
    /// It goes on, and ends at a newline.
    Begun(Pace),
    Answered(String),
    /// The client wants to leave.
    Left,
    TooLong,
}

/// How an answer comes that has no newline yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// In one piece: a program's that sends no newline, perhaps.
    Whole,
    /// Key by key.
    Typed,
    /// From a client that has sent newlines: it ends at one, and not before.
    Lines,
}

/// The answers of one connection, one after the other.
#[derive(Debug, Default)]
pub struct Answers {
    keys: Keys,
    text: Vec<u8>,
    /// Pieces that the answer came in so far.
    pieces: u32,
    has_newlines: bool,
}

impl Answers {
    /// Takes what has come, up to the end of the answer.
    pub fn take(&mut self, bytes: &mut BytesMut) -> Progress {
        if bytes.is_empty() {
            return self.progress();
        }
        let before = self.text.len();
        while let Some(byte) = bytes.first().copied() {
            bytes.advance(1);
            let late = self.keys.late_newline;
            match self.keys.press(byte) {
                Key::Text(byte) if self.text.len() < MAX_ANSWER => self.text.push(byte),
                Key::Text(_) => return Progress::TooLong,
                Key::Erase => self.erase(),
                Key::EraseAll => self.text.clear(),
                Key::Enter => {
                    self.has_newlines = true;
                    return Progress::Answered(self.end());
                }
                Key::Interrupt => return Progress::Left,
                Key::EndOfInput if self.text.is_empty() => return Progress::Left,
                Key::Nothing if late && matches!(byte, b'\r' | b'\n') => self.has_newlines = true,
                Key::EndOfInput | Key::Nothing => {}
            }
        }
        if self.text.len() != before {
            self.pieces += 1;
        }
        self.progress()
    }

    /// Ends the answer here although no newline has come.
    pub fn end_without_newline(&mut self) -> String {
        self.keys.late_newline = true;
        self.end()
    }

    /// Whether something of an answer has come.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        !self.text.is_empty()
    }

    /// Whether Enter was a CR, which may have a second half.
    #[must_use]
    pub const fn ended_at_cr(&self) -> bool {
        self.keys.after_cr
    }

    fn progress(&self) -> Progress {
        match (self.text.len(), self.pieces) {
            (0, _) => Progress::Empty,
            _ if self.has_newlines => Progress::Begun(Pace::Lines),
            // A single key is a person's.
            (2.., ..=1) => Progress::Begun(Pace::Whole),
            _ => Progress::Begun(Pace::Typed),
        }
    }

    fn end(&mut self) -> String {
        self.pieces = 0;
        // Bytes that are not UTF-8 match no name and no password.
        String::from_utf8_lossy(&std::mem::take(&mut self.text)).into_owned()
    }

    /// The last character, however many bytes it has.
    fn erase(&mut self) {
        while let Some(byte) = self.text.pop()
            && byte & 0xc0 == 0x80
        {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is answered to these pieces, and how far the last one is.
    fn answers(pieces: &[&[u8]]) -> (Vec<String>, Progress) {
        let mut answers = Answers::default();
        let (mut done, mut last) = (Vec::new(), Progress::Empty);
        for piece in pieces {
            let mut bytes = BytesMut::from(*piece);
            loop {
                last = answers.take(&mut bytes);
                match last.clone() {
                    Progress::Answered(answer) => done.push(answer),
                    _ => break,
                }
                if bytes.is_empty() {
                    last = Progress::Empty;
                    break;
                }
            }
        }
        (done, last)
    }

    #[test]
    fn an_answer_ends_at_any_newline() {
        for piece in ["alice\nsecret\n", "alice\r\nsecret\r\n", "alice\rsecret\r", "alice\r\0secret\r\0"] {
            let expected = (vec!["alice".to_owned(), "secret".to_owned()], Progress::Empty);
            assert_eq!(answers(&[piece.as_bytes()]), expected, "{piece:?}");
            let keys: Vec<&[u8]> = piece.as_bytes().chunks(1).collect();
            assert_eq!(answers(&keys), expected, "{piece:?} key by key");
        }
        assert_eq!(answers(&[b"\n\n\r\n"]).0, ["", "", ""]);
    }

    #[test]
    fn how_it_comes_tells_who_types() {
        assert_eq!(answers(&[b"alice"]).1, Progress::Begun(Pace::Whole));
        assert_eq!(answers(&[b"a"]).1, Progress::Begun(Pace::Typed));
        assert_eq!(answers(&[b"a", b"lice"]).1, Progress::Begun(Pace::Typed));
        assert_eq!(answers(&[b"alice\n", b"secret"]).1, Progress::Begun(Pace::Lines));
        assert_eq!(answers(&[b"alice\n", b"s"]).1, Progress::Begun(Pace::Lines));
    }

    #[test]
    fn a_newline_that_comes_late_is_no_answer() {
        for late in ["\n", "\r\n", "\r", "\r\0"] {
            for chunk in [1, 2] {
                let mut answers = Answers::default();
                answers.take(&mut BytesMut::from("alice"));
                assert_eq!(answers.end_without_newline(), "alice");
                for piece in late.as_bytes().chunks(chunk) {
                    assert_eq!(answers.take(&mut BytesMut::from(piece)), Progress::Empty, "{late:?}");
                }
                // A client that sends newlines ends the next answer with one.
                assert_eq!(answers.take(&mut BytesMut::from("secret")), Progress::Begun(Pace::Lines));
                assert_eq!(answers.take(&mut BytesMut::from("\n")), Progress::Answered("secret".to_owned()));
            }
        }
    }

    #[test]
    fn keys_that_correct_what_was_typed_are_obeyed() {
        for (typed, answer) in [
            (&b"alixx\x7f\x7fce\n"[..], "alice"),
            (b"alixx\x08\x08ce\n", "alice"),
            (b"\x7f\x7falice\n", "alice"),
            (b"bob\x15alice\n", "alice"),
            ("Zoé\x7fë\n".as_bytes(), "Zoë"),
            ("日本\x7f\x7f\x7falice\n".as_bytes(), "alice"),
            (b"ali\x04ce\n", "alice"),
        ] {
            assert_eq!(answers(&[typed]).0, [answer], "{}", typed.escape_ascii());
            assert_eq!(answers(&typed.chunks(1).collect::<Vec<_>>()).0, [answer]);
        }
        for leave in [&b"ali\x03"[..], b"\x04", b"ali\xff\xf4\xff\xfd\x06", b"\xff\xec"] {
            assert_eq!(answers(&[leave]).1, Progress::Left, "{}", leave.escape_ascii());
        }
    }

    #[test]
    fn what_telnet_negotiates_is_not_typed() {
        // As PuTTY greets: window size, terminal type, its variables.
        let greeting =
            b"\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfd\x03\xff\xfa\x1f\x00\xff\xff\x18\xff\xf0";
        assert_eq!(answers(&[greeting]).1, Progress::Empty);
        let typed = [&greeting[..], b"al\xff\xf1ice\r\0"].concat();
        for chunk in [1, 3, typed.len()] {
            assert_eq!(answers(&typed.chunks(chunk).collect::<Vec<_>>()).0, ["alice"], "{chunk}");
        }
    }

    #[test]
    fn a_character_may_come_in_parts() {
        let typed = "Zoë日本🦀\n".as_bytes();
        assert_eq!(answers(&typed.chunks(1).collect::<Vec<_>>()).0, ["Zoë日本🦀"]);
    }

    #[test]
    fn an_answer_is_bounded() {
        let longest = "x".repeat(MAX_ANSWER);
        assert_eq!(answers(&[format!("{longest}\n").as_bytes()]).0, std::slice::from_ref(&longest));
        assert_eq!(answers(&[format!("{longest}x").as_bytes()]).1, Progress::TooLong);
    }

    proptest! {
        /// However lines are cut into pieces, they are the same lines.
        #[test]
        fn lines_are_the_same_in_any_pieces(
            lines in prop::collection::vec("[a-zé日 ]{0,20}", 1..5),
            end in prop::sample::select(&["\n", "\r\n"]),
            cut in 1_usize..40,
        ) {
            let text = lines.iter().map(|line| format!("{line}{end}")).collect::<Vec<_>>().concat();
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(answers(&pieces).0, lines);
        }

        #[test]
        fn any_bytes_are_taken(pieces in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            answers(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
