//! What a user may do: changes of roles and claims, and the guard of the last administrator.

use std::sync::Arc;

use diesel::QueryResult;

use super::{Accounts, Caller, Error};
use crate::db::{self, Conn};
use crate::models::access_changes;
use crate::models::audit_events::{self, Action};
use crate::models::users::{self, User};
use doorward_core::domain::{ADMIN, Claims, ClaimsChange, Rights, Roles, RolesChange, UserId};

/// The name that all changes of roles and claims lock, and all that may take an administrator away. So the numbers of
/// changes are in the order of their commits, and of two administrators who remove each other one stays. It is locked
/// before any row.
const LOCK: &str = "roles and claims";

/// A change of a user's roles, claims or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RightsChange {
    pub roles: Option<RolesChange>,
    pub claims: Option<ClaimsChange>,
}

/// What a change led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The user's roles and claims now.
    pub rights: Arc<Rights>,
    /// Whether they are others than before.
    pub changed: bool,
}

impl Accounts {
    /// Changes a user's roles and claims: the one way in which they change. A change that changes nothing makes no new
    /// version.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such user, [`Error::Invalid`] if they would have too many roles or too large
    /// claims, [`Error::LastAdmin`].
    pub async fn set_access(
        &self,
        user: UserId,
        change: RightsChange,
        caller: &Caller,
    ) -> Result<Applied, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    lock_admins(conn)?;
                    let user = users::lock(conn, user)?.ok_or(Error::NotFound)?;
                    this.change_rights(conn, &user, &change, &caller)
                })
            })
            .await
    }

    /// Inside the transaction that has locked the administrators and the user.
    pub(super) fn change_rights(
        &self,
        conn: &mut Conn,
        user: &User,
        change: &RightsChange,
        caller: &Caller,
    ) -> Result<Applied, Error> {
        let before = user.rights();
        let roles = change.roles.as_ref().map(|roles| roles.apply(&before.roles)).transpose()?;
        let claims = change.claims.as_ref().map(|claims| claims.apply(&before.claims)).transpose()?;
        let roles = roles.unwrap_or_else(|| before.roles.clone());
        let claims = claims.unwrap_or_else(|| before.claims.clone());
        if (&roles, &claims) == (&before.roles, &before.claims) {
            return Ok(Applied { rights: before.shared(), changed: false });
        }
        if !roles.has(ADMIN) {
            keep_an_admin(conn, user, caller)?;
        }
        let now = self.0.clock.now();
        let after = Rights { version: before.version.saturating_add(1), roles, claims };
        users::set_rights(conn, user.id, &after, now)?;
        access_changes::insert(conn, user.id, &after, now)?;
        let audited = [
            (Action::RolesChanged, changed_roles(&before.roles, &after.roles)),
            (Action::ClaimsChanged, changed_claims(&before.claims, &after.claims)),
        ];
        for (action, detail) in audited.iter().filter(|(_, detail)| !detail.is_empty()) {
            let event = caller.event(self.0.clock.new_id(), *action, Some(user.id));
            audit_events::insert(conn, &audit_events::NewEvent { detail: Some(detail), ..event }, now)?;
        }
        Ok(Applied { rights: after.shared(), changed: true })
    }
}

/// Locks out other transactions that may take an administrator away, until this one ends. Before any row is locked.
pub(super) fn lock_admins(conn: &mut Conn) -> QueryResult<()> {
    db::lock_name(conn, LOCK)
}

/// Refuses to take the last administrator away, who is disabled, deleted or loses the role.
///
/// # Errors
/// [`Error::LastAdmin`].
pub(super) fn keep_an_admin(conn: &mut Conn, losing: &User, caller: &Caller) -> Result<(), Error> {
    let is_active_admin = losing.disabled_at.is_none() && losing.rights().roles.has(ADMIN);
    if !is_active_admin || caller.may_remove_last_admin || users::has_other_admin(conn, losing.id)? {
        return Ok(());
    }
    Err(Error::LastAdmin)
}

/// Such as `+editor -admin`; empty if they are the same.
fn changed_roles(before: &Roles, after: &Roles) -> String {
    let added = after.iter().filter(|role| !before.has(role)).map(|role| format!("+{role}"));
    let removed = before.iter().filter(|role| !after.has(role)).map(|role| format!("-{role}"));
    added.chain(removed).collect::<Vec<_>>().join(" ")
}

/// The names of the members that were set, and with a minus of those that were removed. Not their values, which may be
/// personal: the audit trail outlives the account.
fn changed_claims(before: &Claims, after: &Claims) -> String {
    let (before, after) = (before.as_object(), after.as_object());
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    let set = set.map(|(name, _)| name.clone());
    set.chain(removed.map(|name| format!("-{name}"))).collect::<Vec<_>>().join(" ")
}
