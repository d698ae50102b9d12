//! What the server sends.

use std::ops::Index;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::close::CloseReason;

/// One message of the server: a JSON object whose `type` tells its other fields. Fields are read by name:
/// `message["user"]["username"].as_str()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    text: String,
    value: Value,
}

impl Message {
    /// The message's `type`, such as `welcome`. Empty if the server sent anything but an object with a `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.value["type"].as_str().unwrap_or_default()
    }

    /// The `id` of the request that this message answers.
    #[must_use]
    pub fn id(&self) -> Option<&Value> {
        self.value.get("id")
    }

    /// Whether this is the reply to the request with this id.
    #[must_use]
    pub fn answers(&self, id: &str) -> bool {
        self.id().and_then(Value::as_str) == Some(id)
    }

    /// The message as it arrived.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed message; [`Value::Null`] if it was not JSON.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.value
    }

    /// Reads the message into a type of yours.
    ///
    /// # Errors
    /// The message does not have the fields that `T` requires.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }

    /// Why the session ends, if this is the server's `goodbye`.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        CloseReason::from_goodbye(&self.value)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        let value = serde_json::from_str(&text).unwrap_or_default();
        Self { text, value }
    }
}

/// A field by its name; [`Value::Null`] if there is none.
impl Index<&str> for Message {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.value[field]
    }
}
