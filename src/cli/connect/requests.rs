//! The requests that have no reply yet.

use std::time::Duration;

use doorward_client::Message;
use serde_json::Value;
use tokio::time::Instant;

use super::command::Request;

#[derive(Default)]
pub struct Requests(Vec<Pending>);

struct Pending {
    id: Option<Value>,
    reply: &'static str,
    sent: Instant,
}

impl Requests {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn add(&mut self, request: Request) {
        self.0.push(Pending { id: request.id, reply: request.reply, sent: Instant::now() });
    }

    /// Strikes off the request that this message answers, and tells how long that took.
    pub fn answer(&mut self, message: &Message) -> Option<Duration> {
        let is_answered = |pending: &Pending| {
            pending.id.as_ref() == message.id() && [pending.reply, "error"].contains(&message.kind())
        };
        let pending = self.0.remove(self.0.iter().position(is_answered)?);
        Some(pending.sent.elapsed())
    }

    /// Gives up all of them, and tells how many there were.
    pub fn forget(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}
