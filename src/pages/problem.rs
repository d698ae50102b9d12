//! What pages say about errors: a message for each code of the API, in the language of the page.

use std::time::Duration;

use actix_web::ResponseError;
use actix_web::http::StatusCode;

use super::{FieldError, Frame};
use crate::error::ApiError;
use crate::limits::whole_seconds;
use crate::text::Text;

impl Frame<'_> {
    /// What went wrong, as a sentence. An error that no page is known to meet gets a general one.
    #[must_use]
    pub fn detail(&self, error: &ApiError) -> String {
        let key = key_of(error);
        let key = if self.language.knows(&key) { key } else { "error-other".to_owned() };
        let wait = error.wait().map(|wait| self.wait(wait)).unwrap_or_default();
        let text = self.t(key).with("wait", wait).with("home", self.public_url);
        let values = error.values().iter();
        values.fold(text, |text, (name, value)| text.with(name, value)).to_string()
    }

    /// The same for a field, with suggestions.
    #[must_use]
    pub fn field_error(&self, field: &str, error: &ApiError) -> FieldError {
        let suggest = |code: &&str| self.t(key("rating-suggest", code)).to_string();
        let suggestions = match error.suggestion_codes() {
            [] => error.suggestions().to_vec(),
            codes => codes.iter().map(suggest).collect(),
        };
        FieldError { field: field.to_owned(), detail: self.detail(error), suggestions }
    }

    /// The heading of the page that is shown in place of the one that failed.
    #[must_use]
    pub fn error_title(&self, error: &ApiError) -> Text<'_> {
        let own = key("error-title", &error.code());
        if self.language.knows(&own) {
            return self.t(own);
        }
        self.t(match error.status_code() {
            StatusCode::NOT_FOUND => "error-title-not-found",
            StatusCode::FORBIDDEN => "error-title-forbidden",
            StatusCode::TOO_MANY_REQUESTS => "error-title-too-many-requests",
            StatusCode::SERVICE_UNAVAILABLE => "error-title-unavailable",
            status if status.is_server_error() => "error-title-internal",
            _ => "error-title-other",
        })
    }

    /// A wait for people, rounded up.
    fn wait(&self, wait: Duration) -> String {
        let seconds = whole_seconds(wait);
        let (key, count) =
            if seconds < 120 { ("wait-seconds", seconds) } else { ("wait-minutes", seconds.div_ceil(60)) };
        self.t(key).with("count", count).to_string()
    }
}

/// The key of an error's message.
fn key_of(error: &ApiError) -> String {
    match (error.code().as_str(), error.reason()) {
        ("weak_password", reason) => key("rating", reason.unwrap_or("weak")),
        (code, Some(reason)) => format!("{}-{}", key("error", code), reason.replace('_', "-")),
        (code, None) => key("error", code),
    }
}

/// Keys have `-` where the API's words have `_`.
fn key(prefix: &str, word: &str) -> String {
    format!("{prefix}-{}", word.replace('_', "-"))
}
