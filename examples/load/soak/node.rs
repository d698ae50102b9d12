//! A node as its clients know it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long after a node's start a client may notice that the node was gone.
const LATE: Duration = Duration::from_secs(2);

pub struct Node {
    pub http: SocketAddr,
    pub tcp: SocketAddr,
    /// None while it restarts.
    pid: Cell<Option<u32>>,
    started: Cell<Instant>,
}

impl Node {
    pub fn new(http: SocketAddr, tcp: SocketAddr, pid: Option<u32>) -> Self {
        Self { http, tcp, pid: Cell::new(pid), started: Cell::new(Instant::now()) }
    }

    pub fn pid(&self) -> Option<u32> {
        self.pid.get()
    }

    pub fn stops(&self) {
        self.pid.set(None);
    }

    pub fn has_started(&self, pid: Option<u32>) {
        self.pid.set(pid);
        self.started.set(Instant::now());
    }

    /// Or it restarted a moment ago: a client may notice late.
    pub fn is_restarting(&self) -> bool {
        self.pid.get().is_none() || self.started.get().elapsed() < LATE
    }
}
