//! The errors of the server API's callers.

use actix_web::http::StatusCode;

use super::ApiError;
use crate::accounts::KeyError;
use doorward_core::domain::KeyScope;

impl ApiError {
    /// The caller is known, but lacks each of these scopes, one of which is needed (RFC 6750 section 3.1).
    #[must_use]
    pub fn insufficient_scope(scopes: &[KeyScope]) -> Self {
        let words =
            |separator: &str| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(separator);
        let detail =
            format!("This needs an API key with the scope {}, or a user with the role admin.", words(" or "));
        let error = Self::new(StatusCode::FORBIDDEN, "insufficient_scope", detail);
        let challenge = format!("error=\"insufficient_scope\", scope=\"{}\"", words(" "));
        Self { challenge: Some(challenge), ..error }
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
