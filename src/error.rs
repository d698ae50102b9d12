//! The only mapping from errors to HTTP: `application/problem+json` (RFC 9457).
//!
//! Policy: `code` is stable and for programs, `detail` is for people. A cause that lies with the server is logged
//! once, here, and never shown. 401 asks for a token, 429 and 503 say when to come back. Whether there is such an
//! account, and why a sign-in failed, is in none of them.

mod accessors;
mod api_keys;
mod limits;
mod registration;
#[cfg(test)]
mod tests;
mod tokens;

use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use diesel::result::{DatabaseErrorKind as Kind, Error as DieselError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Error;
use crate::actors::db::DbError;
use crate::actors::hasher::HashError;
use crate::limits::{in_words, whole_seconds};
use crate::transports::websocket::handshake;
use doorward_core::domain::KeyScopes;

/// Seconds after which a client may come back if nothing better is known.
const RETRY_AFTER: u32 = 2;

/// An answer that is an error.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: Code,
    detail: String,
    /// The field that it is about.
    field: Option<String>,
    /// Boxed, because most errors have none.
    cause: Option<Box<Cause>>,
    /// For 405: the methods that the resource has.
    allow: Option<&'static str>,
    /// For 429 and 503: seconds.
    retry_after: Option<u32>,
    /// The scopes of which the caller lacks one.
    needs: KeyScopes,
    clear_cookie: bool,
    /// The code is also OAuth's word for it (RFC 6749 section 5.2).
    oauth: bool,
}

/// More about what is wrong with an input.
#[derive(Debug, Clone, Default)]
struct Cause {
    /// Which of the causes of its code it is, for programs and for pages in other languages.
    reason: Option<&'static str>,
    suggestions: Vec<String>,
    suggestion_codes: Vec<&'static str>,
    /// What the detail names.
    values: Vec<(&'static str, String)>,
}

/// The word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Fixed(&'static str),
    /// `invalid_` and the name of the field.
    InvalidField,
}

/// The document. `type` is `about:blank`: `code` says more than a page would.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    #[schema(example = "about:blank")]
    r#type: &'static str,
    #[schema(example = "Unauthorized")]
    title: &'static str,
    #[schema(example = 401)]
    status: u16,
    /// Stable, for programs.
    #[schema(example = "token_expired")]
    code: &'a str,
    /// For people.
    #[schema(example = "The access token has expired. Refresh it.")]
    detail: &'a str,
    /// RFC 6749 section 5.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "invalid_grant")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "The code is not valid.")]
    error_description: Option<&'a str>,
    /// The field of the body that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "password")]
    field: Option<&'a str>,
    /// Which of the causes of `code` it is, where it has several. Stable, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "too_short")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    suggestions: &'a [String],
    /// The same as stable words, in the same order, for a weak password.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    #[schema(value_type = Vec<String>)]
    suggestion_codes: &'a [&'static str],
}

impl ApiError {
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: Code::Fixed(code),
            detail: detail.into(),
            field: None,
            cause: None,
            allow: None,
            retry_after: None,
            needs: KeyScopes::default(),
            clear_cookie: false,
            oauth: false,
        }
    }

    /// An error of a token request, by OAuth's word (RFC 6749 section 5.2).
    #[must_use]
    pub fn oauth(code: &'static str, detail: impl Into<String>) -> Self {
        Self { oauth: true, ..Self::new(StatusCode::BAD_REQUEST, code, detail) }
    }

    /// A request without a token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Send an access token: Authorization: Bearer ...")
    }

    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
    }

    /// `allow` lists the methods that the resource knows (RFC 9110 section 10.2.1).
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("This answers {allow} only.");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        Self { allow: Some(allow), ..error }
    }

    /// A field that is missing or of the wrong type.
    #[must_use]
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "", detail);
        Self { code: Code::InvalidField, field: Some(field.to_owned()), ..error }
    }

    /// The same about this field.
    fn about(self, field: &'static str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    fn because(self, cause: Cause) -> Self {
        Self { cause: Some(Box::new(cause)), ..self }
    }

    /// The server cannot serve this now.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "The server is busy. Try again in a moment.")
    }

    /// There were too many of these; the next one is accepted after `wait`.
    #[must_use]
    pub fn too_many_requests(detail: impl Into<String>, wait: Duration) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        let seconds = u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX);
        Self { retry_after: Some(seconds), ..error }
    }

    /// The server is about to stop.
    #[must_use]
    pub fn draining() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining",
            "The server is stopping. Come back in a moment.",
        )
    }

    /// Gives a field the name that it has in this request.
    #[must_use]
    pub fn rename_field(self, from: &str, to: &str) -> Self {
        if self.field.as_deref() == Some(from) { Self { field: Some(to.to_owned()), ..self } } else { self }
    }

    /// The same with another sentence.
    #[must_use]
    pub(crate) fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same with another code.
    #[must_use]
    pub(crate) fn with_code(self, code: &'static str) -> Self {
        Self { code: Code::Fixed(code), ..self }
    }

    /// A cause that lies with the server: logged here, and not shown.
    pub(crate) fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.")
    }
}

