//! What the log says about a request: its id, and who made it.

use actix_web::{HttpMessage, HttpRequest};
use doorward_core::domain::SharedText;
use uuid::Uuid;

/// In a request's extensions: its id, as the log and the response name it.
pub(super) struct RequestId(pub Uuid);

/// In a request's extensions: who made it, once that is verified. A name that was only typed may be a password.
#[derive(Debug, Clone)]
pub(super) struct RequestUser(pub SharedText);

/// Notes who made a request.
pub(super) fn note_user(request: &HttpRequest, username: SharedText) {
    request.extensions_mut().insert(RequestUser(username));
}
