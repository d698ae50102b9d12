//! The words of the audit trail: what happened, who did it, and how it ended.

use serde::Deserialize;
use utoipa::ToSchema;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Registered,
    /// Brought in from another system's file; `detail` says from where.
    Imported,
    Exported,
    SignedIn,
    PasswordReset,
    PasswordChanged,
    EmailChangeRequested,
    EmailVerified,
    /// An administrator took back that an address is verified.
    EmailUnverified,
    /// An administrator sent a link for a new password.
    ResetStarted,
    /// An account that was never used after its registration was removed.
    RemovedUnused,
    RefreshReused,
    /// A person was invited to register; `detail` is the invitation's id.
    Invited,
    InvitationRevoked,
    /// A code for an app was used again: the login that was made for it was revoked.
    CodeReused,
    /// Ten wrong current passwords: the login was revoked.
    PasswordGuessed,
    /// A user said that a login was someone else's, and it was revoked.
    LoginDisowned,
    /// A change of address was taken back from the former one.
    EmailChangeUndone,
    /// An administrator or an API key changed the name that is shown of a user.
    Renamed,
    /// An administrator or an API key changed the language for a user's pages and emails.
    LanguageChanged,
    Disabled,
    Unlocked,
    Enabled,
    Deleted,
    KeysRotated,
    /// `detail` names the roles, those that were removed with a minus.
    RolesChanged,
    /// `detail` names the members that were set, and those that were removed with a minus.
    ClaimsChanged,
    /// An API key was made; `detail` has its id, name and scopes.
    ApiKeyCreated,
    /// An API key got a new secret; `detail` has its id and name.
    ApiKeyRotated,
    ApiKeyRevoked,
    /// Logins were revoked by an operator, an administrator or an API key.
    LoginsRevoked,
    /// An email could not be sent; `detail` says of which kind it was.
    MailGivenUp,
    /// A client tried to sign in with a password, and was not let in.
    SignInFailed,
    /// A signed-in user was asked for the current password again, and it was wrong or no longer checked.
    ConfirmationFailed,
    ApiKeyRefused,
    /// A limit by client address was used up; the reason is the limit's name.
    LimitReached,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    /// What the client presented was wrong.
    Failed,
    /// A rule forbids it, whatever the client presents.
    Refused,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// Why an action did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    WrongPassword,
    /// There is no account with the name. The name itself is not recorded: it may be a password.
    UnknownUser,
    /// So many passwords were wrong that none is checked for a while.
    Locked,
    Disabled,
    EmailNotVerified,
    /// A refresh token or a code came a second time.
    Reused,
    /// An API key that was not issued here, or whose secret was replaced.
    UnknownKey,
    Expired,
    Revoked,
    /// An API key may not be used from this address.
    OtherAddress,
    /// The name of a limit, as in the header `RateLimit`.
    Limit(&'static str),
}

impl Reason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::UnknownUser => "unknown_user",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
            Self::EmailNotVerified => "email_not_verified",
            Self::Reused => "reused",
            Self::UnknownKey => "unknown_key",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::OtherAddress => "other_address",
            Self::Limit(name) => name,
        }
    }

    /// How an action ends for this reason.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::WrongPassword | Self::UnknownUser | Self::UnknownKey => Outcome::Failed,
            Self::Locked
            | Self::Disabled
            | Self::EmailNotVerified
            | Self::Reused
            | Self::Expired
            | Self::Revoked
            | Self::OtherAddress
            | Self::Limit(_) => Outcome::Refused,
        }
    }
}

/// What kind of caller did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A client over the network; its user is mostly the subject.
    User,
    /// An application's backend, with an API key.
    ApiKey,
    /// The command line on this machine.
    Operator,
    /// The server itself, without being asked.
    Server,
}

impl Actor {
    /// A user's is null, as the first versions wrote it.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::User => None,
            Self::ApiKey => Some("api_key"),
            Self::Operator => Some("operator"),
            Self::Server => Some("server"),
        }
    }
}

impl Action {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Imported => "imported",
            Self::Exported => "exported",
            Self::SignedIn => "signed_in",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailVerified => "email_verified",
            Self::EmailUnverified => "email_unverified",
            Self::ResetStarted => "reset_started",
            Self::RemovedUnused => "removed_unused",
            Self::RefreshReused => "refresh_reused",
            Self::Invited => "invited",
            Self::InvitationRevoked => "invitation_revoked",
            Self::CodeReused => "code_reused",
            Self::PasswordGuessed => "password_guessed",
            Self::LoginDisowned => "login_disowned",
            Self::EmailChangeUndone => "email_change_undone",
            Self::Renamed => "renamed",
            Self::LanguageChanged => "language_changed",
            Self::Unlocked => "unlocked",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
            Self::KeysRotated => "keys_rotated",
            Self::RolesChanged => "roles_changed",
            Self::ClaimsChanged => "claims_changed",
            Self::ApiKeyCreated => "api_key_created",
            Self::ApiKeyRotated => "api_key_rotated",
            Self::ApiKeyRevoked => "api_key_revoked",
            Self::LoginsRevoked => "logins_revoked",
            Self::MailGivenUp => "mail_given_up",
            Self::SignInFailed => "sign_in_failed",
            Self::ConfirmationFailed => "confirmation_failed",
            Self::ApiKeyRefused => "api_key_refused",
            Self::LimitReached => "limit_reached",
        }
    }

    /// How it ended, where nothing else is said.
    #[must_use]
    pub const fn ending(self) -> (Outcome, Option<Reason>) {
        match self {
            Self::RefreshReused | Self::CodeReused => (Outcome::Refused, Some(Reason::Reused)),
            Self::PasswordGuessed => (Outcome::Refused, Some(Reason::WrongPassword)),
            Self::MailGivenUp => (Outcome::Failed, None),
            _ => (Outcome::Succeeded, None),
        }
    }
}