impl From<Error> for ApiError {
    #[expect(clippy::too_many_lines, reason = "the one mapping of errors, an arm for each")]
    fn from(error: Error) -> Self {
        use StatusCode as S;
        match error {
            Error::Invalid(invalid) => Self::field(invalid.field, invalid.detail).because(Cause {
                reason: invalid.reason,
                values: invalid.values,
                ..Cause::default()
            }),
            Error::WeakPassword(weak) => {
                let error = Self::new(S::UNPROCESSABLE_ENTITY, "weak_password", weak.detail);
                error.about("password").because(Cause {
                    reason: Some(weak.reason),
                    suggestions: weak.suggestions,
                    suggestion_codes: weak.suggestion_codes,
                    ..Cause::default()
                })
            }
            Error::UsernameTaken => {
                Self::new(S::CONFLICT, "username_taken", "This username is taken.").about("username")
            }
            Error::UsernameLooksTaken => {
                let detail = "This username looks like one that is taken.";
                let error = Self::new(S::CONFLICT, "username_taken", detail).about("username");
                error.because(Cause { reason: Some("similar"), ..Cause::default() })
            }
            Error::UsernameReserved => {
                let detail = "This username is reserved. Choose another one.";
                Self::new(S::CONFLICT, "username_reserved", detail).about("username")
            }
            Error::EmailHeld => {
                Self::new(S::CONFLICT, "email_held", "This address belongs to another account.")
            }
            Error::InvalidCredentials => {
                Self::new(S::UNAUTHORIZED, "invalid_credentials", crate::accounts::INVALID_CREDENTIALS)
            }
            Error::TooManyAttempts { retry_after } => {
                let wait = in_words(retry_after);
                let detail = format!("Too many wrong passwords. Try again in {wait}, or reset the password.");
                Self {
                    code: Code::Fixed("too_many_attempts"),
                    ..Self::too_many_requests(detail, retry_after)
                }
            }
            Error::ChooseAccount { usernames } => {
                let detail = "Several accounts use this email address: name yours.";
                let error = Self::new(S::CONFLICT, "choose_account", detail).about("username");
                error.because(Cause { suggestions: usernames, ..Cause::default() })
            }
            Error::WrongPassword => {
                Self::new(S::FORBIDDEN, "wrong_password", "The password is wrong.").about("current_password")
            }
            Error::RegistrationClosed
            | Error::InvitationRequired
            | Error::InvalidInvitation
            | Error::EmailNotVerified => registration::problem(&error),
            Error::InvalidCode => Self::oauth(
                "invalid_grant",
                "The code was used, has expired, or was issued for another page: code_verifier and redirect_uri must be \
                 that page's.",
            ),
            Error::InvalidRefreshToken => Self::new(
                S::UNAUTHORIZED,
                "invalid_refresh_token",
                "Sign in again: this refresh token is not valid.",
            ),
            Error::InvalidCookie => Self {
                clear_cookie: true,
                ..Self::new(S::UNAUTHORIZED, "not_signed_in", "This browser is not signed in.")
            },
            Error::InvalidLink => {
                Self::new(S::BAD_REQUEST, "invalid_link", "This link was used, has expired or never was one.")
            }
            Error::Token(token) => token.into(),
            Error::LastAdmin => Self::new(
                S::CONFLICT,
                "last_admin",
                "This is the last administrator: give another user the role admin first.",
            ),
            Error::ApiKey(key) => key.into(),
            Error::Admin(error) => error.into(),
            Error::NotFound => Self::not_found(),
            // A full disk is logged when it begins.
            Error::Db(DbError::Full | DbError::Unwritable) | Error::Hash(HashError::Full) => {
                Self::unavailable()
            }
            Error::Db(cause @ (DbError::NoConnection | DbError::Stopped)) => {
                tracing::error!(%cause, "request failed");
                Self::unavailable()
            }
            Error::Hash(cause @ HashError::Stopped) => {
                tracing::error!(%cause, "request failed");
                Self::unavailable()
            }
            Error::Db(cause @ DbError::Panicked) => Self::internal(&cause),
            Error::Hash(cause @ HashError::Failed) => Self::internal(&cause),
            Error::Query(
                cause @ DieselError::DatabaseError(
                    Kind::UniqueViolation
                    | Kind::ForeignKeyViolation
                    | Kind::NotNullViolation
                    | Kind::CheckViolation,
                    _,
                ),
            ) => Self::internal(&cause),
            // A lock that was held for too long, a full or failing disk: not the request's fault, and it may pass.
            Error::Query(cause @ DieselError::DatabaseError(..)) => {
                tracing::error!(%cause, "the database failed");
                Self::unavailable()
            }
            Error::Query(cause) => Self::internal(&cause),
            Error::DamagedKey(cause) => Self::internal(&cause),
            Error::Randomness(cause) => Self::internal(&cause),
            Error::Signing(cause) => Self::internal(&cause),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.code())
    }
}

impl ApiError {
    /// Whether the cookie that came with the request no longer works.
    #[must_use]
    pub fn clears_cookie(&self) -> bool {
        self.clear_cookie
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status);
        response.content_type("application/problem+json").insert_header((header::CACHE_CONTROL, "no-store"));
        if !self.needs.is_empty() {
            // RFC 6750 section 3.1
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", self.needs);
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        } else if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.insert_header((header::RETRY_AFTER, self.retry_after.unwrap_or(RETRY_AFTER)));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110 section 15.5.22, RFC 6455 section 4.4.
            response
                .insert_header((header::UPGRADE, "websocket"))
                .insert_header((header::SEC_WEBSOCKET_VERSION, handshake::VERSION));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        let code = self.code();
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: &code,
            detail: &self.detail,
            error: self.oauth.then_some(&code),
            error_description: self.oauth.then_some(&self.detail),
            field: self.field.as_deref(),
            reason: self.reason(),
            suggestions: self.suggestions(),
            suggestion_codes: self.suggestion_codes(),
        };
        // Strings and a number: this always is JSON.
        response.body(serde_json::to_string(&problem).unwrap_or_default())
    }
}
