//! The errors of registration.

use actix_web::http::StatusCode;

use super::ApiError;
use crate::accounts::Error;

/// Why a user may not register, or not sign in yet.
pub(super) fn problem(error: &Error) -> ApiError {
    let (status, code, detail) = match error {
        Error::InvitationRequired => {
            (StatusCode::FORBIDDEN, "invitation_required", "A new account needs an invitation.")
        }
        Error::InvalidInvitation => (
            StatusCode::BAD_REQUEST,
            "invalid_invitation",
            "This invitation was used or revoked, has expired, or never was one.",
        ),
        Error::EmailNotVerified => (
            StatusCode::FORBIDDEN,
            "email_not_verified",
            "Confirm your email address first: a link was sent to it. If it does not arrive, sign in again after a \
             minute, and another one is sent.",
        ),
        _ => (StatusCode::FORBIDDEN, "registration_closed", "No new accounts can be created here."),
    };
    ApiError::new(status, code, detail)
}
