//! Which email.

/// Which mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    VerifyEmail,
    ResetPassword,
    /// To an address that accounts claim and none has verified: the owner of the mailbox chooses the account.
    ResetByAddress,
    PasswordChanged,
    EmailChanged,
    /// The same with a link that takes the change back.
    EmailChangedUndo,
}

impl MailKind {
    pub const ALL: [Self; 6] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ResetByAddress,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::EmailChangedUndo,
    ];

    /// Those that anybody can have sent to an address, and whose links end with what they were asked for.
    pub const ASKED_FOR: [Self; 3] = [Self::VerifyEmail, Self::ResetPassword, Self::ResetByAddress];

    /// Tells the owner of something that was done with the account's own password or link.
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
        }
    }
}

impl MailKind {
    /// Reads a row's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
