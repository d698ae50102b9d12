//! Tracks every connection of this process, counted by address from accept on, at every listener. Closes
//! connections that take too long, and some that are in the way of others when there are too many.

mod exchange;
mod framing;
pub mod http;
mod plain_text;
mod socket;
mod stream;
mod table;

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use ipnet::IpNet;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::net;
use crate::config::Config;
use crate::limits::{Mistake, MistakeLog};
use crate::metrics::{Counter, Registry, count};
use doorward_core::domain::network;
use doorward_core::protocol::first_bytes::{Spoken, recognize};

pub use exchange::Deadlines;
pub use socket::Socket;
pub use stream::Stream;
pub use table::Listener;

use exchange::millis;
use plain_text::EncryptedOnly;
use table::{Bounds, Entry, Mark, NEVER, Phase, Table};

/// Connections besides `sockets.max_open`: half of the open files that its default leaves.
const EXTRA_CONNECTIONS: usize = 128;
/// How many of these may be over TCP, so that a flood of that listener leaves some for HTTP.
const EXTRA_OVER_TCP: usize = 64;
/// How many of these only addresses with few connections get.
const RESERVE: usize = 32;

/// Concurrent TLS handshakes of one address. Each takes a few round trips, so hundreds per second are
/// possible.
const HANDSHAKES: usize = 128;

/// How often deadlines are checked, which is also their precision.
const TICK: Duration = Duration::from_millis(200);

/// The longest time that may count between two checks. A process that was stopped for longer gave its clients
/// no chance meanwhile.
const MAX_TICK: Duration = Duration::from_secs(1);

/// How long a client may take to read that its request was late.
const LATE_RESPONSE_TIME: Duration = Duration::from_secs(1);

/// How often the log reports connections that were refused or displaced.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// All connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    total: usize,
    deadlines: Arc<Deadlines>,
    trusted: Vec<IpNet>,
    /// Milliseconds in which any connection had a deadline, as of the last check.
    now: AtomicU64,
    /// A connection was admitted or refused.
    arrival: Notify,
    refused: AtomicU64,
    displaced: AtomicU64,
    turned_away: Counter<1>,
    mistakes: MistakeLog,
    /// Answers plain text at a listener that speaks TLS.
    encrypted_only: EncryptedOnly,
    /// The last connection of a live session has ended.
    no_session: Notify,
}

impl Connections {
    #[must_use]
    pub fn new(config: &Config, deadlines: Deadlines, mistakes: &MistakeLog) -> Self {
        let open = config.sockets.max_open;
        let total = open.saturating_add(EXTRA_CONNECTIONS);
        let bounds = Bounds {
            total,
            reserve: RESERVE,
            over_tcp: open.saturating_add(EXTRA_OVER_TCP),
            per_address: config.connections.max_per_address,
            handshakes: HANDSHAKES,
        };
        Self(Arc::new(Shared {
            table: Mutex::new(Table::new(bounds)),
            total,
            deadlines: Arc::new(deadlines),
            trusted: config.sockets.trusted_proxies.clone(),
            now: AtomicU64::new(0),
            arrival: Notify::new(),
            refused: AtomicU64::new(0),
            displaced: AtomicU64::new(0),
            turned_away: Counter::new(["how"]).starting([["refused"], ["displaced"]]),
            mistakes: mistakes.clone(),
            encrypted_only: EncryptedOnly::new(&config.public_url),
            no_session: Notify::new(),
        }))
    }

