//! Why an access token is refused.

use actix_web::http::StatusCode;

use super::ApiError;
use crate::auth::tokens::TokenError;

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        if error == TokenError::StaleRevocations {
            // The database is away, or this process was: it cannot tell whether the login was revoked.
            return Self::unavailable();
        }
        let (code, detail) = match error {
            TokenError::Invalid | TokenError::StaleRevocations => {
                ("invalid_token", "The access token is not valid.")
            }
            TokenError::Expired => ("token_expired", "The access token has expired. Refresh it."),
            TokenError::StaleClaims => {
                let detail =
                    "The user's roles or claims have changed. Refresh the token; no new sign-in is needed.";
                ("token_stale", detail)
            }
            TokenError::Revoked(_) => ("token_revoked", "This sign-in has ended."),
        };
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }
}
