//! `secret`: a sentence for this person and a random code.

use super::Context;
use crate::protocol::{RequestId, ServerMessage};

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

pub fn answer(id: Option<RequestId>, context: &Context<'_>) -> ServerMessage {
    let mut random = [0; 12];
    (context.random)(&mut random);
    let (choice, code) = random.split_at(4);
    let choice = choice.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let sentence = SENTENCES[choice % SENTENCES.len()];
    ServerMessage::Secret {
        id,
        message: format!("{}, {sentence}", context.access.username),
        code: code.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect(),
    }
}
