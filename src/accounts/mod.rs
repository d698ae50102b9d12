//! What the product does, one capability per file; used alike by routes, the TCP prompts and the command line.

mod access;
mod admin_user;
mod administration;
mod api_keys;
mod audit_queue;
mod authority;
mod authorization;
mod browser;
mod caller;
mod changes;
mod confirm;
mod connection;
mod devices;
mod email;
mod email_requests;
mod error;
mod event_feed;
pub mod export;
mod failures;
mod guessing;
mod idempotency;
pub mod import;
mod introspection;
mod invitations;
mod janitor;
mod key_error;
mod keys;
mod login_name;
pub mod logins;
mod metrics;
mod new_device;
pub mod operator;
mod overview;
mod own_events;
mod pending_links;
mod personal_data;
pub mod poll;
mod profile;
mod recovery;
mod refresh;
mod register;
mod registration;
mod repeated;
mod reset_requests;
mod rooms;
mod sign_in;
mod stored_forms;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use url::Url;

use crate::actors::hasher::{Class, Lane, Workload};
use crate::actors::{Db, Hasher, Live};
use crate::auth::api_key::ApiKeyTags;
use crate::auth::device::DeviceKey;
use crate::auth::guessing::NameKey;
use crate::auth::keys::Jwks;
use crate::auth::refresh::{CredentialKeys, CredentialKind, Presented};
use crate::auth::tokens::{TokenError, Tokens};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, MailLimits, Registration, SigningAlgorithm};
use crate::db::{self, Conn};
use crate::directory::Revocations;
use crate::mail::Mail;
use crate::models::audit_events::{self, Action};
use crate::models::events::{self, Kind};
use doorward_core::domain::{ADMIN, Access, Password, Rating, ReservedNames, UserId};
use doorward_core::rooms::Kinds;

pub use crate::models::audit_pages::StoredEvent;
pub use crate::models::events::Event;
pub use access::RightsChange;
pub use admin_user::{AdminUser, Expected};
pub use administration::{Invited, UserChange};
pub use api_keys::{ApiKeyInfo, KeyRequest, NewKey};
pub use authorization::CodeExchange;
pub use caller::Caller;
pub use devices::{Device, LoginsPage, PAGE, Page};
pub use error::{AdminError, Error};
pub use event_feed::EventPage;
pub use failures::FailureInfo;
pub use idempotency::RequestName;
pub use invitations::{INVITATION_TTL, InvitationInfo, Invite, MadeInvitation};
#[cfg(test)]
pub use janitor::Purged;
pub use key_error::KeyError;
pub use keys::{KeyInfo, KeyState};
pub use logins::Logins;
pub use metrics::Backlog;
pub use overview::{AuditAction, AuditFilter, Ended, GroupBy, LoginInfo, Outcome, Stats, Summary, SummaryOf};
pub use own_events::{DoneBy, OwnEvent};
pub use personal_data::PersonalData;
pub use profile::{Profile, ProfileChange};
pub use recovery::ResetLink;
pub use register::{Registered, Registrant};
pub use repeated::UsedReset;
pub use rooms::{ListedRight, RoomInfo, RoomRightChange};
pub use sign_in::{Grant, INVALID_CREDENTIALS, SignIn};

/// How long a node of an earlier version may go on issuing credentials without a tag.
const ROLLING_UPGRADE: TimeDelta = TimeDelta::days(1);

/// All that can be done to accounts. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    db: Db,
    hasher: Hasher,
    tokens: Tokens,
    credentials: CredentialKeys,
    /// Until when a credential without a tag may be one that an earlier version issued.
    untagged_until: Option<Timestamp>,
    logins: Logins,
    revocations: Arc<Revocations>,
    closed: connection::Closed,
    mail: Mail,
    clock: Clock,
    access_ttl: TimeDelta,
    refresh_ttl: TimeDelta,
    min_password: usize,
    reserved_names: ReservedNames,
    /// Whether a new username may look like another one.
    allow_lookalikes: bool,
    name_key: NameKey,
    device_key: DeviceKey,
    api_key_tags: ApiKeyTags,
    verified_keys: api_keys::VerifiedKeys,
    event_feed: event_feed::EventFeed,
    mail_limits: MailLimits,
    /// Whether an email tells of a sign-in on a device that is not known.
    new_device_email: bool,
    registration: Registration,
    /// Base of the links in invitations.
    public_url: Url,
    max_logins: i64,
    kinds: Kinds,
    unused_ttl: Option<TimeDelta>,
    audit: janitor::AuditBounds,
    /// Of signing keys to be made.
    algorithm: SigningAlgorithm,
    resets: reset_requests::Requests,
    audit_queue: audit_queue::AuditQueue,
    metrics: metrics::AccountMetrics,
    /// See [`Accounts::is_in_use`].
    in_use: AtomicBool,
}

