//! What a signed-in session can ask for, by name: one file each where there is something to say.

mod secret;

use std::sync::Arc;

use crate::domain::Access;
use crate::protocol::{RequestId, ServerMessage, SessionInfo};

/// What a handler may know and use.
pub struct Context<'a> {
    pub access: &'a Access,
    /// This user's live sessions.
    pub sessions: &'a dyn Fn() -> Vec<Arc<SessionInfo>>,
    /// Fills bytes with randomness.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// Answers the event `name`.
#[must_use]
pub fn run(name: &str, id: Option<RequestId>, context: &Context<'_>) -> ServerMessage {
    match name {
        "ping" => ServerMessage::Pong { id },
        "secret" => secret::answer(id, context),
        "sessions" => ServerMessage::Sessions { id, sessions: (context.sessions)() },
        _ => ServerMessage::Error { id, code: "unknown_type", detail: "this server knows no such `type`" },
    }
}
