//! What a user may do: changes of roles and claims, how each node applies them, and the guard of the last administrator.

use std::sync::Arc;

use chrono::TimeDelta;

use super::logins::{Logins, OVERLAP};
use super::maker::{Maker, lock_admins};
use super::pending_links::{end_undo, end_verification};
use super::{Accounts, Caller, Error};
use crate::clock::Timestamp;
use crate::cluster::Changes;
use crate::cluster::message::NodeId;
use crate::db::{self, Conn};
use crate::models::access_changes;
use crate::models::audit_events::{self, Action};
use crate::models::events::{self, Kind};
use crate::models::invitations;
use crate::models::users::{self, User};
use doorward_core::domain::{ADMIN, Claims, ClaimsChange, Rights, Roles, RolesChange};
use doorward_core::domain::{LoginId, RevokeReason, UserId, escape_display_controls};

/// A change of a user's roles, claims or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RightsChange {
    pub roles: Option<RolesChange>,
    pub claims: Option<ClaimsChange>,
}

impl Accounts {
    /// The user's roles and claims.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such user.
    pub async fn rights_of(&self, user: UserId) -> Result<Arc<Rights>, Error> {
        let rights = move |conn: &mut Conn| {
            let user = users::find(conn, user)?.ok_or(Error::NotFound)?;
            Ok::<_, Error>(user.rights().shared())
        };
        self.0.db.run(rights).await
    }

    /// Changes a user's roles and claims: the one way in which they change. A change that changes nothing makes no new
    /// version. Answers when this node has applied it, and all others have or a second has passed, with the user's roles
    /// and claims.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such user, [`Error::Invalid`] if they would have too many roles or too large
    /// claims, [`Error::LastAdmin`]; [`Error::Admin`], [`Error::ApiKey`] or [`Error::Token`] if the caller may not do it.
    pub async fn set_access(
        &self,
        user: UserId,
        change: RightsChange,
        caller: &Caller,
    ) -> Result<Arc<Rights>, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        let (rights, number) = self
            .0
            .db
            .run_writing(move |conn| {
                let (rights, number) = db::write(conn, |conn| {
                    lock_admins(conn)?;
                    let maker = Maker::lock(conn, &caller, this.0.clock.now())?;
                    let user = users::lock(conn, user)?.ok_or(Error::NotFound)?;
                    this.change_rights(conn, &user, &change, (&maker, &caller))
                })?;
                this.announce_rights(user, &rights, number);
                Ok::<_, Error>((rights, number))
            })
            .await?;
        self.silent_about(number).await;
        Ok(rights)
    }

    /// After the commit, still on the executor's thread, so that it does not depend on a caller that waits: applies a
    /// change here and tells the other nodes.
    pub(super) fn announce_rights(&self, user: UserId, rights: &Arc<Rights>, number: Option<i32>) {
        if let Some(number) = number {
            tracing::info!(%user, version = rights.version, "roles or claims changed");
            self.0.logins.cluster.access_changed(number);
            self.0.logins.apply_access(user, rights.version, || Arc::clone(rights));
        }
    }

    /// Waits until all nodes have applied a change; answers which have not within a second. They do within three, or
    /// accept no token.
    pub(super) async fn silent_about(&self, number: Option<i32>) -> Vec<NodeId> {
        match number {
            Some(number) => self.0.logins.cluster.all_applied(number).await,
            None => Vec::new(),
        }
    }

    /// Inside the transaction that has locked the administrators and the user. Answers what the user has then, and the
    /// number of the change if there was one.
    pub(super) fn change_rights(
        &self,
        conn: &mut Conn,
        user: &User,
        change: &RightsChange,
        (maker, caller): (&Maker, &Caller),
    ) -> Result<(Arc<Rights>, Option<i32>), Error> {
        let before = user.rights();
        let roles = change.roles.as_ref().map(|roles| roles.apply(&before.roles)).transpose()?;
        let claims = change.claims.as_ref().map(|claims| claims.apply(&before.claims)).transpose()?;
        let roles = roles.unwrap_or_else(|| before.roles.clone());
        let claims = claims.unwrap_or_else(|| before.claims.clone());
        if (&roles, &claims) == (&before.roles, &before.claims) {
            return Ok((before.shared(), None));
        }
        let now = self.0.clock.now();
        match (before.roles.has(ADMIN), roles.has(ADMIN)) {
            (true, false) => {
                maker.check_admin_role()?;
                keep_an_admin(conn, user, caller)?;
                invitations::revoke_by(conn, &user.id.to_string())?;
            }
            (false, true) => {
                maker.check_admin_role()?;
                // To an address that a caller with fewer rights may have chosen.
                end_verification(conn, user.id, now)?;
                end_undo(conn, user.id, now)?;
            }
            (true, true) | (false, false) => {}
        }
        let after = Rights { version: before.version.saturating_add(1), roles, claims };
        users::set_rights(conn, user.id, &after, now)?;
        let number = access_changes::insert(conn, user.id, &after, now)?;
        events::insert_user(conn, Kind::ClaimsChanged, user.id, now)?;
        let audited = [
            (Action::RolesChanged, changed_roles(&before.roles, &after.roles)),
            (Action::ClaimsChanged, changed_claims(&before.claims, &after.claims)),
        ];
        for (action, detail) in audited.iter().filter(|(_, detail)| !detail.is_empty()) {
            let event = caller.event(self.0.clock.new_id(), *action, Some(user.id));
            audit_events::insert(conn, &audit_events::NewEvent { detail: Some(detail), ..event }, now)?;
        }
        Ok((after.shared(), Some(number)))
    }
}

impl Logins {
    /// How long a change is remembered: as long as an access token from before it may be valid.
    pub(super) fn access_memory(&self) -> TimeDelta {
        self.access_ttl() + OVERLAP
    }

    /// Refuses older access tokens of the user from now on, and lets the user's sessions on this node see the change
    /// before their next request.
    pub(super) fn apply_access(&self, user: UserId, version: i32, rights: impl FnOnce() -> Arc<Rights>) {
        if self.revocations.access_changes().insert(user, version, rights) {
            self.sessions.access_changed(user);
        }
    }

    /// Reads changes as soon as another node says that there are some, and says when they are applied. For ever.
    pub(super) async fn watch_access(&self) {
        let mut wanted = self.access_wanted.subscribe();
        while wanted.changed().await.is_ok() {
            wanted.borrow_and_update();
            let this = self.clone();
            let read = move |conn: &mut Conn| {
                let horizon = this.horizon(conn)?;
                Ok::<_, Error>(this.read_access_changes(conn, &horizon)?)
            };
            match self.db.run_watch(read).await {
                Ok(number) => self.cluster.access_applied(number),
                // The poll reads them, and the other node says that this one was silent.
                Err(error) => tracing::warn!(%error, "could not read changes of roles and claims"),
            }
        }
    }
}

impl Changes for Logins {
    fn revoked(&self, logins: Vec<(LoginId, RevokeReason)>, at: Option<Timestamp>) {
        self.announce(logins, at);
    }

    fn access_changed(&self) {
        self.access_wanted.send_replace(());
    }

    fn rooms_changed(&self, number: Option<i64>) {
        // Only numbers of changes that are committed are announced: the greatest stands for all.
        self.rooms_wanted
            .send_modify(|wanted| *wanted = number.map_or(*wanted, |number| number.max(*wanted)));
    }
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
    let set = set.map(|(name, _)| escape_display_controls(name));
    set.chain(removed.map(|name| format!("-{}", escape_display_controls(name)))).collect::<Vec<_>>().join(" ")
}
