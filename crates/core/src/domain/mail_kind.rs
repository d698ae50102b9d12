//! The kinds of emails.

/// The kind of an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    VerifyEmail,
    ResetPassword,
    /// To an address that accounts claim and none has verified: the owner of the mailbox chooses the account.
    ResetByAddress,
    PasswordChanged,
    EmailChanged,
    /// As `EmailChanged`, with a link that undoes the change.
    EmailChangedUndo,
    /// To a person without an account, who may register with its link.
    Invitation,
    /// A sign-in on a device that is not known, with a link for a user who did not sign in there.
    NewDevice,
}

impl MailKind {
    pub const ALL: [Self; 8] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ResetByAddress,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::EmailChangedUndo,
        Self::Invitation,
        Self::NewDevice,
    ];

    /// Emails that anyone can request for an address, and whose links are revoked with what they were
    /// requested for.
    pub const ASKED_FOR: [Self; 3] = [Self::VerifyEmail, Self::ResetPassword, Self::ResetByAddress];

    /// Whether it tells the owner about a change made with the account's own password or link.
    #[must_use]
    pub fn is_notice(self) -> bool {
        !Self::ASKED_FOR.contains(&self)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ResetByAddress => "reset_by_address",
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
            Self::EmailChangedUndo => "email_changed_undo",
            Self::Invitation => "invitation",
            Self::NewDevice => "new_device",
        }
    }
}

impl MailKind {
    /// Parses the text of a row.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
