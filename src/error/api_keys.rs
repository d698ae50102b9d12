//! The errors of the server API's callers.

use actix_web::http::StatusCode;

use super::ApiError;
use crate::accounts::{AdminError, KeyError};
use doorward_core::domain::KeyScope;

impl ApiError {
    /// The caller is known, but lacks each of these scopes, one of which is needed (RFC 6750 section 3.1).
    #[must_use]
    pub fn insufficient_scope(scopes: &[KeyScope]) -> Self {
        let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let detail = format!(
            "This needs an API key with the scope {}, or a user with the role admin.",
            words.join(" or ")
        );
        let error = Self::new(StatusCode::FORBIDDEN, "insufficient_scope", detail);
        Self { needs: scopes.iter().copied().collect(), ..error }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let (status, code, detail) = match error {
            KeyError::Invalid => (StatusCode::UNAUTHORIZED, "invalid_api_key", "The API key is not valid."),
            KeyError::Expired => (StatusCode::UNAUTHORIZED, "api_key_expired", "The API key has expired."),
            KeyError::Revoked => (StatusCode::UNAUTHORIZED, "api_key_revoked", "The API key was revoked."),
            KeyError::Address => {
                let detail = "The API key cannot be used from this address.";
                (StatusCode::FORBIDDEN, "address_not_allowed", detail)
            }
        };
        Self::new(status, code, detail)
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        use StatusCode as S;
        match error {
            AdminError::BeyondOwnRights(beyond) => {
                Self::new(S::FORBIDDEN, "exceeds_own_rights", format!("This key {beyond}."))
            }
            AdminError::AdminBeyondOwnRights(beyond) => {
                Self::new(S::FORBIDDEN, "exceeds_own_rights", format!("The role admin {beyond}."))
            }
            AdminError::MissingScope(scope) => Self::insufficient_scope(&[scope]),
            AdminError::Stale => {
                let detail = "The account has changed since. Read it again.";
                Self::new(S::PRECONDITION_FAILED, "precondition_failed", detail)
            }
            AdminError::NoVerifiedEmail => {
                let detail = "The account has no verified email address.";
                Self::new(S::CONFLICT, "no_verified_email", detail)
            }
            AdminError::TooManyKeys => {
                Self::new(S::CONFLICT, "too_many_api_keys", "There are too many API keys. Revoke some first.")
            }
            AdminError::OtherRequest => {
                let detail = "This Idempotency-Key was used with another request. Use a new one.";
                Self::new(S::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
            AdminError::StillRunning => {
                let detail =
                    "The first request with this Idempotency-Key is not answered yet. Try again soon.";
                Self::new(S::CONFLICT, "idempotency_in_progress", detail)
            }
            AdminError::OutcomeUnknown => {
                let detail = "The server stopped during the first request with this Idempotency-Key. Look \
                              whether it was done, and use a new key.";
                Self::new(S::CONFLICT, "idempotency_outcome_unknown", detail)
            }
            AdminError::UnknownRoom => {
                let detail = "There are no rooms of this kind: the configuration has none of this name.";
                Self::new(S::NOT_FOUND, "unknown_room", detail)
            }
            AdminError::EventsGone => {
                let detail = "Events after this number are not kept any more. Read the lists again.";
                Self::new(S::GONE, "events_gone", detail)
            }
        }
    }
}
