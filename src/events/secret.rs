//! `secret`: a sentence for this person and a random code; `get_secret` is the same in the words of the older
//! system's clients.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Context, Error, Payload, Reply};
use crate::auth::secret::fill;

const SENTENCES: [&str; 12] = [
    "every door you open today was closed yesterday.",
    "small steps, taken daily, cross whole countries.",
    "the lock respects whoever brings the right key: keep yours close.",
    "what you finish quietly speaks loudly.",
    "courage is knocking twice.",
    "you have survived every hard day so far.",
    "begin before you feel ready; ready catches up.",
    "the view is worth the stairs.",
    "curiosity opens more doors than strength.",
    "rest is part of the work.",
    "somebody learns from how you carry on.",
    "the best time to try again is now.",
];

/// Without 0, 1, I and O, which people misread. 32 letters: a byte maps to one without bias.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Characters of a code.
const CODE: usize = 8;

#[derive(Serialize)]
struct Secret<'a> {
    message: Sentence<'a>,
    code: &'a str,
}

/// Serialized as it is displayed, without a text in between.
struct Sentence<'a> {
    name: &'a str,
    words: &'static str,
    /// The code, in the words of the older system.
    code: Option<&'a str>,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.name, self.words)?;
        self.code.map_or(Ok(()), |code| write!(f, " [Secret Code: {code}]"))
    }
}

impl Serialize for Sentence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub async fn secret(context: Context, _: Payload) -> Result<Payload, Error> {
    let (words, code) = draw();
    let message = Sentence { name: name(&context), words, code: None };
    Ok(Payload::new(&Secret { message, code: text(&code) })?)
}

pub async fn get_secret(context: Context, _: Payload) -> Result<Reply, Error> {
    #[derive(Serialize)]
    struct Message<'a> {
        message: Sentence<'a>,
    }

    let (words, code) = draw();
    let message = Sentence { name: name(&context), words, code: Some(text(&code)) };
    let payload = Payload::new(&Message { message })?;
    context.emit("secret_message", payload.clone())?;
    Ok(Reply::Acknowledge(payload))
}

fn name(context: &Context) -> &str {
    context.access().map_or("Guest", |access| &*access.username)
}

fn draw() -> (&'static str, [u8; CODE]) {
    let mut random = [0; CODE + 4];
    fill(&mut random);
    let (choice, code) = random.split_at(4);
    let choice = choice.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let mut letters = [0; CODE];
    for (letter, byte) in letters.iter_mut().zip(code) {
        *letter = ALPHABET[usize::from(byte % 32)];
    }
    (SENTENCES[choice % SENTENCES.len()], letters)
}

fn text(code: &[u8]) -> &str {
    // Letters of the alphabet: always text.
    std::str::from_utf8(code).unwrap_or_default()
}
