//! Why a capability could not do what was asked.

use diesel::result::DatabaseErrorKind;

use super::key_error::{Beyond, KeyError};
use crate::actors::db::DbError;
use crate::actors::hasher::HashError;
use crate::auth::signing_key::{DamagedKey, SigningError};
use crate::auth::tokens::TokenError;
use doorward_core::domain::{Invalid, KeyScope, RevokeReason, WeakPassword};

/// In the product's terms; `crate::error` maps them to HTTP's. What uses the database can also fail with [`Error::Db`],
/// if no query was run, or [`Error::Query`], if one failed; then nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    #[error("this username is taken")]
    UsernameTaken,
    #[error("this username looks like one that is taken")]
    UsernameLooksTaken,
    #[error("this username is reserved")]
    UsernameReserved,
    /// Another account verified this address first. Told only to a client that has verified it too.
    #[error("this address belongs to another account")]
    EmailHeld,
    /// One error for every cause of a failed sign-in.
    #[error("wrong login or password")]
    InvalidCredentials,
    /// So many passwords were wrong that no further one is checked for a while.
    #[error("too many wrong passwords")]
    TooManyAttempts { retry_after: std::time::Duration },
    /// The current password, asked for again, was wrong.
    #[error("wrong password")]
    WrongPassword,
    /// No client may register.
    #[error("registration is closed")]
    RegistrationClosed,
    #[error("registration needs an invitation")]
    InvitationRequired,
    /// An invitation that is made up, used, revoked or expired.
    #[error("this invitation is no longer valid")]
    InvalidInvitation,
    /// The password was right, and the address has to be verified before the first sign-in.
    #[error("the email address is not verified")]
    EmailNotVerified,
    /// One error for every cause: a code that is made up, used, late, or another page's.
    #[error("this code is not valid")]
    InvalidCode,
    #[error("this refresh token is not valid")]
    InvalidRefreshToken,
    /// The cookie is not that of an active login.
    #[error("not signed in")]
    InvalidCookie,
    /// Several accounts claim the address that a link was sent to.
    #[error("which account?")]
    ChooseAccount { usernames: Vec<String> },
    /// A link from an email that is made up, used or expired.
    #[error("this link is no longer valid")]
    InvalidLink,
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The only user with the role `admin` who is not disabled.
    #[error("the last administrator cannot be removed")]
    LastAdmin,
    #[error(transparent)]
    ApiKey(#[from] KeyError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("not found")]
    NotFound,
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error(transparent)]
    DamagedKey(#[from] DamagedKey),
    #[error("no key could be made")]
    Randomness(#[from] aws_lc_rs::error::Unspecified),
    #[error("a token could not be signed")]
    Signing(#[from] SigningError),
}

/// What the server API refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// An API key would grant more than the key that makes it has.
    #[error("the key {0}")]
    BeyondOwnRights(Beyond),
    /// An API key would give or take the role `admin`, which can do more than the key.
    #[error("the role admin {0}")]
    AdminBeyondOwnRights(Beyond),
    /// The API key lacks the scope that this change needs.
    #[error("the API key lacks the scope {0}")]
    MissingScope(KeyScope),
    /// The account is not in the state in which the change expects it.
    #[error("the account has changed since")]
    Stale,
    #[error("the account has no verified email address")]
    NoVerifiedEmail,
    #[error("there are too many API keys")]
    TooManyKeys,
    /// An `Idempotency-Key` that was used with another request.
    #[error("the Idempotency-Key was used for another request")]
    OtherRequest,
    /// The first request with this `Idempotency-Key` is not answered yet.
    #[error("the first request with this Idempotency-Key is still running")]
    StillRunning,
    /// The server stopped before it answered the first request with this `Idempotency-Key`.
    #[error("it is not known what became of the first request with this Idempotency-Key")]
    OutcomeUnknown,
    #[error("there are no rooms of this kind")]
    UnknownRoom,
    /// Events were purged that the follower has not seen.
    #[error("these events are not kept any more")]
    EventsGone,
}

/// The access token of a user who was deleted or disabled, which this process has not noticed yet.
pub(super) const GONE: Error = Error::Token(TokenError::Revoked(RevokeReason::AccountDeleted));

/// Gives the violation of a unique index its meaning; other errors stay what they are.
pub(super) fn on_duplicate(error: diesel::result::Error, meaning: Error) -> Error {
    match error {
        diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => meaning,
        other => Error::Query(other),
    }
}
