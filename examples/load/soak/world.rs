//! What all clients share: the nodes, the users, and what is counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Result;
use crate::dice::Dice;
use crate::figures::Latencies;
use crate::http::{Connection, Reply, Request};

use super::cluster::{Cluster, Operator};
use super::node::Node;
use super::socket::Transport;
use super::user::{self, User};

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Attempts at a request while nodes restart, and the pause between two.
const ATTEMPTS: usize = 40;
const PAUSE: Duration = Duration::from_millis(100);

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Sockets come and go, and users sign in and out.
    Churn,
    /// Sockets stay.
    Still,
    /// Sockets close, and no other opens.
    Close,
}

pub struct World {
    pub nodes: Rc<[Node]>,
    pub users: Vec<User>,
    pub operator: Operator,
    /// An API key.
    pub key: String,
    open: [Cell<usize>; Transport::ALL.len()],
    opened: Cell<usize>,
    /// What users did and what happened, by its name.
    counts: RefCell<BTreeMap<String, usize>>,
    /// What must not happen, by its name.
    incidents: RefCell<BTreeMap<String, usize>>,
    /// From a revocation's request to the close of a socket.
    pub closes: RefCell<Latencies>,
}

impl World {
    pub async fn new(cluster: &Cluster<'_>, users: usize) -> Result<Rc<Self>> {
        let nodes = Rc::clone(cluster.nodes());
        let operator = cluster.operator()?;
        let scopes = ["--scope", "sessions:read", "--scope", "stats:read", "--scope", "users:end"];
        let key = operator.run(&[&["api-key", "create", "--name", "soak"], &scopes[..]].concat()).await?;
        let users = user::register(nodes[0].http, users).await?;
        Ok(Rc::new(Self {
            nodes,
            users,
            operator,
            key: key.trim().to_owned(),
            open: Default::default(),
            opened: Cell::new(0),
            counts: RefCell::default(),
            incidents: RefCell::default(),
            closes: RefCell::default(),
        }))
    }

    pub fn note_opened(&self, transport: Transport) {
        let open = &self.open[transport as usize];
        open.set(open.get() + 1);
        self.opened.set(self.opened.get() + 1);
    }

    pub fn note_closed(&self, transport: Transport) {
        let open = &self.open[transport as usize];
        open.set(open.get() - 1);
    }

    /// Sockets that are open.
    pub fn open(&self) -> usize {
        self.open.iter().map(Cell::get).sum()
    }

    /// Sockets that were opened so far.
    pub fn opened(&self) -> usize {
        self.opened.get()
    }

    pub fn count(&self, what: impl Into<String>) {
        *self.counts.borrow_mut().entry(what.into()).or_default() += 1;
    }

    /// Notes what must not happen.
    pub fn incident(&self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("... INCIDENT: {what}");
        *self.incidents.borrow_mut().entry(what).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.counts.borrow().clone()
    }

    pub fn incidents(&self) -> BTreeMap<String, usize> {
        self.incidents.borrow().clone()
    }

    /// Sends a request to any node that answers.
    ///
    /// # Errors
    /// None does.
    pub async fn send(&self, dice: &mut Dice, request: &Request) -> Result<Reply> {
        self.send_noting(dice, request).await.map(|(reply, _)| reply)
    }

    /// The same; returns also when the request was sent that was answered.
    pub async fn send_noting(&self, dice: &mut Dice, request: &Request) -> Result<(Reply, Instant)> {
        for _ in 0..ATTEMPTS {
            let (node, sent) = (&self.nodes[dice.roll(self.nodes.len())], Instant::now());
            match timeout(PATIENCE, send_to(node.http, request)).await {
                // 503: it restarts. 408: this tool was too slow to send it.
                Ok(Ok(reply)) if ![503, 408].contains(&reply.status) => return Ok((reply, sent)),
                _ => sleep(PAUSE).await,
            }
        }
        Err("no node has answered a request".into())
    }

    /// How many sessions a node knows, on all nodes.
    pub async fn known_at(&self, node: usize) -> Option<usize> {
        let request = Request::get("/api/admin/stats", Some(&self.key));
        let reply = timeout(PATIENCE, send_to(self.nodes[node].http, &request)).await.ok()?.ok()?;
        let known = reply.expect(200).ok()?.json().ok()?["sessions"].as_u64()?;
        usize::try_from(known).ok()
    }
}

/// On a connection of its own, which is closed with a reset: thousands of ports in `TIME_WAIT` would exhaust them.
async fn send_to(node: SocketAddr, request: &Request) -> Result<Reply> {
    Connection::open_from(node, Ipv4Addr::LOCALHOST, None).await?.send(request).await
}
