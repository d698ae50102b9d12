//! Why the server closed a session, and what the client may do next.

use std::fmt;

use serde_json::Value;

/// The close code of RFC 6455 for "no code was given".
const NO_CODE: u16 = 1005;

/// What a client may do after the server closed its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Do not connect again before a new sign-in, or with this version of the client.
    Never,
    /// Fetch a new access token, then connect again.
    NewToken,
    /// Connect again with the same token, after a random and growing delay.
    Backoff,
}

impl Reconnect {
    /// The protocol's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::NewToken => "new_token",
            Self::Backoff => "backoff",
        }
    }
}

/// The server's reason for closing a session, as its `goodbye` message states it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReason {
    /// A WebSocket close code (RFC 6455, section 7.4). Codes from 4000 to 4999 are Doorward's own; the protocol's
    /// reference lists them. 1005 if the server gave none.
    pub code: u16,
    /// A sentence for the user, such as `the password was changed`.
    pub reason: String,
    /// What the client may do next.
    pub reconnect: Reconnect,
}

impl CloseReason {
    /// Reads a `goodbye`; `None` for any other message. A value of `reconnect` that this version does not know counts as
    /// [`Reconnect::Backoff`].
    #[must_use]
    pub fn from_goodbye(message: &Value) -> Option<Self> {
        (message["type"] == "goodbye").then(|| Self {
            code: message["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(NO_CODE),
            reason: message["reason"].as_str().unwrap_or("no reason given").to_owned(),
            reconnect: match message["reconnect"].as_str() {
                Some("never") => Reconnect::Never,
                Some("new_token") => Reconnect::NewToken,
                _ => Reconnect::Backoff,
            },
        })
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.code)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_goodbye_states_what_may_follow() {
        for (word, reconnect) in [
            (json!("never"), Reconnect::Never),
            (json!("new_token"), Reconnect::NewToken),
            (json!("backoff"), Reconnect::Backoff),
            (json!("a later version's word"), Reconnect::Backoff),
            (json!(null), Reconnect::Backoff),
        ] {
            let goodbye = json!({"type": "goodbye", "code": 4441, "reason": "signed out", "reconnect": word});
            let expected = CloseReason { code: 4441, reason: "signed out".to_owned(), reconnect };
            assert_eq!(CloseReason::from_goodbye(&goodbye), Some(expected));
        }
        assert_eq!(CloseReason::from_goodbye(&json!({"type": "welcome"})), None);
        assert_eq!(
            CloseReason::from_goodbye(&json!({"type": "goodbye", "code": 70_000})).unwrap().code,
            NO_CODE
        );
    }
}
