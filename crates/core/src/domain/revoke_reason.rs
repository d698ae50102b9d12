//! Why a login was revoked.

/// Why a login was revoked, as its row stores it (`logins.revoked_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevokeReason {
    /// Signed out, on the device itself or from the list of devices.
    SignedOut,
    /// A refresh token was used again after its successor: a second client has a copy.
    RefreshReuse,
    /// The code that it was made for was used again: a second client has a copy.
    CodeReuse,
    PasswordChanged,
    PasswordReset,
    AccountDisabled,
    AccountDeleted,
    /// Its current password was guessed at: the access token is probably stolen.
    PasswordGuessed,
    /// The user signed in so often that the least recently used login made room.
    TooManyLogins,
    /// The user says that it was someone else who signed in.
    NotMe,
}

impl RevokeReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::RefreshReuse => "refresh_reuse",
            Self::CodeReuse => "code_reuse",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::AccountDisabled => "account_disabled",
            Self::AccountDeleted => "account_deleted",
            Self::PasswordGuessed => "password_guessed",
            Self::TooManyLogins => "too_many_logins",
            Self::NotMe => "not_me",
        }
    }

    /// Parses the text of a row. A row that was edited by hand may hold anything or nothing, which counts as
    /// a sign-out.
    #[must_use]
    pub fn parse(word: Option<&str>) -> Self {
        match word {
            Some("refresh_reuse") => Self::RefreshReuse,
            Some("code_reuse") => Self::CodeReuse,
            Some("password_changed") => Self::PasswordChanged,
            Some("password_reset") => Self::PasswordReset,
            Some("account_disabled") => Self::AccountDisabled,
            Some("account_deleted") => Self::AccountDeleted,
            Some("password_guessed") => Self::PasswordGuessed,
            Some("too_many_logins") => Self::TooManyLogins,
            Some("not_me") => Self::NotMe,
            _ => Self::SignedOut,
        }
    }
}
