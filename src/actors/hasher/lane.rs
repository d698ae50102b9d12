//! Whose password work it is, and what for.

use std::net::IpAddr;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use crate::peer::PeerSocket;
use doorward_core::domain::{LoginId, UserId, network};

/// What password work is for, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    SignIn,
    /// A current password that is asked for again, a password that is changed or reset.
    Owner,
    Registration,
    /// A password that is still being chosen.
    Rating,
}

/// Who waits for the answer. The default is this machine's operator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller {
    /// As `routes::client` found it.
    pub address: Option<IpAddr>,
    /// The connection on which the answer leaves.
    pub socket: Option<PeerSocket>,
}

/// Where a piece of work queues.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    pub class: Class,
    pub caller: Caller,
    /// The account of a sign-in from a device that has signed in to it before.
    pub known: Option<UserId>,
}

impl Lane {
    #[must_use]
    pub const fn new(class: Class, caller: Caller) -> Self {
        Self { class, caller, known: None }
    }

    pub(super) fn client(&self) -> Client {
        self.caller.address.map_or(Client::Local, |address| Client::Network(network(address)))
    }
}

/// Among whom the threads are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Local,
    Network(IpAddr),
    Login(LoginId),
}

/// What is known of a connection's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerState {
    Open,
    /// It sends no more. It may read the answer (`nc -N`), or have gone: TCP does not tell before something is sent.
    HalfClosed,
    Closed,
}

impl PeerState {
    /// Takes nothing from the connection. Its descriptor may be another one's by now, if it ended this moment: then
    /// there is no client to answer either way.
    pub fn of(caller: Caller) -> Self {
        let Some(PeerSocket(descriptor)) = caller.socket else { return Self::Open };
        match recv(descriptor, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Self::HalfClosed,
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Self::Open,
            Err(_) => Self::Closed,
        }
    }
}
