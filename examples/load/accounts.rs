//! `accounts`: the cost of requests that do not use the database, read it, or write to it; at one server, or at two with
//! different settings in one run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::echo::Round;
use crate::figures::{Latencies, Report};
use crate::http::{Connection, Request};
use crate::launch;
use crate::people::{PASSWORD, People, side_by_side};
use crate::server::Server;
use crate::{CHEAP, Result, Target};

const CONNECTIONS: usize = 64;

/// Time before the measurement starts.
const WARM_UP: Duration = Duration::from_millis(500);

/// The servers take turns at a route, so that changes on the machine affect both.
const TURNS: usize = 3;

#[derive(Clone, Copy)]
enum Route {
    /// No database, no sign-in.
    Health,
    /// One query.
    Ready,
    /// A query, a hash, and a transaction of four writes.
    Register,
    /// A transaction that reads two rows and writes one.
    Refresh,
}

const ROUTES: [(Route, &str); 4] = [
    (Route::Health, "GET /healthz"),
    (Route::Ready, "GET /readyz"),
    (Route::Register, "POST /api/register"),
    (Route::Refresh, "POST /api/refresh"),
];

struct Contender {
    name: String,
    server: Server,
    /// For usernames that are free.
    people: People,
    registered: Rc<Cell<usize>>,
    /// One per connection; each reply contains the next.
    refresh_tokens: Vec<Rc<RefCell<String>>>,
    /// For each route: replies per second, and CPU time per reply in us.
    figures: Vec<(f64, Option<f64>)>,
}

/// Parses a setting, or a database's URL.
pub fn beside(text: &str) -> Result<(String, String), String> {
    // Checked first: a URL may contain an equals sign too.
    if ["postgres:", "postgresql:", "sqlite:"].iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(("database.url".to_owned(), text.to_owned()));
    }
    launch::setting(text)
}

pub async fn run(
    target: &Target,
    beside: &[(String, String)],
    seconds: u64,
    report: &mut Report,
) -> Result<()> {
    let mut contenders = vec![Contender::start(target.clone()).await?];
    if !beside.is_empty() {
        if target.url.is_some() {
            return Err("two servers are compared only if this tool starts both".into());
        }
        let mut second = target.clone();
        second.settings.extend_from_slice(beside);
        contenders.push(Contender::start(second).await?);
    }
    for (route, title) in ROUTES {
        eprintln!("... {title}");
        let mut rounds: Vec<_> = contenders.iter().map(|_| Round::default()).collect();
        for _ in 0..TURNS {
            for (contender, round) in contenders.iter().zip(&mut rounds) {
                round.add(contender.turn(route, Duration::from_secs(seconds)).await?);
            }
        }
        for (contender, round) in contenders.iter_mut().zip(rounds) {
            contender.figures.push((round.rate(), round.cpu_each()));
            report.section(format!("accounts: {title} over {CONNECTIONS} connections, {}", contender.name));
            round.show(report);
        }
    }
    if let [first, second] = &contenders[..] {
        report.section(format!("accounts: {} : {}", second.name, first.name));
        for ((_, title), (theirs, ours)) in ROUTES.iter().zip(first.figures.iter().zip(&second.figures)) {
            let cpu = ours.1.zip(theirs.1).map(|(ours, theirs)| ours / theirs);
            report.row(*title, ours.0 / theirs.0, ": 1").row_if_known("  server CPU", cpu, ": 1");
        }
    }
    Ok(())
}

/// What distinguishes a server: its database and its other settings. A URL may hold a password.
fn name(target: &Target) -> String {
    // The last value of a key counts.
    let mut settings: BTreeMap<_, _> = target.settings.iter().cloned().collect();
    let is_postgres = settings.remove("database.url").is_some_and(|url| url.starts_with("postgres"));
    let mut name = if is_postgres { "PostgreSQL" } else { "SQLite" }.to_owned();
    for (key, value) in settings.iter().filter(|(key, _)| !key.ends_with("url")) {
        // Writing to a String does not fail.
        let _ = write!(name, ", {key}={value}");
    }
    name
}

impl Contender {
    async fn start(target: Target) -> Result<Self> {
        // With the default on two cores half of the simultaneous registrations would be refused.
        let settings = [CHEAP[0], CHEAP[1], ("password.workers", "8")];
        let server = Server::start(&target, &settings).await?;
        let mut this = Self {
            name: name(&target),
            people: People::new(server.address()),
            server,
            registered: Rc::default(),
            refresh_tokens: Vec::new(),
            figures: Vec::new(),
        };
        let address = this.server.address();
        let requests = (0..CONNECTIONS).map(|_| register(&this.people, &this.registered)).collect();
        let tokens = side_by_side(16, requests, async move |request: Request| {
            let reply = Connection::open(address).await?.send(&request).await?.expect(201)?.json()?;
            let token = reply["refresh_token"].as_str().ok_or("no refresh token")?;
            Ok(Rc::new(RefCell::new(token.to_owned())))
        });
        this.refresh_tokens = tokens.await?;
        Ok(this)
    }

    async fn turn(&self, route: Route, duration: Duration) -> Result<Round> {
        let tally = Rc::<Tally>::default();
        let mut tasks = JoinSet::<Result<()>>::new();
        for token in &self.refresh_tokens {
            let mut connection = Connection::open(self.server.address()).await?;
            let (tally, token) = (Rc::clone(&tally), Rc::clone(token));
            let (people, registered) = (self.people.clone(), Rc::clone(&self.registered));
            tasks.spawn_local(async move {
                while !tally.stopped.get() {
                    let (request, status) = match route {
                        Route::Health => (Request::get("/healthz", None), 200),
                        Route::Ready => (Request::get("/readyz", None), 200),
                        Route::Register => (register(&people, &registered), 201),
                        Route::Refresh => {
                            let body = json!({"refresh_token": *token.borrow()});
                            (Request::new("POST", "/api/refresh", None, Some(&body)), 200)
                        }
                    };
                    let sent = Instant::now();
                    let reply = connection.send(&request).await?.expect(status)?;
                    if tally.counting.get() {
                        tally.latencies.borrow_mut().push(sent.elapsed());
                    }
                    if let Route::Refresh = route {
                        let next = reply.json()?["refresh_token"].as_str().map(str::to_owned);
                        *token.borrow_mut() = next.ok_or("no refresh token")?;
                    }
                }
                Ok(())
            });
        }
        sleep(WARM_UP).await;
        let (before, started) = (self.server.cpu(), Instant::now());
        tally.counting.set(true);
        sleep(duration).await;
        tally.counting.set(false);
        let (elapsed, cpu) = (started.elapsed(), self.server.cpu_since(before));
        tally.stopped.set(true);
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(Round { elapsed, cpu, latencies: tally.latencies.take() })
    }
}

/// A request that registers the next username.
fn register(people: &People, registered: &Cell<usize>) -> Request {
    let user = registered.replace(registered.get() + 1);
    let body = json!({"username": people.username(user), "password": PASSWORD});
    Request::new("POST", "/api/register", None, Some(&body))
}

#[derive(Default)]
struct Tally {
    counting: Cell<bool>,
    stopped: Cell<bool>,
    latencies: RefCell<Latencies>,
}
