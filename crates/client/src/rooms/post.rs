//! What a program sends to a room or to a user.

use serde::Serialize;

/// A message to a room, or to all of a user's sessions.
///
/// ```
/// # use doorward_client::Post;
/// # use serde_json::json;
/// let data = json!({"text": "hello"});
/// let hello = Post::to_room("chat:lobby", &data).event("say");
/// # let _ = hello;
/// ```
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Post<'a, T: ?Sized> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    data: &'a T,
}

impl<'a, T: Serialize + ?Sized> Post<'a, T> {
    /// To the sessions that have joined a room, except the own one.
    #[must_use]
    pub const fn to_room(room: &'a str, data: &'a T) -> Self {
        Self { room: Some(room), user: None, event: None, key: None, data }
    }

    /// To all sessions of the user with this id.
    #[must_use]
    pub const fn to_user(user: &'a str, data: &'a T) -> Self {
        Self { room: None, user: Some(user), event: None, key: None, data }
    }

    /// A name for what is sent, of 1 to 64 characters.
    #[must_use]
    pub const fn event(self, event: &'a str) -> Self {
        Self { event: Some(event), ..self }
    }

    /// A text that comes with the message, of 1 to 64 characters.
    #[must_use]
    pub const fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }
}