impl Accounts {
    /// Starts the hashing threads and reads the keys, or makes them at the first start. Must run inside an
    /// actix system.
    ///
    /// # Errors
    /// If the keys can neither be read nor made.
    pub async fn start(
        db: Db,
        live: &Live,
        mail: Mail,
        clock: Clock,
        config: &Config,
    ) -> Result<Self, Error> {
        stored_forms::renew(&db).await;
        let access_ttl = config.tokens.access_ttl;
        let refresh_ttl = time_delta(config.tokens.refresh_ttl);
        let algorithm = config.tokens.algorithm;
        let keys = {
            let clock = clock.clone();
            db.transaction(move |conn| {
                keys::load_or_create(conn, algorithm, clock.now(), time_delta(access_ttl))
            })
            .await?
        };
        Ok(Self(Arc::new(Inner {
            hasher: Hasher::start(&config.password).of_site(&config.brand.name),
            tokens: Tokens::new(
                keys.keyring,
                &config.tokens,
                &config.public_url,
                config.sockets.max_open,
                clock.clone(),
            ),
            name_key: NameKey::new(keys.credentials.derive("doorward names without an account")),
            device_key: DeviceKey::new(keys.credentials.derive("doorward known devices")),
            api_key_tags: ApiKeyTags::new(keys.credentials.derive("doorward API keys")),
            verified_keys: api_keys::VerifiedKeys::default(),
            event_feed: event_feed::EventFeed::default(),
            credentials: keys.credentials,
            untagged_until: keys.tagged_since.map(|since| since + refresh_ttl + ROLLING_UPGRADE),
            closed: connection::Closed::default(),
            logins: Logins::new(db.clone(), live, clock.clone(), access_ttl),
            revocations: Arc::clone(&live.revocations),
            db,
            mail,
            clock,
            access_ttl: time_delta(access_ttl),
            refresh_ttl,
            algorithm,
            min_password: config.password.min_length,
            reserved_names: config.usernames.reserved.clone(),
            allow_lookalikes: config.usernames.allow_lookalikes,
            mail_limits: config.mail_limits.clone(),
            new_device_email: config.new_device_email,
            registration: config.registration.clone(),
            public_url: config.public_url.clone(),
            max_logins: i64::try_from(config.max_logins).unwrap_or(i64::MAX),
            kinds: config.rooms.clone(),
            unused_ttl: config.unused_ttl.map(time_delta),
            audit: janitor::AuditBounds::of(&config.audit),
            resets: reset_requests::Requests::default(),
            audit_queue: audit_queue::AuditQueue::default(),
            metrics: metrics::AccountMetrics::default(),
            in_use: AtomicBool::new(false),
        })))
    }

    /// Checks an access token: its signature, its time, that its login is not known to be revoked, and that its roles
    /// and claims are not known to have changed. Runs on every request and every handshake, and makes no query.
    ///
    /// # Errors
    /// [`TokenError`]; [`TokenError::StaleClaims`] if a refresh is needed; [`TokenError::StaleRevocations`] if this process
    /// has not polled for revocations lately.
    pub fn authenticate(&self, token: &str) -> Result<Access, TokenError> {
        let access = self.authenticate_login(token)?;
        if self.0.revocations.access_changes().is_stale(&access) {
            return Err(TokenError::StaleClaims);
        }
        Ok(access)
    }

