//! Who is connected, and whose access tokens are refused: the shared state that every request and every
//! socket of this process uses without I/O.
//!
//! | file | contents |
//! |---|---|
//! | `users` | the signed-in sessions of each user, their bound, and the list that a user sees |
//! | `addresses` | the live sockets of each address, and how many are not signed in |
//! | `revocations` | the logins that were revoked within the lifetime of an access token |
//! | `freshness` | how long ago the revocations were last polled |
//! | `access_changes` | versions of users whose roles or claims changed lately, and what connected users have |
//! | `room_rights` | what connected users may do in rooms, as rows of members and bans say |
//! | `room_tokens` | which room tokens were revoked |
//! | `read_numbers` | which revocations and changes were read from the database |
//!
//! Changes are passed to a function (the cluster's), so that nothing here depends on it.

pub mod access_changes;
mod addresses;
pub mod freshness;
pub mod read_numbers;
mod revocations;
pub mod room_rights;
pub mod room_tokens;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use tokio::sync::watch;

use self::addresses::{Addresses, Counts};
use self::users::Users;
use crate::config;
use crate::metrics::{Registry, count};

pub use self::addresses::PendingTicket;
pub use self::revocations::Revocations;
pub use self::users::Ticket;

/// A session of this node connected or disconnected.
#[derive(Debug)]
pub enum Change {
    Connected(Arc<SessionInfo>),
    Disconnected { user: UserId, session: SessionId },
}

/// Called with each change while its user's entry is locked, so it must be quick and must not call back.
pub type OnChange = Box<dyn Fn(Change) + Send + Sync>;

/// The live sessions of all worker threads, and those of the other nodes as far as they are known.
#[derive(Clone)]
pub struct Directory {
    users: Arc<Users>,
    addresses: Arc<Addresses>,
}

impl Directory {
    #[must_use]
    pub fn new(limits: &config::Sockets, on_change: OnChange) -> Self {
        Self {
            users: Arc::new(Users::new(limits.max_per_user, on_change)),
            addresses: Arc::new(Addresses::new(Counts {
                open: limits.max_per_address,
                pending: limits.max_waiting_per_address,
            })),
        }
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.gauge(
            "doorward_sessions",
            "Live sessions that are signed in, on this node.",
            &self.users.by_transport,
        );
        let users = Arc::clone(&self.users);
        registry.reading(
            "doorward_sessions_everywhere",
            "Live sessions that are signed in, on all nodes as far as they are known.",
            move || count(users.count()),
        );
    }

    /// Admits a session of the user at the address; none if there are too many. `pending` is the ticket that
    /// the socket has at its address already, if it had to sign in first.
    #[must_use]
    pub fn admit(&self, info: SessionInfo, pending: Option<PendingTicket>) -> Option<Ticket> {
        let place = match pending {
            Some(pending) => pending.into_ticket(),
            None => Addresses::admit(&self.addresses, info.address),
        };
        Users::admit(&self.users, info, place?)
    }

    /// Admits a socket that is not signed in; none if its address has too many, or too many of that kind.
    #[must_use]
    pub fn admit_pending(&self, address: IpAddr) -> Option<PendingTicket> {
        Addresses::admit_pending(&self.addresses, address)
    }

    /// The user's live sessions, on all nodes as far as they are known, oldest first.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.users.of(user)
    }

    /// Signals each change to the user's sessions, on any worker; none if the user has no sessions.
    #[must_use]
    pub fn updates(&self, user: UserId) -> Option<watch::Receiver<()>> {
        self.users.updates(user)
    }

    /// The user's live sessions, marking `updates` as seen.
    #[must_use]
    pub fn latest(&self, user: UserId, updates: &mut watch::Receiver<()>) -> Vec<Arc<SessionInfo>> {
        self.users.latest(user, updates)
    }

    /// Up to `limit` live sessions past `after` on all nodes, as far as they are known, oldest first.
    #[must_use]
    pub fn page(&self, after: Option<SessionId>, limit: usize) -> Vec<Arc<SessionInfo>> {
        self.users.page(after, limit)
    }

    /// How many live sessions there are on all nodes, as far as they are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.users.count()
    }

    /// All live sessions of this node.
    #[must_use]
    pub fn local_sessions(&self) -> Vec<Arc<SessionInfo>> {
        self.users.local()
    }

    /// Adds a session of another node, which appears in its user's list and counts towards the bound.
    pub fn add_remote(&self, info: SessionInfo) {
        self.users.add_remote(info);
    }

    /// Removes sessions of another node that have ended.
    pub fn remove_remote(&self, gone: Vec<(UserId, SessionId)>) {
        self.users.remove_remote(gone);
    }
}
