//! What a refused sign-in means for the client.

use std::time::Duration;

use crate::close::{CloseReason, Reconnect};
use crate::error::Error;

/// What a server says of every failed sign-in, for the transport that does not carry the sentence.
pub const INVALID_CREDENTIALS: &str = "The login or the password is wrong. An email address counts once it is verified; \
                                       a username always does.";

/// A `goodbye` that arrived before the session was signed in.
pub fn before_welcome(reason: CloseReason) -> Error {
    match reason.reconnect {
        Reconnect::Never => Error::Refused(reason.reason),
        Reconnect::NewToken => Error::InvalidToken,
        Reconnect::Backoff => Error::Busy { reason: reason.reason, retry_after: Duration::ZERO },
    }
}
