//! A user's signed-in devices, and ending them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Accounts, Error};
use crate::actors::hasher::Caller;
use crate::auth::device::PresentedDevices;
use crate::models::login_pages;
use crate::models::logins::{self, LiveLogin, Scope};
use crate::peer::PeerSocket;
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, LoginId, UserId};
use doorward_core::protocol::SessionInfo;

/// In characters; the rest of what a client calls itself is of no use to anybody.
const MAX_USER_AGENT: usize = 256;

/// From where and with what somebody signs in.
#[derive(Debug, Clone)]
pub struct Device {
    pub kind: LoginKind,
    /// What says that its user has signed in on it before.
    pub presented: PresentedDevices,
    pub user_agent: Option<String>,
    pub ip: Option<IpAddr>,
    /// The connection that waits for the answer.
    pub socket: Option<PeerSocket>,
}

impl Device {
    #[must_use]
    pub fn new(kind: LoginKind, user_agent: Option<&str>, ip: Option<IpAddr>) -> Self {
        // A NUL cannot be kept in every database's text; other control characters are nobody's name.
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect();
        let presented = PresentedDevices::default();
        Self { kind, presented, user_agent: user_agent.map(clean), ip, socket: None }
    }

    #[must_use]
    pub fn over(self, socket: Option<PeerSocket>) -> Self {
        Self { socket, ..self }
    }

    pub(super) const fn caller(&self) -> Caller {
        Caller { address: self.ip, socket: self.socket }
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
    /// What clients call themselves, by login.
    pub agents: HashMap<String, Option<String>>,
}

impl Accounts {
    /// The user's logins that stand, the newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list_logins(&self, user: UserId) -> Result<Vec<LiveLogin>, Error> {
        let clock = self.0.clock.clone();
        self.0.db.run(move |conn| Ok(logins::live_of_user(conn, user, clock.now())?)).await
    }

    /// One page of the user's active logins, that of `access` first and then the newest; how many there are; and what
    /// the clients of `others` call themselves.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn page_of_logins(
        &self,
        access: &Access,
        page: Page,
        others: Vec<LoginId>,
    ) -> Result<LoginsPage, Error> {
        let (user, login, clock) = (access.user, access.login, self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let now = clock.now();
                let total = logins::count_in(conn, Scope::User(user), now)?;
                let page = page.within(usize::try_from(total).unwrap_or_default());
                let bounds = (offset(page), i64::try_from(PAGE).unwrap_or(i64::MAX));
                let logins = login_pages::page_of_user(conn, (user, login), bounds, now)?;
                let agents = login_pages::user_agents(conn, &others)?;
                Ok(LoginsPage { page, logins, agents: agents.into_iter().collect() })
            })
            .await
    }

    /// The user's live sockets, on all nodes that this one hears of, the oldest first.
    #[must_use]
    pub fn list_sessions(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.0.logins.sessions.directory().of_user(user)
    }

    /// Ends the login that the access token belongs to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sign_out(&self, access: &Access) -> Result<(), Error> {
        self.0.logins.revoke(Scope::Login(access.login), RevokeReason::SignedOut).await
    }

    /// Ends one login of the user's.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is somebody else's, or has ended; those of the database.
    pub async fn end_login(&self, access: &Access, login: LoginId) -> Result<(), Error> {
        let (user, clock) = (access.user, self.0.clock.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                logins::find_live(conn, login, clock.now())?
                    .filter(|login| login.user_id == user)
                    .ok_or(Error::NotFound)?;
                Ok(((), Some(Scope::Login(login))))
            })
            .await
    }

    /// Ends all logins of the user's, or all others.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_logins(&self, access: &Access, except_current: bool) -> Result<(), Error> {
        let scope = if except_current {
            Scope::UserExcept(access.user, access.login)
        } else {
            Scope::User(access.user)
        };
        self.0.logins.revoke(scope, RevokeReason::SignedOut).await
    }
}