    /// How many connections there may be.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_connections_turned_away_total",
            "Connections that were refused, or displaced by others, because there were too many.",
            &self.0.turned_away,
        );
        let connections = self.clone();
        registry.reading("doorward_connections", "Open connections, live sockets among them.", move || {
            count(connections.table().open())
        });
    }

    /// Admits a new connection, if necessary in place of another one. On `None` the connection is to be
    /// closed.
    pub fn admit(&self, listener: Listener, tcp: TcpStream, tls: bool) -> Option<(Socket, SocketAddr)> {
        // A connection without a peer has already ended.
        let peer = tcp.peer_addr().ok()?;
        net::tune(&tcp);
        let address = peer.ip().to_canonical();
        let proxy = listener == Listener::Http && self.0.trusted.iter().any(|net| net.contains(&address));
        let client = (!proxy).then(|| network(address));
        let (now, deadlines) = (self.now(), &self.0.deadlines);
        let mark = match (tls, listener) {
            // The handshake has a more precise deadline of its own.
            (true, _) => Mark::new(Phase::Handshake, now + millis(deadlines.handshake + LATE_RESPONSE_TIME)),
            (false, listener) => opening(listener, now, deadlines),
        };
        let admitted = self.table().admit(client, listener, mark, Some(tcp.as_raw_fd()));
        let Some(admitted) = admitted else {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            self.0.turned_away.add(["refused"], 1);
            self.0.arrival.notify_one();
            return None;
        };
        for entry in &admitted.displaced {
            self.0.displaced.fetch_add(1, Ordering::Relaxed);
            self.0.turned_away.add(["displaced"], 1);
            close(entry, Shutdown::Both);
        }
        self.0.arrival.notify_one();
        let slot = Slot(Handle { connections: self.clone(), entry: admitted.entry });
        Some((Socket::new(slot, tcp), peer))
    }

    /// Waits until the connections of all live sessions have ended.
    pub async fn without_sessions(&self) {
        loop {
            let ended = self.0.no_session.notified();
            if self.table().live() == 0 {
                return;
            }
            ended.await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.0.now.load(Ordering::Relaxed)
    }

    /// Enforces the deadlines for as long as the process runs. One task for all: a timer for each would cost
    /// more than an idle connection. Without a connection that has a deadline, nothing wakes it.
    #[expect(clippy::disallowed_methods, reason = "clients' real patience; no rule depends on it")]
    pub async fn enforce_deadlines(self) {
        let mut pace = tokio::time::interval(TICK);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        let mut reported = 0;
        loop {
            if !self.table().has_deadlines() && !self.has_report() {
                self.0.arrival.notified().await;
                last = Instant::now();
            }
            pace.tick().await;
            let passed = last.elapsed().min(MAX_TICK);
            last = Instant::now();
            let now = self.now() + millis(passed);
            self.0.now.store(now, Ordering::Relaxed);
            let overdue = self.table().overdue(now, millis(LATE_RESPONSE_TIME));
            for entry in overdue.late {
                close(&entry, Shutdown::Read);
            }
            for entry in overdue.closed {
                close(&entry, Shutdown::Both);
            }
            if now >= reported {
                self.report();
                reported = now + millis(REPORT_INTERVAL);
            }
        }
    }

    /// Whether there is anything to report.
    fn has_report(&self) -> bool {
        [&self.0.refused, &self.0.displaced].iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    fn report(&self) {
        let refused = self.0.refused.swap(0, Ordering::Relaxed);
        let displaced = self.0.displaced.swap(0, Ordering::Relaxed);
        if refused + displaced > 0 {
            tracing::warn!(refused, displaced, "too many connections, of one address or in total");
        }
    }
}

/// The first mark of a connection without TLS, or after the handshake.
fn opening(listener: Listener, now: u64, deadlines: &Deadlines) -> Mark {
    match listener {
        Listener::Http => Mark::new(Phase::Head, now + millis(deadlines.head)),
        // The prompts have deadlines of their own.
        Listener::Tcp => Mark::new(Phase::Prompt, NEVER),
    }
}

fn close(entry: &Entry, how: Shutdown) {
    entry.with_descriptor(|descriptor| {
        // Fails only if the peer was faster.
        let _ = shutdown(descriptor, how);
    });
}

/// A connection's place in the table, released when this is dropped, before the descriptor is closed.
#[derive(Debug)]
pub struct Slot(Handle);

impl Slot {
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.entry.forget_descriptor();
        let shared = &self.0.connections.0;
        let mut table = self.0.connections.table();
        table.remove(&self.0.entry);
        if table.live() == 0 {
            drop(table);
            shared.no_session.notify_waiters();
        }
    }
}

/// Reports a connection's progress.
#[derive(Debug, Clone)]
pub struct Handle {
    connections: Connections,
    entry: Arc<Entry>,
}

impl Handle {
    #[must_use]
    pub fn deadlines(&self) -> &Arc<Deadlines> {
        &self.connections.0.deadlines
    }

    fn now(&self) -> u64 {
        self.connections.now()
    }

    fn set_mark(&self, mark: Mark) {
        self.entry.set(mark);
    }

    /// Checks the first bytes of a connection: some show that a client or a proxy uses the wrong port.
    fn inspect_first_bytes(&self, bytes: &[u8], tcp: &TcpStream) {
        let mistake = match recognize(bytes) {
            Some(Spoken::Tls) => Mistake::Tls,
            Some(Spoken::ProxyHeader) => Mistake::ProxyHeader,
            Some(Spoken::Http2) => Mistake::Http2,
            Some(Spoken::Http) | None => return,
        };
        self.log_mistake(mistake, tcp);
    }

    fn log_mistake(&self, mistake: Mistake, tcp: &TcpStream) {
        // A connection without a peer has already ended.
        if let Ok(peer) = tcp.peer_addr() {
            self.connections.0.mistakes.note(mistake, peer.ip());
        }
    }

    fn is_late(&self) -> bool {
        self.entry.mark().phase == Phase::Late
    }

    fn secured(&self) {
        let mark = opening(self.entry.listener, self.now(), &self.connections.0.deadlines);
        self.connections.table().secured(&self.entry, mark);
    }

    /// The connection has become a live session.
    pub fn live(&self) {
        self.connections.table().becomes_live(&self.entry);
    }
}
