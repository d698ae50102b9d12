//! What the server's messages say that this client acts on.

use std::time::Duration;

use serde_json::Value;

use super::wire::Trouble;

/// The server's last message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    pub reason: String,
    pub next: Next,
}

/// What may follow a goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Never,
    NewToken,
    Backoff,
}

impl Goodbye {
    /// Unless it is another message.
    pub fn of(message: &Value) -> Option<Self> {
        (message["type"] == "goodbye").then(|| Self {
            reason: message["reason"].as_str().unwrap_or("no reason given").to_owned(),
            next: match message["reconnect"].as_str() {
                Some("never") => Next::Never,
                Some("new_token") => Next::NewToken,
                // What a newer server may call otherwise is tried with care.
                _ => Next::Backoff,
            },
        })
    }

    /// It came before the session was in.
    pub fn before_welcome(self) -> Trouble {
        match self.next {
            Next::Never => Trouble::Refused(self.reason),
            Next::NewToken => Trouble::Expired,
            Next::Backoff => Trouble::Busy(self.reason, Duration::ZERO),
        }
    }
}
