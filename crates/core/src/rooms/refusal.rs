//! Why a request about rooms is not done.

use std::time::Duration;

/// Why a request is not done. The session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub detail: &'static str,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    #[must_use]
    pub const fn new(code: &'static str, detail: &'static str) -> Self {
        Self { code, detail, retry_after: None }
    }

    /// Too many: another one is allowed after this time.
    #[must_use]
    pub const fn later(wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new("too_many_requests", "too many requests: slow down") }
    }
}

pub(super) const BAD_ROOM: Refusal = Refusal::new(
    "bad_room",
    "a room's name is `kind:rest`, at most 200 bytes of letters, digits and ._:@=+-",
);
pub(super) const UNKNOWN_ROOM: Refusal = Refusal::new("unknown_room", "there are no rooms of this kind");
