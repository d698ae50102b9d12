//! Why a login was revoked.

/// Why a login ended, as its row says (`logins.revoked_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevokeReason {
    /// Logout, here or from the list of devices.
    SignedOut,
    /// A refresh token came back after its successor was used: somebody has a copy.
    RefreshReuse,
    PasswordChanged,
    PasswordReset,
    AccountDisabled,
    AccountDeleted,
    /// Its current password was guessed at: the access token is in the wrong hands.
    PasswordGuessed,
    /// The user has signed in so often that the login which was used least recently made room.
    TooManyLogins,
}

impl RevokeReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::RefreshReuse => "refresh_reuse",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::AccountDisabled => "account_disabled",
            Self::AccountDeleted => "account_deleted",
            Self::PasswordGuessed => "password_guessed",
            Self::TooManyLogins => "too_many_logins",
        }
    }

    /// Reads a row's word. Whoever set a row by hand may have written anything, or nothing: that is a
    /// sign-out.
    #[must_use]
    pub fn parse(word: Option<&str>) -> Self {
        match word {
            Some("refresh_reuse") => Self::RefreshReuse,
            Some("password_changed") => Self::PasswordChanged,
            Some("password_reset") => Self::PasswordReset,
            Some("account_disabled") => Self::AccountDisabled,
            Some("account_deleted") => Self::AccountDeleted,
            Some("password_guessed") => Self::PasswordGuessed,
            Some("too_many_logins") => Self::TooManyLogins,
            _ => Self::SignedOut,
        }
    }
}
