//! What is stored about one person, for that person (GDPR article 15).

use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::admin_user::AdminUser;
use super::authority::Authority;
use super::error::GONE;
use super::failures::{self, FailureInfo};
use super::{Accounts, Caller, Error};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::audit_events::Action;
use crate::models::audit_pages::{self, StoredEvent};
use crate::models::invitations::{self, UsedInvitation};
use crate::models::login_pages::{self, StoredLogin};
use crate::models::logins;
use crate::models::outbox::{self, StoredEmail};
use crate::models::room_rights::{self, StoredRight, Table};
use crate::models::users::{self, User};
use doorward_core::domain::{Access, UserId};

/// Entries of one list at most.
const MOST: i64 = 10_000;

/// What is stored about one person, without hashes of secrets and without links that are still to be followed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonalData {
    pub account: AdminUser,
    /// Also those that have ended, the newest first, 10,000 at most.
    pub logins: Vec<StoredLogin>,
    /// Those about the account, and those to its verified address that belong to no account, such as an invitation. The
    /// newest first, 10,000 at most.
    pub emails: Vec<StoredEmail>,
    /// With which the person registered.
    pub invitation: Option<UsedInvitation>,
    pub wrong_passwords: Vec<FailureInfo>,
    /// Of which rooms the person is or was a member, 10,000 at most. What has ended is kept for 30 days.
    pub room_members: Vec<StoredRight>,
    /// From which rooms, or all rooms of a kind, the person is or was banned.
    pub room_bans: Vec<StoredRight>,
    /// What was done to the account and by its user, the newest first, 10,000 at most. Of others who did something to it
    /// only what they are is told, and of others to whom the user did something, nothing.
    pub events: Vec<StoredEvent>,
}

impl Accounts {
    /// What is stored about a person, as of one moment. The audit trail says that it was exported.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account; [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do
    /// it.
    pub async fn personal_data(&self, user: UserId, caller: &Caller) -> Result<PersonalData, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        let collect = move |conn: &mut Conn| {
            let now = this.0.clock.now();
            Authority::lock(conn, &caller, now)?;
            let row = users::lock(conn, user)?.ok_or(Error::NotFound)?;
            this.collect(conn, &row, &caller, now)
        };
        self.0.db.transaction(collect).await
    }

    /// What is stored about the user who is signed in. The audit trail says that it was exported.
    ///
    /// # Errors
    /// [`Error::Token`] if the login was revoked, or the user deleted or disabled.
    pub async fn own_data(&self, access: &Access, caller: &Caller) -> Result<PersonalData, Error> {
        let (this, caller) = (self.clone(), caller.clone().signed_in(access));
        let (user, login) = (access.user, access.login);
        let collect = move |conn: &mut Conn| {
            let now = this.0.clock.now();
            let row = users::lock_active(conn, user)?.ok_or(GONE)?;
            // An access token outlives its login for a moment.
            logins::find_live(conn, login, now)?.ok_or(GONE)?;
            this.collect(conn, &row, &caller, now)
        };
        self.0.db.transaction(collect).await
    }

    fn collect(
        &self,
        conn: &mut Conn,
        row: &User,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<PersonalData, Error> {
        let user = row.id;
        let events = audit_pages::about(conn, user, MOST)?;
        self.record(conn, caller, Action::Exported, Some(user), now)?;
        Ok(PersonalData {
            account: AdminUser::from(row),
            logins: login_pages::all_of_user(conn, user, MOST)?,
            emails: emails(conn, row)?,
            invitation: invitations::used_by(conn, user)?,
            wrong_passwords: failures::list(conn, user, now)?,
            room_members: room_rights::of_user(conn, Table::Members, user, MOST)?,
            room_bans: room_rights::of_user(conn, Table::Bans, user, MOST)?,
            events: events.into_iter().map(|event| without_others(event, user)).collect(),
        })
    }
}

/// A mailbox that is only claimed may be another person's: what was sent to it is not shown.
fn emails(conn: &mut Conn, user: &User) -> QueryResult<Vec<StoredEmail>> {
    let mut emails = outbox::of_user(conn, user.id, MOST)?;
    if let Some(address) = user.verified_email() {
        emails.extend(outbox::to_address(conn, address, MOST)?);
        emails.sort_by_key(|email| std::cmp::Reverse(email.created_at));
        emails.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
    }
    Ok(emails)
}

/// An entry without what it says about other people.
fn without_others(event: StoredEvent, user: UserId) -> StoredEvent {
    let user = user.to_string();
    let is = |id: &Option<String>| id.as_deref() == Some(user.as_str());
    let is_by_another = event.actor.is_some() || event.actor_id.is_some() && !is(&event.actor_id);
    let event = if is_by_another {
        StoredEvent { actor_id: None, ip: None, login: None, request: None, ..event }
    } else {
        event
    };
    if is(&event.subject) { event } else { StoredEvent { subject: None, detail: None, ..event } }
}
