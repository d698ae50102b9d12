//! Wires everything: what is built, which loops run beside the server, and how it stops.

mod additions;
mod connections;
mod metrics;
mod net;
mod rooms;
mod serve;
mod shared_service;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;

use crate::accounts::Accounts;
use crate::actors::db::WATCHERS;
use crate::actors::{Db, Live};
use crate::brand::Brand;
use crate::clock::Clock;
use crate::cluster::message::NodeId;
use crate::cluster::{Cluster, Node, Relay, RelayNode};
use crate::config::Config;
use crate::events::{Publisher, RoomRights};
use crate::limits::RateLimits;
use crate::mail::Mail;
use crate::ownership::Need;
use crate::routes::{Readiness, RequestMetrics};
use crate::server_lock::ServerLock;
use crate::text::Languages;
use crate::tls::Certificate;
use crate::{db, ownership, private_files};

use connections::Connections;
use metrics::{Scrapes, Scraping};

pub use additions::{Additions, TestAdditions};
pub use connections::Deadlines;

/// How long the sockets' goodbyes may take altogether, until those are read or their clients cut, and emails under way
/// after them.
const DRAIN_LIMIT: Duration = Duration::from_secs(8);
const LAST_MESSAGES_LIMIT: Duration = Duration::from_secs(3);
const EMAILS_LIMIT: Duration = Duration::from_secs(3);
const FAILURES_LIMIT: Duration = Duration::from_secs(2);

/// How often old rows are removed.
const PURGE_PACE: Duration = Duration::from_hours(1);

/// A server that is bound and ready to run.
pub struct Application {
    config: Config,
    clock: Clock,
    listener: TcpListener,
    address: SocketAddr,
    tcp: Option<(TcpListener, SocketAddr)>,
    metrics: Option<(TcpListener, SocketAddr)>,
    requests: RequestMetrics,
    certificate: Option<Certificate>,
    brand: Arc<Brand>,
    accounts: Accounts,
    live: Live,
    mail: Mail,
    rates: RateLimits,
    languages: Languages,
    /// None if there are no others.
    node: Option<Node>,
    relay: Option<RelayNode>,
    readiness: Readiness,
    additions: Additions,
    deadlines: Deadlines,
    /// None on a database that servers share.
    lock: Option<ServerLock>,
}

