//! What pages and other handlers read from an error, and what they add.

use std::time::Duration;

use actix_web::http::StatusCode;

use super::{ApiError, Code};

impl ApiError {
    /// The field that it is about, if it is about one.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// A sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What to do about it.
    #[must_use]
    pub fn suggestions(&self) -> &[String] {
        self.cause.as_deref().map_or(&[], |cause| &cause.suggestions)
    }

    /// Which of the causes of its code it is, if there are several.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.cause.as_deref().and_then(|cause| cause.reason)
    }

    /// The suggestions as stable words, in the same order.
    pub(crate) fn suggestion_codes(&self) -> &[&'static str] {
        self.cause.as_deref().map_or(&[], |cause| &cause.suggestion_codes)
    }

    /// What the detail names.
    pub(crate) fn values(&self) -> &[(&'static str, String)] {
        self.cause.as_deref().map_or(&[], |cause| &cause.values)
    }

    /// The same for this of the causes of its code.
    #[must_use]
    pub(crate) fn with_reason(mut self, reason: &'static str) -> Self {
        self.cause.get_or_insert_default().reason = Some(reason);
        self
    }

    /// The same with a value that its detail names, for pages in other languages.
    #[must_use]
    pub(crate) fn naming(mut self, name: &'static str, value: &dyn std::fmt::Display) -> Self {
        self.cause.get_or_insert_default().values.push((name, value.to_string()));
        self
    }

    /// When to try again, for 429 and 503.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.retry_after.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Whether the cause lies with the server: nothing that the user types can fix it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.status == StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> String {
        match self.code {
            Code::Fixed(code) => code.to_owned(),
            Code::InvalidField => format!("invalid_{}", self.field.as_deref().unwrap_or("field")),
        }
    }
}
