//! What a handler answers.

use std::borrow::Cow;

use serde_json::Value;

use doorward_core::protocol::{BadPayload, Payload};
use doorward_core::rooms::Refusal;

/// An answer. Where a Socket.IO client waits for an acknowledgement it becomes that, else an event of the same
/// name; elsewhere it is a message of the request's `type` with its `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nothing,
    Event(Payload),
    /// Only for a client that waits for it.
    Acknowledge(Payload),
    Error(Error),
}

/// An error as the client is told it: a stable code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Error {
    pub code: Cow<'static, str>,
    pub detail: Cow<'static, str>,
}

impl Error {
    pub fn new(code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

impl From<BadPayload> for Error {
    fn from(error: BadPayload) -> Self {
        Self::new("bad_payload", error.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.detail)
    }
}

impl From<()> for Reply {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

impl From<Payload> for Reply {
    fn from(payload: Payload) -> Self {
        Self::Event(payload)
    }
}

/// One argument.
impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Payload::new(&value).into()
    }
}

impl<T: Into<Self>, E: Into<Error>> From<Result<T, E>> for Reply {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(reply) => reply.into(),
            Err(error) => Self::Error(error.into()),
        }
    }
}
