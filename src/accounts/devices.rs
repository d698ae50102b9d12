//! A user's signed-in devices, and signing them out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Accounts, Caller, Error};
use crate::auth::device::PresentedDevices;
use crate::db::Conn;
use crate::models::audit_events::Action;
use crate::models::login_pages;
use crate::models::logins::{self, LiveLogin, Scope};
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, LoginId, SessionId, UserId};
use doorward_core::protocol::SessionInfo;

/// In characters; the rest of a user agent tells a user nothing.
const MAX_USER_AGENT: usize = 256;

/// What a client signs in with.
#[derive(Debug, Clone)]
pub struct Device {
    pub kind: LoginKind,
    /// Says that its user has signed in on it before.
    pub presented: PresentedDevices,
    pub user_agent: Option<String>,
}

impl Device {
    #[must_use]
    pub fn new(kind: LoginKind, user_agent: Option<&str>) -> Self {
        // PostgreSQL's text holds no NUL; other control characters are not part of a name either.
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
        let presented = PresentedDevices::default();
        Self { kind, presented, user_agent: user_agent.map(clean) }
    }

    #[must_use]
    pub fn presenting(self, presented: PresentedDevices) -> Self {
        Self { presented, ..self }
    }
}

/// Entries of a list that are shown at a time.
pub const PAGE: usize = 50;

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Counted from 1.
    pub number: usize,
    /// Entries of the whole list.
    pub total: usize,
}

impl Page {
    #[must_use]
    pub const fn number(number: usize) -> Self {
        Self { number, total: 0 }
    }

    /// The same of a list with so many entries, or its last one.
    #[must_use]
    pub fn within(self, total: usize) -> Self {
        Self { number: self.number.clamp(1, total.div_ceil(PAGE).max(1)), total }
    }

    /// Entries before it.
    #[must_use]
    pub const fn skipped(self) -> usize {
        self.number.saturating_sub(1) * PAGE
    }

    #[must_use]
    pub fn pages(self) -> usize {
        self.total.div_ceil(PAGE).max(1)
    }
}

fn offset(page: Page) -> i64 {
    i64::try_from(page.skipped()).unwrap_or(i64::MAX)
}

/// A part of a user's logins.
pub struct LoginsPage {
    pub page: Page,
    pub logins: Vec<LiveLogin>,
    /// The user agents of other logins' clients.
    pub agents: HashMap<LoginId, Option<String>>,
}

impl Accounts {
    /// The user's active logins, the newest first.
    pub async fn list_logins(&self, user: UserId) -> Result<Vec<LiveLogin>, Error> {
        let clock = self.0.clock.clone();
        self.0.db.run(move |conn| Ok(logins::live_of_user(conn, user, clock.now())?)).await
    }

    /// Up to `limit` of the user's active logins past `after`, the newest first.
    pub async fn own_logins_after(
        &self,
        user: UserId,
        after: Option<LoginId>,
        limit: i64,
    ) -> Result<Vec<LiveLogin>, Error> {
        let clock = self.0.clock.clone();
        let page =
            move |conn: &mut Conn| Ok(login_pages::of_user_after(conn, user, after, limit, clock.now())?);
        self.0.db.run(page).await
    }

    /// Up to `limit` of one page of the user's active logins, that of `access` first and then the newest; how many there
    /// are; and the user agents of the clients of `others`.
    pub async fn page_of_logins(
        &self,
        access: &Access,
        (page, limit): (Page, usize),
        others: Vec<LoginId>,
    ) -> Result<LoginsPage, Error> {
        let (user, login, clock) = (access.user, access.login, self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let now = clock.now();
                let total = logins::count_in(conn, Scope::User(user), now)?;
                let page = page.within(usize::try_from(total).unwrap_or_default());
                let bounds = (offset(page), i64::try_from(limit.min(PAGE)).unwrap_or(i64::MAX));
                let logins = login_pages::page_of_user(conn, (user, login), bounds, now)?;
                let agents = login_pages::user_agents(conn, &others)?;
                Ok(LoginsPage { page, logins, agents: agents.into_iter().collect() })
            })
            .await
    }

    /// The user's live sockets on all nodes, the oldest first.
    pub async fn list_sessions(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.0.logins.sessions.of_user(user).await
    }

    /// Up to `limit` of them past `after`.
    pub async fn own_sessions_after(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: usize,
    ) -> Vec<Arc<SessionInfo>> {
        self.0.logins.sessions.of_user_after(user, after, limit).await
    }

    /// Revokes the login that the access token belongs to.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`] if it could not be revoked.
    pub async fn sign_out(&self, access: &Access, caller: &Caller) -> Result<(), Error> {
        let (this, user, login) = (self.clone(), access.user, access.login);
        let caller = caller.clone().signed_in(access);
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                // It may have been revoked meanwhile.
                if logins::find_live(conn, login, now)?.is_some() {
                    this.record(conn, &caller, Action::SignedOut, Some(user), now)?;
                }
                Ok::<_, Error>(((), Some(Scope::Login(login))))
            })
            .await
    }

    /// Revokes one login of the user's.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not active, or another user's.
    pub async fn revoke_login(&self, access: &Access, login: LoginId, caller: &Caller) -> Result<(), Error> {
        let (this, user) = (self.clone(), access.user);
        let action = if login == access.login { Action::SignedOut } else { Action::LoginsRevoked };
        let caller = caller.clone().with_login(user, login);
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                logins::find_live(conn, login, now)?
                    .filter(|login| login.user_id == user)
                    .ok_or(Error::NotFound)?;
                this.record(conn, &caller, action, Some(user), now)?;
                Ok(((), Some(Scope::Login(login))))
            })
            .await
    }

    /// Revokes all logins of the user's, or all but the current one.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`] if none could be revoked.
    pub async fn sign_out_all(
        &self,
        access: &Access,
        except_current: bool,
        caller: &Caller,
    ) -> Result<(), Error> {
        let scope = if except_current {
            Scope::UserExcept(access.user, access.login)
        } else {
            Scope::User(access.user)
        };
        let (this, user, caller) = (self.clone(), access.user, caller.clone().signed_in(access));
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                if logins::count_in(conn, scope, now)? > 0 {
                    this.record(conn, &caller, Action::LoginsRevoked, Some(user), now)?;
                }
                Ok::<_, Error>(((), Some(scope)))
            })
            .await
    }
}