impl Application {
    /// Opens the database, makes keys at the first start, and binds.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, String> {
        Self::build_with(config, clock, Additions::default()).await
    }

    /// The same for an application that has more to say than Doorward alone.
    ///
    /// # Errors
    /// As [`Application::build`].
    pub async fn build_with(config: Config, clock: Clock, additions: Additions) -> Result<Self, String> {
        config.check_for_serving()?;
        for warning in private_files::secure(&config) {
            tracing::warn!("{warning}");
        }
        let certificate = config.tls.clone().map(Certificate::load).transpose()?;
        let languages = Languages::of(&config)?;
        let brand = Arc::new(Brand::load(&config.brand)?);
        if let Some(advice) = brand.advice() {
            tracing::warn!("{advice}");
        }
        create_data_dir(&config)?;
        let mut lock = if additions.shares_database { None } else { ServerLock::take(&config.database.url)? };
        // Before anything uses the public address, which may follow the port.
        let http = net::bind("http.listen", config.http.listen)?;
        let config = config.listening_on(http.address);
        if let Some(lock) = &mut lock {
            lock.describe(&config.link(""));
        }
        // One for each database thread, plus those of the revocation polls, which must not wait for others.
        let connections = u32::try_from(config.database.executors + WATCHERS).unwrap_or(u32::MAX);
        let pool = open_database(&config, connections)?;
        let db = Db::start(pool, config.database.executors);
        let (others, node, relay) = connect(&config, &clock)?;
        let events = Arc::clone(&additions.events);
        rooms::check_words(&config.rooms, &events)?;
        let kinds = rooms::with_rules(&config.rooms, &additions.room_rules)?;
        let live = Live::in_cluster(&config.sockets, others, (kinds, events), &clock);
        rooms::take_tokens(&config, &live)?;
        let mail = Mail::start(db.clone(), clock.clone(), &config, languages.clone(), brand.clone())?;
        let accounts = Accounts::start(db, &live, mail.clone(), clock.clone(), &config);
        let accounts = start_accounts(accounts.await).await?;
        let tcp = net::listen("tcp.listen", config.tcp.listen)?;
        let metrics = net::listen("metrics.listen", config.metrics)?;
        let (listener, address) = http.listen()?;
        let readiness = Readiness::of(live.sessions.rooms().clone());
        let rates = RateLimits::new(&config.limits, &clock);
        Ok(Self {
            config,
            clock,
            listener,
            address,
            tcp,
            metrics,
            requests: RequestMetrics::default(),
            certificate,
            brand,
            accounts,
            live,
            mail,
            rates,
            languages,
            node,
            relay,
            readiness,
            additions,
            deadlines: Deadlines::default(),
            lock,
        })
    }

    /// Other deadlines of connections, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// The configuration in force: if `public_url` is not set, it has the real port.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Where it listens; the port is real even if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the TCP endpoint is, if it is open.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().map(|(_, address)| *address)
    }

    /// Where metrics are read, if that listener is open.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Sends to rooms under the application's name, also while the server runs: take it before
    /// [`Application::run_until_stopped`].
    ///
    /// # Panics
    /// If the name is empty, has more than 64 characters, or has control characters.
    #[must_use]
    pub fn publisher(&self, name: &str) -> Publisher {
        Publisher::new(name, self.live.sessions.rooms().publishing())
    }

    /// Changes members and bans of rooms, also while the server runs: take it before [`Application::run_until_stopped`].
    #[must_use]
    pub fn room_rights(&self) -> RoomRights {
        RoomRights::new(Arc::new(self.accounts.clone()), None)
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// Serves until `shutdown` is ready, then drains: not ready any more, no new sockets, a goodbye to each
    /// open one, and the requests that run are answered.
    ///
    /// # Errors
    /// If the server cannot start.
    pub async fn run_until_stopped(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let connections = Connections::new(&self.config, self.deadlines, self.rates.mistakes());
        let server = self.serve(&connections)?;
        let scrapes = self.serve_metrics(&connections)?;
        // The server has its own copies. Once it closes those, no client may hang on these, where nothing accepts.
        drop((self.listener, self.tcp, self.metrics));
        // Released when all has stopped.
        let _lock = self.lock;
        let handle = server.handle();
        let logins = self.accounts.logins().clone();
        let listener = self.config.database.url.listen(move || logins.wake_poll());
        let resets = rt::spawn(self.accounts.clone().answer_reset_requests());
        let tasks = [
            rt::spawn(connections.clone().enforce_deadlines()),
            rt::spawn(self.accounts.clone().watch(self.additions.poll_pace)),
            rt::spawn(self.accounts.clone().revoke_connections()),
            rt::spawn(self.live.sessions.rooms().clone().tell_presence()),
            rt::spawn(purge_for_ever(self.accounts.clone(), self.clock.clone())),
            rt::spawn(self.accounts.clone().write_failures(self.rates.clone())),
            rt::spawn(self.rates.clone().sweep_for_ever(self.clock.clone())),
        ];
        let certificate = self.certificate.clone().map(|certificate| rt::spawn(certificate.watch()));
        let node = self.node.map(|node| {
            let logins = self.accounts.logins().clone();
            rt::spawn(node.run(self.live.sessions.directory().clone(), logins))
        });
        let relay = self.relay.map(|node| rt::spawn(rooms::exchange(node, self.live.sessions.clone())));
        let mut server = rt::spawn(server);
        tokio::select! {
            () = shutdown => {}
            // A server that ends by itself has failed.
            ended = &mut server => return ended.unwrap_or_else(|error| Err(io::Error::other(error))),
        }

        tracing::info!("draining");
        self.readiness.drain();
        end_sessions(&self.live, &connections).await;
        handle.stop(true).await;
        if node.is_some() {
            self.live.cluster.leave().await;
        }
        self.live.sessions.leave_cluster().await;
        resets.abort();
        if !matches!(within(EMAILS_LIMIT, self.accounts.answer_queued_resets()).await, Some(Ok(()))) {
            tracing::warn!("some requests for links by email were not answered");
        }
        if within(EMAILS_LIMIT, self.mail.finish()).await.is_none() {
            tracing::warn!("emails that were being sent are sent again at the next start");
        }
        for task in tasks.into_iter().chain(certificate).chain(node).chain(relay) {
            task.abort();
        }
        drop(listener);
        drop(scrapes);
        let stopped = server.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        write_last_failures(&self.accounts, &self.rates).await;
        fold_log(&self.accounts).await;
        stopped
    }
}

