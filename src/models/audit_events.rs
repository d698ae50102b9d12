//! The table `audit_events`: what happened to accounts, who did it, and from where.

use std::net::IpAddr;

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::audit_events;
use doorward_core::domain::{LoginId, UserId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    const fn as_str(self) -> &'static str {
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
        }
    }
}

/// A row to add.
#[derive(Debug, Clone)]
pub struct NewEvent<'a> {
    pub id: Uuid,
    pub actor: Actor,
    /// The id of the user who was signed in or of the API key, or the name of the operator's account on the machine.
    pub actor_id: Option<String>,
    pub action: Action,
    pub subject: Option<UserId>,
    pub address: Option<IpAddr>,
    /// The login that was used, begun or revoked.
    pub login: Option<LoginId>,
    /// The request as the log names it.
    pub request: Option<Uuid>,
    pub detail: Option<&'a str>,
}

impl NewEvent<'_> {
    /// What the server did by itself.
    #[must_use]
    pub const fn of_server(id: Uuid, action: Action, subject: Option<UserId>) -> Self {
        Self {
            id,
            actor: Actor::Server,
            actor_id: None,
            action,
            subject,
            address: None,
            login: None,
            request: None,
            detail: None,
        }
    }
}

pub fn insert(conn: &mut Conn, event: &NewEvent<'_>, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(audit_events::table)
        .values((
            audit_events::id.eq(event.id.to_string()),
            audit_events::at.eq(now),
            audit_events::actor.eq(event.actor.as_str()),
            audit_events::action.eq(event.action.as_str()),
            audit_events::subject.eq(event.subject.map(|user| user.to_string())),
            audit_events::ip.eq(event.address.map(|address| address.to_string())),
            audit_events::detail.eq(event.detail),
            audit_events::actor_id.eq(event.actor_id.as_deref()),
            audit_events::login_id.eq(event.login.map(|login| login.to_string())),
            audit_events::request_id.eq(event.request.map(|request| request.to_string())),
        ))
        .execute(conn)
        .map(drop)
}

/// Hands over the marks of all imported rows, as far as the trail goes back. There may be millions, so they are read
/// in parts.
pub fn each_imported_mark(conn: &mut Conn, mut take: impl FnMut(&str)) -> QueryResult<()> {
    const PAGE: usize = 10_000;
    let mut last = String::new();
    loop {
        let page: Vec<(String, Option<String>)> = audit_events::table
            .filter(audit_events::id.gt(&last))
            .filter(audit_events::action.eq(Action::Imported.as_str()))
            .select((audit_events::id, audit_events::detail))
            .order(audit_events::id)
            .limit(PAGE.try_into().unwrap_or(i64::MAX))
            .load(conn)?;
        page.iter().filter_map(|(_, detail)| detail.as_deref()).for_each(&mut take);
        let is_last = page.len() < PAGE;
        let Some((id, _)) = page.into_iter().next_back() else { return Ok(()) };
        last = id;
        if is_last {
            return Ok(());
        }
    }
}

/// Whether this has happened to `subject` since `since`.
pub fn has_happened(conn: &mut Conn, subject: UserId, action: Action, since: Timestamp) -> QueryResult<bool> {
    let events = audit_events::table
        .filter(audit_events::at.gt(since))
        .filter(audit_events::subject.eq(subject.to_string()))
        .filter(audit_events::action.eq(action.as_str()));
    diesel::select(diesel::dsl::exists(events)).get_result(conn)
}

/// The addresses from which one of these happened to `subject` since `since`.
pub fn addresses_of(
    conn: &mut Conn,
    subject: UserId,
    actions: &[Action],
    since: Timestamp,
) -> QueryResult<Vec<IpAddr>> {
    let addresses: Vec<Option<String>> = audit_events::table
        .filter(audit_events::at.gt(since))
        .filter(audit_events::subject.eq(subject.to_string()))
        .filter(audit_events::action.eq_any(actions.iter().map(|action| action.as_str())))
        .select(audit_events::ip)
        .load(conn)?;
    Ok(addresses.into_iter().flatten().filter_map(|address| address.parse().ok()).collect())
}

/// Removes the addresses from the events of a user whose account is deleted: from what was done to the account, and from
/// what the user did to others.
pub fn blank_addresses(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    let blank = audit_events::ip.eq(None::<String>);
    let subject = audit_events::table.filter(audit_events::subject.eq(user.to_string()));
    diesel::update(subject).set(blank.clone()).execute(conn)?;
    let actor = audit_events::table.filter(audit_events::actor_id.eq(user.to_string()));
    diesel::update(actor.filter(audit_events::ip.is_not_null())).set(blank).execute(conn).map(drop)
}

/// What a user can repeat without limit. It must not push out other rows, operators' above all.
const REPEATABLE: [Action; 7] = [
    Action::SignedIn,
    Action::Registered,
    Action::RefreshReused,
    Action::CodeReused,
    Action::PasswordChanged,
    Action::EmailChangeRequested,
    Action::Exported,
];

/// When the newest row was written of what users can repeat that is beyond the newest `keep`, if there is one.
pub fn beyond_newest_repeatable(conn: &mut Conn, keep: i64) -> QueryResult<Option<Timestamp>> {
    audit_events::table
        .filter(audit_events::action.eq_any(REPEATABLE.map(Action::as_str)))
        .order(audit_events::at.desc())
        .offset(keep)
        .select(audit_events::at)
        .first(conn)
        .optional()
}

/// Deletes up to `limit` rows of what users can repeat that were written at `newest` or before; answers how many.
pub fn purge_repeatable(conn: &mut Conn, newest: Timestamp, limit: i64) -> QueryResult<usize> {
    let old = || {
        audit_events::action
            .eq_any(REPEATABLE.map(Action::as_str))
            .and(audit_events::actor.is_null())
            .and(audit_events::at.le(newest))
    };
    delete_some!(conn, audit_events.id: String, old(), limit)
}

/// Deletes up to `limit` events before `before`; answers how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, audit_events.id: String, audit_events::at.lt(before), limit)
}
