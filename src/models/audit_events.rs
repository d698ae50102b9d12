//! The table `audit_events`: what happened to accounts, who did it, and from where.

use std::net::IpAddr;

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::schema::audit_events;
use crate::telemetry::audit::AuditLine;
use doorward_core::domain::{LoginId, UserId};

pub use super::audit_actions::{Action, Actor, Outcome, Reason};

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
    pub outcome: Outcome,
    pub reason: Option<Reason>,
}

impl NewEvent<'_> {
    /// What the server did by itself.
    #[must_use]
    pub const fn of_server(id: Uuid, action: Action, subject: Option<UserId>) -> Self {
        let (outcome, reason) = action.ending();
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
            outcome,
            reason,
        }
    }

    /// The line of the log that says the same.
    #[must_use]
    pub fn line(&self) -> AuditLine {
        let kind = self.actor.as_str().unwrap_or("user");
        AuditLine {
            action: self.action.as_str(),
            outcome: self.outcome.as_str(),
            reason: self.reason.map(Reason::as_str),
            subject: self.subject.map(|user| user.0),
            actor: self.actor_id.as_ref().map_or_else(|| kind.to_owned(), |id| format!("{kind}:{id}")),
            address: self.address,
            login: self.login.map(|login| login.0),
            request: self.request,
            count: None,
        }
    }
}

/// The values of a row for an event, or for several that share it.
macro_rules! row {
    ($event:expr, $at:expr, $count:expr, $last_at:expr) => {{
        let event = $event;
        (
            audit_events::id.eq(event.id.to_string()),
            audit_events::at.eq($at),
            audit_events::actor.eq(event.actor.as_str()),
            audit_events::action.eq(event.action.as_str()),
            audit_events::subject.eq(event.subject.map(|user| user.to_string())),
            audit_events::ip.eq(event.address.map(|address| address.to_string())),
            audit_events::detail.eq(event.detail),
            audit_events::actor_id.eq(event.actor_id.as_deref()),
            audit_events::login_id.eq(event.login.map(|login| login.to_string())),
            audit_events::request_id.eq(event.request.map(|request| request.to_string())),
            audit_events::outcome.eq(event.outcome.as_str()),
            audit_events::reason.eq(event.reason.map(Reason::as_str)),
            audit_events::count.eq($count),
            audit_events::last_at.eq($last_at),
        )
    }};
}
pub(super) use row;

/// Adds a row, and a line to the log once the transaction has committed.
pub fn insert(conn: &mut Conn, event: &NewEvent<'_>, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(audit_events::table).values(row!(event, now, 1, None::<Timestamp>)).execute(conn)?;
    // A command logs warnings alone, and an import adds many rows.
    if AuditLine::is_logged() {
        let line = event.line();
        db::after_commit(move || line.log());
    }
    Ok(())
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

/// The action, for a condition beside a narrower one whose index is to be used: SQLite does not know that an action is in
/// many rows.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn unindexed_action() -> _ {
    audit_events::action.concat("")
}

/// Whether this has happened to `subject` since `since`.
pub fn has_happened(conn: &mut Conn, subject: UserId, action: Action, since: Timestamp) -> QueryResult<bool> {
    let events = audit_events::table
        .filter(audit_events::at.gt(since))
        .filter(audit_events::subject.eq(subject.to_string()))
        .filter(unindexed_action().eq(action.as_str()));
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
        .filter(unindexed_action().eq_any(actions.iter().map(|action| action.as_str())))
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

/// Rows of which clients can cause any number. They must not push out other rows, operators' above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// What a user does. Of the two that are refused, each has cost a login.
    Done,
    /// What failed, also for clients that did not authenticate: it must not push out what users do.
    Tried,
}

impl Repeatable {
    pub const ALL: [Self; 2] = [Self::Done, Self::Tried];

    const fn actions(self) -> &'static [Action] {
        match self {
            Self::Done => &[
                Action::SignedIn,
                Action::SignedOut,
                Action::LoginsRevoked,
                Action::Registered,
                Action::RefreshReused,
                Action::CodeReused,
                Action::PasswordChanged,
                Action::EmailChangeRequested,
                Action::Exported,
            ],
            Self::Tried => &[
                Action::SignInFailed,
                Action::ConfirmationFailed,
                Action::ApiKeyRefused,
                Action::LimitReached,
            ],
        }
    }

    fn names(self) -> Vec<&'static str> {
        self.actions().iter().map(|action| action.as_str()).collect()
    }
}

/// When the newest row was written of what clients can repeat that is beyond the newest `keep`, if there is one.
pub fn beyond_newest(conn: &mut Conn, kind: Repeatable, keep: i64) -> QueryResult<Option<Timestamp>> {
    audit_events::table
        .filter(unindexed_action().eq_any(kind.names()))
        .order(audit_events::at.desc())
        .offset(keep)
        .select(audit_events::at)
        .first(conn)
        .optional()
}

/// Deletes up to `limit` rows of what clients can repeat that were written at `newest` or before; returns how many.
pub fn purge_repeatable(
    conn: &mut Conn,
    kind: Repeatable,
    newest: Timestamp,
    limit: i64,
) -> QueryResult<usize> {
    let old = || {
        // What an operator or a backend did is kept. Clients without a valid key cause the refusals.
        let by_client =
            audit_events::actor.is_null().or(audit_events::action.eq(Action::ApiKeyRefused.as_str()));
        // What administrators did to others is kept, too.
        let is_own = audit_events::actor_id.is_null().or(audit_events::actor_id.eq(audit_events::subject));
        let is_repeatable =
            audit_events::action.ne(Action::LoginsRevoked.as_str()).or(is_own.assume_not_null());
        unindexed_action()
            .eq_any(kind.names())
            .and(by_client)
            .and(is_repeatable)
            .and(audit_events::at.le(newest))
    };
    delete_some!(conn, audit_events.id: String, old(), limit)
}

/// Deletes up to `limit` events before `before`, those of imports before `imported`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, imported: Timestamp, limit: i64) -> QueryResult<usize> {
    let old = || {
        let is_other = audit_events::action.ne(Action::Imported.as_str());
        audit_events::at.lt(before).and(is_other.or(audit_events::at.lt(imported)))
    };
    delete_some!(conn, audit_events.id: String, old(), limit)
}
