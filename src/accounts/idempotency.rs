//! Requests that are done once, however often they are sent: a client that got no answer sends the same
//! `Idempotency-Key` again and gets the answer of the first request (draft-ietf-httpapi-idempotency-key-header-07).

use chrono::TimeDelta;

use super::{Accounts, AdminError, Error};
use crate::auth::sealed_answer::AnswerSeal;
use crate::auth::secret::hash_token;
use crate::db::{self, Conn};
use crate::models::idempotency_keys;

/// For how long a request that was begun may still be running. Bodies are read before, and no work takes as long.
const RUNNING: TimeDelta = TimeDelta::minutes(1);

/// How a client names a request. No `Debug`: it decrypts the stored answer.
#[derive(Clone)]
pub struct RequestName {
    id: String,
    seal: AnswerSeal,
    /// SHA-256 of the request.
    request: String,
}

impl RequestName {
    /// `sender` tells clients apart: two may choose the same key. `request` is the whole request.
    #[must_use]
    pub fn new(sender: &str, key: &str, request: &str) -> Self {
        // No sender has a line break in it.
        let id = hash_token(&format!("{sender}\n{key}"));
        Self { id, seal: AnswerSeal::of_key(key), request: hash_token(request) }
    }
}

impl Accounts {
    /// Begins a request. Returns what the first one of this name was answered, if there was one.
    ///
    /// # Errors
    /// [`AdminError::OtherRequest`] if the first one was another request, [`AdminError::StillRunning`] if it is not
    /// answered yet, [`AdminError::OutcomeUnknown`] if the server stopped before it was.
    pub async fn begin_once(&self, name: &RequestName) -> Result<Option<Vec<u8>>, Error> {
        let (this, name) = (self.clone(), name.clone());
        let begin = move |conn: &mut Conn| {
            let now = this.0.clock.now();
            if idempotency_keys::begin(conn, &name.id, &name.request, now)? {
                return Ok(None);
            }
            // Forgotten in between: the first one did nothing, and the client may send it once more.
            let first = idempotency_keys::find(conn, &name.id)?.ok_or(AdminError::StillRunning)?;
            if first.request != name.request {
                return Err(AdminError::OtherRequest.into());
            }
            match first.answer {
                Some(answer) => {
                    Ok(Some(name.seal.open(&name.id, &answer).ok_or(AdminError::OutcomeUnknown)?))
                }
                None if first.created_at + RUNNING > now => Err(AdminError::StillRunning.into()),
                None => Err(AdminError::OutcomeUnknown.into()),
            }
        };
        // With the reserve: an account is disabled on a full disk too.
        self.0.db.transaction_with_reserve(begin).await
    }

    /// Keeps the answer to a request that was begun, for a day. Without an answer the request is forgotten: it did
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]: the request counts as one whose outcome is unknown.
    pub async fn finish_once(&self, name: RequestName, answer: Option<Vec<u8>>) -> Result<(), Error> {
        let finish = move |conn: &mut Conn| {
            let sealed = answer.map(|answer| name.seal.seal(&name.id, &answer));
            db::write(conn, |conn| match &sealed {
                Some(Ok(sealed)) => idempotency_keys::finish(conn, &name.id, sealed),
                // The row without an answer says that it was begun.
                Some(Err(_)) => Ok(()),
                None => idempotency_keys::forget(conn, &name.id),
            })
            .map_err(Error::from)
        };
        self.0.db.run_revoking(finish).await
    }
}
