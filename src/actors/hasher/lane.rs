//! Who requests password work, and what for.

use std::net::IpAddr;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use crate::peer::PeerSocket;
use doorward_core::domain::{LoginId, UserId, network};

/// What password work is for, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    SignIn,
    /// The current password, requested again; a password that is changed or reset.
    Owner,
    Registration,
    /// The rating of a password that is still being chosen.
    Rating,
}

/// Who waits for the result. The default is the operator on this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requester {
    /// As `routes::client` determines it.
    pub address: Option<IpAddr>,
    /// The connection on which the response is sent.
    pub socket: Option<PeerSocket>,
}

/// How a piece of work is queued.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    pub class: Class,
    pub requester: Requester,
    /// The account of a sign-in from a known device of that account.
    pub known: Option<UserId>,
}

impl Lane {
    #[must_use]
    pub const fn new(class: Class, requester: Requester) -> Self {
        Self { class, requester, known: None }
    }

    pub(super) fn client(&self) -> Client {
        self.requester.address.map_or(Client::Local, |address| Client::Network(network(address)))
    }
}

/// The parties that share the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Local,
    Network(IpAddr),
    Login(LoginId),
}

/// The state of a connection's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerState {
    Open,
    /// The client sends no more. It may still read the response (`nc -N`) or be gone: TCP does not tell
    /// before something is sent.
    HalfClosed,
    Closed,
}

impl PeerState {
    /// Peeks without reading. If the connection has just been closed, its descriptor may belong to another
    /// one by now; then there is no client to answer either way.
    pub fn of(requester: Requester) -> Self {
        let Some(PeerSocket(descriptor)) = requester.socket else { return Self::Open };
        match recv(descriptor, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Self::HalfClosed,
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Self::Open,
            Err(_) => Self::Closed,
        }
    }
}
