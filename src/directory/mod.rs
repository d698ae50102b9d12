//! Who is connected, and whose access tokens are refused: the shared state that every request and every
//! socket of this process uses without I/O.
//!
//! | file | contents |
//! |---|---|
//! | `users` | the users who are connected here, with their sessions, their bound, and the list that a user sees |
//! | `remote` | a user's sessions on the other nodes |
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
mod remote;
mod revocations;
pub mod room_rights;
pub mod room_tokens;
mod users;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use tokio::sync::watch;

use self::addresses::{Addresses, Counts};
use self::users::Users;
use crate::config;
use crate::metrics::{Registry, count};

pub use self::addresses::PendingTicket;
pub use self::remote::{NodeId, Report};
pub use self::revocations::Revocations;
pub use self::users::{Reaction, Ticket};

/// A session of a user connected to this node or disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is the user's first one here.
    First(UserId),
    Changed(UserId),
    /// It was the user's last one here.
    Last(UserId),
}

/// Called with each change while its user's entry is locked, so it must be quick and must not call back.
pub type OnChange = Box<dyn Fn(Change) + Send + Sync>;

/// The live sessions of all worker threads, and those that their users have on other nodes.
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
        let this = self.clone();
        registry.reading(
            "doorward_sessions_everywhere",
            "Live sessions that are signed in, on all nodes: what the others have said within the last seconds.",
            move || count(this.count()),
        );
        let users = Arc::clone(&self.users);
        registry.reading(
            "doorward_sessions_remote",
            "Live sessions on other nodes that this one keeps in memory: those of users who are connected to it as well.",
            move || count(users.remote.load(Ordering::Relaxed)),
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

    /// The live sessions of a user who is connected to this node, on all nodes as far as they are known, oldest first. Of
    /// other users, none are known.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.users.of(user)
    }

    /// The user's live sessions on this node, oldest first.
    #[must_use]
    pub fn local_of_user(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.users.local_of(user)
    }

    /// Whether the user is connected to this node.
    #[must_use]
    pub fn has_user(&self, user: UserId) -> bool {
        self.users.has(user)
    }

    /// The users who are connected to this node.
    #[must_use]
    pub fn local_users(&self) -> Vec<UserId> {
        self.users.all()
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

    /// Up to `limit` live sessions of this node past `after`, oldest first.
    #[must_use]
    pub fn local_page(&self, after: Option<SessionId>, limit: usize) -> Vec<Arc<SessionInfo>> {
        self.users.page(after, limit)
    }

    /// How many live sessions there are on all nodes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.local_count() + self.users.elsewhere.load(Ordering::Relaxed)
    }

    /// How many live sessions this node has.
    #[must_use]
    pub fn local_count(&self) -> usize {
        self.users.here.load(Ordering::Relaxed)
    }

    /// The other nodes say that they have so many live sessions together.
    pub fn set_count_elsewhere(&self, count: usize) {
        self.users.elsewhere.store(count, Ordering::Relaxed);
    }

    /// Another node reports its sessions of a user. If the user is connected here, they appear in the user's list and count
    /// towards the bound.
    #[must_use]
    pub fn hear(&self, node: NodeId, report: Report) -> Reaction {
        self.users.hear(node, report)
    }

    /// All other nodes are going to report their sessions again, because their reports may have been missed. What they do not
    /// confirm until [`Directory::settle_all`] has ended.
    pub fn doubt_all(&self) {
        self.users.doubt();
    }

    /// All nodes have had time to report.
    pub fn settle_all(&self) {
        self.users.settle();
    }

    /// These nodes are gone, with all their sessions.
    pub fn forget_nodes(&self, nodes: &[NodeId]) {
        self.users.forget(nodes);
    }
}