    /// The same, but accepts a token whose roles and claims have changed: for ending the token's own login, which needs
    /// none of them.
    ///
    /// # Errors
    /// [`TokenError`], except [`TokenError::StaleClaims`].
    pub fn authenticate_login(&self, token: &str) -> Result<Access, TokenError> {
        let access = self.0.tokens.verify(token)?;
        let revocations = &self.0.revocations;
        match revocations.get(access.login) {
            Some(reason) => Err(TokenError::Revoked(reason)),
            None if !revocations.freshness().is_fresh() => Err(TokenError::StaleRevocations),
            None => Ok(access),
        }
    }

    /// Whether the user is an administrator now: a token of before the last change of roles is refused.
    #[must_use]
    pub fn is_admin(&self, access: &Access) -> bool {
        access.rights.roles.has(ADMIN)
    }

    /// Whether this token's signature was verified lately, so that [`Accounts::authenticate`] costs next to nothing.
    #[must_use]
    pub fn is_cached(&self, token: &str) -> bool {
        self.0.tokens.is_cached(token)
    }

    /// Waits, for a moment at most, until this process has fresh revocation data.
    pub async fn fresh(&self) {
        self.0.revocations.freshness().until_fresh_or_timeout().await;
    }

    /// Whether this process has fresh revocation data. Without it every token is refused.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.0.revocations.freshness().is_fresh()
    }

    /// Revocation, and the polls for what other processes revoke.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.0.logins
    }

    /// The public keys that verify access tokens.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.0.tokens.jwks()
    }

    /// Checks the length of a new password. How easy it is to guess is checked when it is hashed.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is too short or too long.
    pub fn choose_password(&self, text: String) -> Result<Password, Error> {
        Ok(Password::chosen(text, self.0.min_password)?)
    }

    /// The fewest characters that a password may have.
    #[must_use]
    pub fn min_password(&self) -> usize {
        self.0.min_password
    }

    /// How hard `password` would be to guess for an attacker who knows `about`, facts about its owner.
    ///
    /// # Errors
    /// [`Error::Hash`] if the hasher, on whose threads it is rated, has too much to do.
    pub async fn rate_password(
        &self,
        password: Password,
        about: Vec<String>,
        caller: &Caller,
    ) -> Result<Rating, Error> {
        let lane = Lane::new(Class::Rating, caller.requester());
        Ok(self.0.hasher.rate(lane, password, about).await?)
    }

    /// How much password work is queued and was done.
    #[must_use]
    pub fn workload(&self) -> Workload {
        self.0.hasher.workload()
    }

    /// Reads a credential that a client presents. A made-up one is refused here, for the cost of a MAC.
    fn read_credential(&self, kind: CredentialKind, text: &str) -> Option<Presented> {
        let presented = self.0.credentials.read(kind, text)?;
        let may_be_old = || self.0.untagged_until.is_some_and(|until| self.0.clock.now() < until);
        (presented.is_tagged || may_be_old()).then_some(presented)
    }

    /// Whether this refresh token or cookie carries a valid tag: it was issued here, though it may have expired or been
    /// revoked since. Makes no query.
    #[must_use]
    pub fn is_tagged(&self, kind: CredentialKind, text: &str) -> bool {
        self.0.credentials.read(kind, text).is_some_and(|presented| presented.is_tagged)
    }

    /// Whether the last change failed because the database cannot be written, when the disk is full for example.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        self.0.db.is_unwritable()
    }

    /// Makes the file of an SQLite database whole, at the end: its log is written into it and emptied.
    pub async fn fold_log(&self) -> Result<bool, Error> {
        self.0.db.run(|conn| Ok(db::fold_log(conn)?)).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`] if it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.0.db.run(|conn| Ok(conn.batch_execute("SELECT 1")?)).await
    }

    /// Adds a row to the audit trail, and one to the feed of changes if it is one.
    fn record(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        action: Action,
        subject: Option<UserId>,
        now: Timestamp,
    ) -> QueryResult<()> {
        audit_events::insert(conn, &caller.event(self.0.clock.new_id(), action, subject), now)?;
        match (Kind::of(action), subject) {
            (Some(kind), Some(user)) => events::insert_user(conn, kind, user, now),
            _ => Ok(()),
        }
    }
}

fn time_delta(duration: std::time::Duration) -> TimeDelta {
    // At most ten thousand years, so that a sum with it is a date.
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX).min(TimeDelta::days(3_650_000))
}
