//! The words of the audit trail: what happened, who did it, and how it ended.

use serde::Deserialize;
use utoipa::ToSchema;

/// An enum of words, each with the text that rows, log lines and filters have.
macro_rules! actions {
    ($($(#[$about:meta])* $action:ident => $word:literal,)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$about])* $action,)+
        }

        impl Action {
            pub const ALL: &'static [Self] = &[$(Self::$action),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $word,)+
                }
            }
        }
    };
}

actions! {
    Registered => "registered",
    /// Brought in from another system's file; `detail` says from where.
    Imported => "imported",
    Exported => "exported",
    SignedIn => "signed_in",
    SignedOut => "signed_out",
    PasswordReset => "password_reset",
    PasswordChanged => "password_changed",
    EmailChangeRequested => "email_change_requested",
    EmailVerified => "email_verified",
    /// An administrator took back that an address is verified.
    EmailUnverified => "email_unverified",
    /// An administrator sent a link for a new password.
    ResetStarted => "reset_started",
    /// An account that was never used after its registration was removed.
    RemovedUnused => "removed_unused",
    RefreshReused => "refresh_reused",
    /// A person was invited to register; `detail` is the invitation's id.
    Invited => "invited",
    InvitationRevoked => "invitation_revoked",
    /// A code for an app was used again: the login that was made for it was revoked.
    CodeReused => "code_reused",
    /// Ten wrong current passwords: the login was revoked.
    PasswordGuessed => "password_guessed",
    /// A user said that a login was someone else's, and it was revoked.
    LoginDisowned => "login_disowned",
    /// A change of address was taken back from the former one.
    EmailChangeUndone => "email_change_undone",
    /// An administrator or an API key changed the name that is shown of a user.
    Renamed => "renamed",
    /// An administrator or an API key changed the language for a user's pages and emails.
    LanguageChanged => "language_changed",
    Disabled => "disabled",
    Unlocked => "unlocked",
    Enabled => "enabled",
    Deleted => "deleted",
    KeysRotated => "keys_rotated",
    /// `detail` names the roles, those that were removed with a minus.
    RolesChanged => "roles_changed",
    /// `detail` names the members that were set, and those that were removed with a minus.
    ClaimsChanged => "claims_changed",
    /// An API key was made; `detail` has its id, name and scopes.
    ApiKeyCreated => "api_key_created",
    /// An API key got a new secret; `detail` has its id and name.
    ApiKeyRotated => "api_key_rotated",
    ApiKeyRevoked => "api_key_revoked",
    /// Other logins, or all, were revoked by their user, an operator, an administrator or an API key.
    LoginsRevoked => "logins_revoked",
    /// A user was made a member of a room; `detail` is the room, and until when.
    RoomMemberAdded => "room_member_added",
    /// `detail` is the room.
    RoomMemberRemoved => "room_member_removed",
    /// A user was banned from a room or from all of a kind; `detail` is which, and until when.
    RoomBanned => "room_banned",
    RoomUnbanned => "room_unbanned",
    /// A user's sessions were put out of a room; `detail` is the room.
    RoomKicked => "room_kicked",
    /// All sessions were put out of a room; `detail` is the room.
    RoomClosed => "room_closed",
    /// Room tokens were revoked; `detail` is the `jti`, or before when they were issued.
    RoomTokensRevoked => "room_tokens_revoked",
    /// An email could not be sent; `detail` says of which kind it was.
    MailGivenUp => "mail_given_up",
    /// A client tried to sign in with a password, and was not let in.
    SignInFailed => "sign_in_failed",
    /// A signed-in user was asked for the current password again, and it was wrong or no longer checked.
    ConfirmationFailed => "confirmation_failed",
    ApiKeyRefused => "api_key_refused",
    /// A limit by client address was used up; the reason is the limit's name.
    LimitReached => "limit_reached",
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
