//! Confirms what was just done, once, on the next page.

/// The notice travels in the query of a redirect, as a fixed word, so that a link cannot make the page say
/// anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    SignedOut,
    PasswordReset,
    EmailRestored,
    EmailVerified,
    ResetRequested,
    AccountDeleted,
    DeviceSignedOut,
    OthersSignedOut,
    NameChanged,
    PasswordChanged,
    LinkSent,
    /// A new account's address has to be verified first.
    ConfirmAddress,
    Registered,
}

impl Notice {
    pub const ALL: [Self; 13] = [
        Self::SignedOut,
        Self::PasswordReset,
        Self::EmailRestored,
        Self::EmailVerified,
        Self::ResetRequested,
        Self::AccountDeleted,
        Self::DeviceSignedOut,
        Self::OthersSignedOut,
        Self::NameChanged,
        Self::PasswordChanged,
        Self::LinkSent,
        Self::ConfirmAddress,
        Self::Registered,
    ];

    /// The word in the query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::PasswordReset => "password-reset",
            Self::EmailRestored => "email-restored",
            Self::EmailVerified => "email-verified",
            Self::ResetRequested => "reset-requested",
            Self::AccountDeleted => "account-deleted",
            Self::DeviceSignedOut => "device-signed-out",
            Self::OthersSignedOut => "others-signed-out",
            Self::NameChanged => "name-changed",
            Self::PasswordChanged => "password-changed",
            Self::LinkSent => "link-sent",
            Self::ConfirmAddress => "confirm-address",
            Self::Registered => "registered",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == word)
    }

    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SignedOut => "You are signed out.",
            Self::PasswordReset => {
                "Your new password is set, and every device is signed out. Sign in with it."
            }
            Self::EmailRestored => {
                "Your email address is yours again, your new password is set, and every device is signed out."
            }
            Self::EmailVerified => "Your email address is confirmed.",
            Self::ResetRequested => {
                "If there is such an account with an email address, a link is on its way. It works for an hour."
            }
            Self::AccountDeleted => "Your account is deleted.",
            Self::DeviceSignedOut => "The device is signed out, and its connections are closed.",
            Self::OthersSignedOut => "You are signed out everywhere else.",
            Self::NameChanged => "Your display name is changed.",
            Self::PasswordChanged => "Your password is changed, and you are signed out everywhere else.",
            Self::ConfirmAddress => {
                "Your account is created. Open the link that is on its way to your address, then sign in."
            }
            Self::Registered => "Your account is created. Sign in to it.",
            Self::LinkSent => "A link is on its way. The address is yours once you follow it.",
        }
    }
}
