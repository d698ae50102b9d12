//! `secret`: a sentence for this person and a random code; `get_secret` is the same in the words of the older
//! system's clients.

use serde::Serialize;

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

#[derive(Serialize)]
struct Secret {
    message: String,
    code: String,
}

pub async fn secret(context: Context, _: Payload) -> Result<Payload, Error> {
    Ok(Payload::new(&draw(&context))?)
}

pub async fn get_secret(context: Context, _: Payload) -> Result<Reply, Error> {
    let Secret { message, code } = draw(&context);
    let message = format!("{message} [Secret Code: {code}]");
    let payload = Payload::new(&serde_json::json!({ "message": message }))?;
    context.emit("secret_message", payload.clone())?;
    Ok(Reply::Acknowledge(payload))
}

fn draw(context: &Context) -> Secret {
    let mut random = [0; 12];
    fill(&mut random);
    let (choice, code) = random.split_at(4);
    let choice = choice.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let sentence = SENTENCES[choice % SENTENCES.len()];
    let name = context.access().map_or("Guest", |access| &*access.username);
    Secret {
        message: format!("{name}, {sentence}"),
        code: code.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect(),
    }
}
