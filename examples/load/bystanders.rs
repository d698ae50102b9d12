//! Other clients that use the server during an attack, each from an address of its own: how long they wait, and whether
//! they are served at all.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Result;
use crate::figures::{Latencies, Sorted};
use crate::http::{Connection, Request};
use crate::people::PASSWORD;
use crate::websocket::{WebSocket, ping_request};

/// How long an answer may take, and an answer to a sign-in.
const PATIENCE: Duration = Duration::from_secs(5);
const SIGN_IN: Duration = Duration::from_secs(20);

/// The address of each client.
const WATCHER: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 1);
const VISITOR: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 2);
const MEMBER: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 3);
const LISTENER: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 4);
/// The first of the owner's addresses: the owner changes it, so that the limit by address is not what is measured.
const OWNER: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 0);

pub const OWNER_NAME: &str = "owner";

/// How clients reach the server.
#[derive(Clone)]
pub struct Site {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

impl Site {
    async fn open(&self, from: Ipv4Addr) -> Result<Connection> {
        Connection::open_from(self.address, from, self.tls.as_ref()).await
    }

    /// Registers an account; returns the reply, tokens included.
    pub async fn register(&self, name: &str, from: Ipv4Addr) -> Result<Value> {
        let body = json!({"username": name, "password": PASSWORD});
        let request = Request::new("POST", "/api/register", None, Some(&body));
        self.open(from).await?.send(&request).await?.expect(201)?.json()
    }
}

/// What one client measured.
pub struct Seen {
    pub latencies: Sorted,
    pub failed: usize,
}

pub struct Bystander {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stopped: Cell<bool>,
    latencies: RefCell<Latencies>,
    failed: Cell<usize>,
}

/// When the next request is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// At a fixed rate; the latency of a late request counts from when it was due.
    Every(Duration),
    /// This long after the last answer.
    After(Duration),
}

impl Bystander {
    fn start(pace: Pace, mut ask: impl AsyncFnMut() -> Result<()> + 'static) -> Self {
        let shared = Rc::<Shared>::default();
        let theirs = Rc::clone(&shared);
        let task = tokio::task::spawn_local(async move {
            let mut due = Instant::now();
            while !theirs.stopped.get() {
                let from = match pace {
                    Pace::Every(period) => {
                        due += period;
                        let late = Instant::now() >= due;
                        sleep_until(due.into()).await;
                        if late { due } else { Instant::now() }
                    }
                    Pace::After(rest) => {
                        sleep(rest).await;
                        Instant::now()
                    }
                };
                let patience = if let Pace::Every(_) = pace { PATIENCE } else { SIGN_IN };
                match timeout(patience, ask()).await {
                    Ok(Ok(())) => theirs.latencies.borrow_mut().push(from.elapsed()),
                    _ => theirs.failed.set(theirs.failed.get() + 1),
                }
            }
        });
        Self { shared, task }
    }

    pub async fn stop(self) -> Result<Seen> {
        self.shared.stopped.set(true);
        self.task.await?;
        Ok(Seen { latencies: self.shared.latencies.take().sorted(), failed: self.shared.failed.get() })
    }
}

pub const NAMES: [&str; 5] = ["/healthz", "same, new conn", "refresh", "ping", "owner's sign-in"];

/// Starts all clients, in the order of [`NAMES`]. `owner` and `member` are the replies to their registrations. Under TLS
/// no client has a live socket.
pub async fn start(site: &Site, owner: &Value, member: &Value) -> Result<Vec<Option<Bystander>>> {
    let token = member["access_token"].as_str().ok_or("no access token")?;
    let refresh = member["refresh_token"].as_str().ok_or("no refresh token")?.to_owned();
    let ping = if site.tls.is_none() { Some(listener(site, token).await?) } else { None };
    Ok(vec![
        Some(watcher(site)),
        Some(visitor(site)),
        Some(refresher(site, refresh)),
        ping,
        Some(signer(site, owner)),
    ])
}

/// `GET /healthz` on a connection that is kept open.
fn watcher(site: &Site) -> Bystander {
    let (site, mut kept) = (site.clone(), None);
    Bystander::start(Pace::Every(Duration::from_millis(20)), async move || {
        // Taken out, so that a connection whose request timed out is not reused.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => site.open(WATCHER).await?,
        };
        connection.send(&Request::get("/healthz", None)).await?.expect(200)?;
        kept = Some(connection);
        Ok(())
    })
}

/// The same on a new connection each time.
fn visitor(site: &Site) -> Bystander {
    let site = site.clone();
    Bystander::start(Pace::Every(Duration::from_millis(50)), async move || {
        site.open(VISITOR).await?.send(&Request::get("/healthz", None)).await?.expect(200).map(drop)
    })
}

fn refresher(site: &Site, mut token: String) -> Bystander {
    let (site, mut kept) = (site.clone(), None);
    Bystander::start(Pace::Every(Duration::from_millis(25)), async move || {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => site.open(MEMBER).await?,
        };
        let body = json!({"refresh_token": token});
        let request = Request::new("POST", "/api/refresh", None, Some(&body));
        let reply = connection.send(&request).await?.expect(200)?.json()?;
        reply["refresh_token"].as_str().ok_or("no refresh token")?.clone_into(&mut token);
        kept = Some(connection);
        Ok(())
    })
}

async fn listener(site: &Site, token: &str) -> Result<Bystander> {
    let mut socket = WebSocket::open(site.address, Some(token), Some(LISTENER)).await?;
    let request = ping_request();
    Ok(Bystander::start(Pace::Every(Duration::from_millis(20)), async move || {
        socket.ask(&request).await.map(drop)
    }))
}

/// Signs in as the owner of the attacked account, from a known device.
fn signer(site: &Site, owner: &Value) -> Bystander {
    let (site, mut times) = (site.clone(), 0);
    // Older servers have no device tokens.
    let device = owner["device_token"].as_str().map(str::to_owned);
    Bystander::start(Pace::After(Duration::from_millis(250)), async move || {
        times = times % 0xffff + 1;
        let mut body = json!({"login": OWNER_NAME, "password": PASSWORD});
        if let Some(device) = &device {
            body["device_token"] = device.as_str().into();
        }
        let request = Request::new("POST", "/api/login", None, Some(&body));
        let from = Ipv4Addr::from_bits(OWNER.to_bits() + times);
        site.open(from).await?.send(&request).await?.expect(200).map(drop)
    })
}
