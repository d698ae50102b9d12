//! Confirms what was just done, once, on the next page.

/// The notice travels in the query of a redirect, as a fixed word, so that a link cannot make the page say
/// anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    SignedOut,
    PasswordReset,
    EmailRestored,
    EmailVerified,
    AccountDeleted,
    DeviceSignedOut,
    OthersSignedOut,
    ProfileSaved,
    PasswordChanged,
    LinkSent,
    LinkSentAgain,
    EmailChangeCanceled,
    Registered,
    /// A device that was someone else's is signed out.
    DeviceDisowned,
    /// The same, of an account that has another address by now.
    DeviceDisownedOnly,
}

impl Notice {
    pub const ALL: [Self; 15] = [
        Self::SignedOut,
        Self::PasswordReset,
        Self::EmailRestored,
        Self::EmailVerified,
        Self::AccountDeleted,
        Self::DeviceSignedOut,
        Self::OthersSignedOut,
        Self::ProfileSaved,
        Self::PasswordChanged,
        Self::LinkSent,
        Self::LinkSentAgain,
        Self::EmailChangeCanceled,
        Self::Registered,
        Self::DeviceDisowned,
        Self::DeviceDisownedOnly,
    ];

    /// The word in the query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::PasswordReset => "password-reset",
            Self::EmailRestored => "email-restored",
            Self::EmailVerified => "email-verified",
            Self::AccountDeleted => "account-deleted",
            Self::DeviceSignedOut => "device-signed-out",
            Self::OthersSignedOut => "others-signed-out",
            Self::ProfileSaved => "profile-saved",
            Self::PasswordChanged => "password-changed",
            Self::LinkSent => "link-sent",
            Self::LinkSentAgain => "link-sent-again",
            Self::EmailChangeCanceled => "email-change-canceled",
            Self::Registered => "registered",
            Self::DeviceDisowned => "device-disowned",
            Self::DeviceDisownedOnly => "device-disowned-only",
        }
    }

    /// The section of the account page that it is about, by its id. None: the whole account.
    #[must_use]
    pub const fn section(self) -> Option<&'static str> {
        match self {
            Self::ProfileSaved
            | Self::EmailVerified
            | Self::LinkSent
            | Self::LinkSentAgain
            | Self::EmailChangeCanceled => Some("profile"),
            Self::PasswordChanged => Some("security"),
            Self::DeviceSignedOut | Self::OthersSignedOut => Some("devices"),
            Self::SignedOut
            | Self::PasswordReset
            | Self::EmailRestored
            | Self::AccountDeleted
            | Self::Registered
            | Self::DeviceDisowned
            | Self::DeviceDisownedOnly => None,
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == word)
    }

    /// The key of its message.
    #[must_use]
    pub fn key(self) -> String {
        format!("notice-{}", self.as_str())
    }
}
