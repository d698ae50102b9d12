//! What the server sends of rooms by itself.

use serde_json::Value;

use crate::close::Reconnect;
use crate::message::Message;

/// A message that was sent to a room, or to this user. Texts are the senders': escape control characters before a
/// terminal shows them.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomMessage(Message);

/// Who sent a message: the server's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sender<'a> {
    /// A user.
    User {
        /// The user's id.
        id: &'a str,
        /// The username at that time.
        username: &'a str,
    },
    /// The application that the server is a part of.
    App {
        /// The name that it has given itself.
        name: &'a str,
    },
}

impl RoomMessage {
    /// The room. `user:` and the own id, for what was sent to this user.
    #[must_use]
    pub fn room(&self) -> &str {
        self.text("room").unwrap_or_default()
    }

    /// The message's own id, a UUIDv7.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text("message").unwrap_or_default()
    }

    /// When it was sent by the server's clock, as RFC 3339 writes it.
    #[must_use]
    pub fn at(&self) -> &str {
        self.text("at").unwrap_or_default()
    }

    /// Who sent it.
    #[must_use]
    pub fn sender(&self) -> Sender<'_> {
        // One of the two is there, or this would not have been made.
        sender(&self.0).unwrap_or(Sender::App { name: "" })
    }

    /// The name that the sender gave it.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.text("event")
    }

    /// The sender's key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.text("key")
    }

    /// What was sent.
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.0["data"]
    }

    /// The whole message, as it arrived.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.0
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.0[field].as_str()
    }
}

/// Answers the message if it is of another shape: an application without rooms may have a message of this name.
impl TryFrom<Message> for RoomMessage {
    type Error = Message;

    fn try_from(message: Message) -> Result<Self, Message> {
        if message["room"].is_string() && message["message"].is_string() && sender(&message).is_some() {
            Ok(Self(message))
        } else {
            Err(message)
        }
    }
}

fn sender(message: &Message) -> Option<Sender<'_>> {
    let from = &message["from"];
    match (from["user"].as_str(), from["username"].as_str(), from["app"].as_str()) {
        (Some(id), Some(username), None) => Some(Sender::User { id, username }),
        (None, None, Some(name)) => Some(Sender::App { name }),
        _ => None,
    }
}

/// The session is not in a room any more, and has not asked for that: a right has ended, or the room could not be joined
/// again after a reconnect.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RoomLeft {
    /// The room.
    pub room: String,
    /// Why: `policy` if the user's roles do not allow the room any more, for example; or the code of an error.
    pub code: String,
    /// A sentence for the user.
    pub reason: String,
    /// With [`Reconnect::Backoff`] the session joins the room again by itself, after a delay, and with
    /// [`Reconnect::NewToken`] too if the room has a [`TokenProvider`](crate::TokenProvider). Otherwise it does not.
    pub rejoin: Reconnect,
    pub(super) message: Option<Message>,
}

impl RoomLeft {
    /// The whole message; `None` if the room could not be joined again, which the reply before has told.
    #[must_use]
    pub const fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }
}

impl TryFrom<Message> for RoomLeft {
    type Error = Message;

    fn try_from(message: Message) -> Result<Self, Message> {
        let (Some(room), Some(code)) = (message["room"].as_str(), message["code"].as_str()) else {
            return Err(message);
        };
        Ok(Self {
            room: room.to_owned(),
            code: code.to_owned(),
            reason: message["reason"].as_str().unwrap_or_default().to_owned(),
            rejoin: match message["rejoin"].as_str() {
                Some("backoff") => Reconnect::Backoff,
                Some("new_token") => Reconnect::NewToken,
                _ => Reconnect::Never,
            },
            message: Some(message),
        })
    }
}
