//! The attackers: requests from any number of addresses of 127.0.0.0/8 at a bounded rate, or connections that send
//! nothing. They run on a thread of their own, so that they do not delay what is measured.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use crate::http::{Connection, Request, connect_from};
use crate::{Error, Result};

/// The most requests in flight.
const IN_FLIGHT: usize = 64;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The delay before a connection that the server closed is opened again.
const REST: Duration = Duration::from_millis(200);

/// What is sent, from where, and until when.
pub struct Plan {
    pub address: SocketAddr,
    /// Source addresses.
    pub sources: usize,
    pub until: Instant,
    pub what: What,
}

pub enum What {
    /// Requests, `rate` per second at most; `make` makes the n-th.
    Requests { rate: f64, make: Box<dyn Fn(usize) -> Request + Send> },
    /// This many connections that send nothing and are opened again when the server closes them.
    Silence { connections: usize },
}

/// The outcome of an attack.
#[derive(Default, Debug)]
pub struct Tally {
    /// Answers by status.
    pub answers: BTreeMap<u16, usize>,
    /// Connections that were refused or closed, and requests without an answer in time.
    pub unanswered: usize,
    /// Connections that were open at the same time.
    pub held: usize,
}

/// Starts an attack, which ends soon after `until`.
pub fn start(plan: Plan) -> thread::JoinHandle<Result<Tally, String>> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        LocalSet::new().block_on(&runtime, attack(plan)).map_err(|error| error.to_string())
    })
}

/// The first source address.
fn source(index: usize) -> Ipv4Addr {
    let first = Ipv4Addr::new(127, 1, 0, 1).to_bits();
    Ipv4Addr::from_bits(first + u32::try_from(index).unwrap_or_default())
}

async fn attack(plan: Plan) -> Result<Tally> {
    let state = Rc::new(State {
        due: Cell::new(Instant::now()),
        sent: Cell::new(0),
        open: Cell::new(0),
        tally: RefCell::default(),
        plan,
    });
    let tasks = match state.plan.what {
        What::Requests { .. } => IN_FLIGHT,
        What::Silence { connections } => connections,
    };
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let state = Rc::clone(&state);
        running.spawn_local(async move {
            match &state.plan.what {
                What::Requests { rate, make } => state.ask(task, *rate, make).await,
                What::Silence { .. } => state.hold_open(task).await,
            }
        });
    }
    while let Some(task) = running.join_next().await {
        task?;
    }
    Ok(state.tally.take())
}

struct State {
    plan: Plan,
    due: Cell<Instant>,
    sent: Cell<usize>,
    open: Cell<usize>,
    tally: RefCell<Tally>,
}

impl State {
    /// Sends requests until time is up.
    async fn ask(&self, task: usize, rate: f64, make: &(dyn Fn(usize) -> Request + Send)) {
        let sources = self.plan.sources;
        // With few addresses each task keeps its connection; with many, each request has a connection of its own.
        let stays = sources <= IN_FLIGHT;
        let mut kept = None;
        while let Some(index) = self.next(rate).await {
            let from = source(if stays { task } else { index } % sources);
            let request = make(index);
            let asked = timeout(PATIENCE, async {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => Connection::open_from(self.plan.address, from, None).await?,
                };
                let reply = connection.send(&request).await?;
                kept = Some(connection).filter(|_| stays);
                Ok::<_, Error>(reply.status)
            });
            if let Ok(Ok(status)) = asked.await {
                *self.tally.borrow_mut().answers.entry(status).or_default() += 1;
            } else {
                self.tally.borrow_mut().unanswered += 1;
                sleep(REST).await;
            }
        }
    }

    /// Waits until the next request may be sent; returns its number.
    async fn next(&self, rate: f64) -> Option<usize> {
        let due = self.due.get().max(Instant::now());
        if due >= self.plan.until {
            return None;
        }
        self.due.set(due + Duration::from_secs_f64(1.0 / rate));
        sleep_until(due.into()).await;
        Some(self.sent.replace(self.sent.get() + 1))
    }

    /// Holds one connection open until time is up.
    async fn hold_open(&self, task: usize) {
        let from = source(task % self.plan.sources);
        while Instant::now() < self.plan.until {
            let Ok(Ok(stream)) = timeout(PATIENCE, connect_from(self.plan.address, from)).await else {
                self.tally.borrow_mut().unanswered += 1;
                sleep(REST).await;
                continue;
            };
            let open = self.open.get() + 1;
            self.open.set(open);
            let held = self.tally.borrow().held.max(open);
            self.tally.borrow_mut().held = held;
            let closed = timeout_at(self.plan.until.into(), closed(&stream)).await.is_ok();
            self.open.set(self.open.get() - 1);
            if closed {
                self.tally.borrow_mut().unanswered += 1;
                sleep(REST).await;
            }
        }
    }
}

/// Returns when the server has closed it.
async fn closed(stream: &TcpStream) {
    let mut byte = [0; 64];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut byte) {
            Ok(count) if count > 0 => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