impl Application {
    /// Answers Prometheus, if it is to, until what this answers is dropped.
    fn serve_metrics(&self, connections: &Connections) -> io::Result<Option<Scraping>> {
        let Some((listener, _)) = &self.metrics else { return Ok(None) };
        let (accounts, live, rates) = (&self.accounts, &self.live, &self.rates);
        let scrapes = Scrapes::new(accounts, live, rates, &self.requests, &self.readiness, connections);
        scrapes.serve(listener.try_clone()?).map(Some)
    }
}

/// Says goodbye on every socket, and waits until that is read or its client cut.
async fn end_sessions(live: &Live, connections: &Connections) {
    if within(DRAIN_LIMIT, live.sessions.drain()).await.is_none() {
        tracing::warn!("some sockets did not close in time");
    } else if within(LAST_MESSAGES_LIMIT, connections.without_sessions()).await.is_none() {
        tracing::warn!("some clients did not read their last messages in time");
    }
}

/// Waits, but not for longer than an operator would.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "an operator's real patience, whatever a test's clock says"
    )]
    tokio::time::timeout(limit, work).await.ok()
}

/// Writes what failed in the last second.
async fn write_last_failures(accounts: &Accounts, rates: &RateLimits) {
    if within(FAILURES_LIMIT, accounts.write_pending_failures(rates)).await.is_none() {
        tracing::warn!("some failures of the last second are missing from the audit trail");
    }
}

/// Leaves the file of an SQLite database whole, for those who copy it while no server runs.
async fn fold_log(accounts: &Accounts) {
    match accounts.fold_log().await {
        Ok(true) => {}
        Ok(false) => tracing::info!("another process reads the database: its -wal file is still needed"),
        Err(error) => tracing::warn!(%error, "the database's -wal file is still needed"),
    }
}

/// Makes the data directory at the first start and opens the database, migrated. Also for commands that work
/// on it beside a server or before one.
///
/// # Errors
/// A sentence that names what could not be made or opened.
pub fn open_database(config: &Config, connections: u32) -> Result<db::Pool, String> {
    create_data_dir(config)?;
    private_files::create_database(&config.database.url);
    db::open(&config.database.url, connections)
}

/// The handles that reach the other nodes, and their tasks. None if there are no others.
type Connected = ((Cluster, Option<Relay>), Option<Node>, Option<RelayNode>);

fn connect(config: &Config, clock: &Clock) -> Result<Connected, String> {
    let id = NodeId(clock.new_id());
    let (cluster, node) = Cluster::new(&config.cluster, id)?;
    let (relay, relay_node) = Relay::new(&config.cluster, id, clock)?.unzip();
    Ok(((cluster, relay), node, relay_node))
}

/// Prepares what the accounts need before the first request.
async fn start_accounts(started: Result<Accounts, crate::accounts::Error>) -> Result<Accounts, String> {
    let accounts = started.map_err(|error| format!("cannot read or make the signing keys: {error}"))?;
    let adopted = accounts.adopt_algorithm().await;
    adopted.map_err(|error| format!("cannot make a signing key: {error}"))?;
    let loaded = accounts.logins().poll().await;
    loaded.map_err(|error| format!("cannot read the revoked logins: {error}"))?;
    Ok(accounts)
}

fn create_data_dir(config: &Config) -> Result<(), String> {
    let directory = &config.data_dir;
    private_files::create_dir(directory).map_err(|error| {
        let why = ownership::explain(&error, directory, Need::Fill);
        format!("cannot use the data directory {}: {why}", directory.display())
    })
}

async fn purge_for_ever(accounts: Accounts, clock: Clock) {
    loop {
        if let Err(error) = accounts.purge().await {
            tracing::error!(%error, "could not remove old rows");
        }
        clock.sleep(PURGE_PACE).await;
    }
}
