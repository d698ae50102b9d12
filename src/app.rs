//! Wires everything: what is built, which loops run beside the server, and how it stops.

mod connections;
mod net;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions};
use actix_web::middleware::from_fn;
use actix_web::rt::{self, net::TcpStream};
use actix_web::web::ServiceConfig;
use actix_web::{App, web};
use tokio_rustls::TlsAcceptor;

use crate::accounts::Accounts;
use crate::actors::db::WATCHERS;
use crate::actors::session::SessionServices;
use crate::actors::{Db, Live};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::Node;
use crate::config::Config;
use crate::events::Events;
use crate::limits::RateLimits;
use crate::mail::Mail;
use crate::ownership::Need;
use crate::peer::PeerSocket;
use crate::routes::dev_mail::DevMail;
use crate::routes::{Readiness, Site, socketio};
use crate::tls::Certificate;
use crate::transports::tcp::endpoint::TcpEndpoint;
use crate::{db, ownership, private_files, routes};
use doorward_core::session::Rules;

use connections::http::{self, Wire};
use connections::{Connections, Listener, Socket, Stream};

pub use connections::Deadlines;

/// How long the sockets' goodbyes may take altogether, then the requests that still run, then mails under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(8);
const REQUESTS_LIMIT: Duration = Duration::from_secs(5);
const MAILS_LIMIT: Duration = Duration::from_secs(3);

/// Connections that may have been accepted without having got or been refused a place yet. They need files.
const BURST: usize = 32;

/// How often old rows are removed.
const PURGE_PACE: Duration = Duration::from_hours(1);

/// A server that is bound and ready to run.
pub struct Application {
    config: Config,
    clock: Clock,
    listener: TcpListener,
    address: SocketAddr,
    tcp: Option<(TcpListener, SocketAddr)>,
    certificate: Option<Certificate>,
    accounts: Accounts,
    live: Live,
    mail: Mail,
    rates: RateLimits,
    /// None if there are no others.
    node: Option<Node>,
    readiness: Readiness,
    additions: Additions,
    deadlines: Deadlines,
}

/// What an application that embeds Doorward adds to it.
#[derive(Clone)]
pub struct Additions {
    pub events: Arc<Events>,
    routes: Option<Arc<Routes>>,
}

/// Called on each worker.
type Routes = dyn Fn(&mut ServiceConfig) + Send + Sync;

impl Default for Additions {
    fn default() -> Self {
        Self::new(Events::default())
    }
}

impl Additions {
    #[must_use]
    pub fn new(events: Events) -> Self {
        Self { events: Arc::new(events), routes: None }
    }

    /// Routes of its own, beside Doorward's.
    #[must_use]
    pub fn routes(self, routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self { routes: Some(Arc::new(routes)), ..self }
    }
}

impl Application {
    /// Opens the database, makes keys at the first start, and binds.
    ///
    /// # Errors
    /// A sentence for whoever started it.
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
        // One a database thread, and those who look for revocations, after which nobody shall wait.
        let connections = u32::try_from(config.database.executors + WATCHERS).unwrap_or(u32::MAX);
        let pool = open_database(&config, connections)?;
        let db = Db::start(pool, config.database.executors);
        let (cluster, node) = Cluster::new(&config.cluster, &clock)?;
        let live = Live::in_cluster(&config.sockets, cluster);
        let mail = Mail::start(db.clone(), clock.clone(), &config)?;
        let accounts = Accounts::start(db, &live, mail.clone(), clock.clone(), &config)
            .await
            .map_err(|error| format!("cannot read or make the signing keys: {error}"))?;
        let loaded = accounts.logins().poll().await;
        loaded.map_err(|error| format!("cannot read the revoked logins: {error}"))?;
        let listener = net::bind("http.listen", config.http.listen)?;
        let address = net::local_address(&listener)?;
        let tcp = match config.tcp.listen {
            Some(address) => {
                let listener = net::bind("tcp.listen", address)?;
                let address = net::local_address(&listener)?;
                Some((listener, address))
            }
            None => None,
        };
        let readiness = Readiness::default();
        let rates = RateLimits::new(&config.limits, &clock);
        Ok(Self {
            config,
            clock,
            listener,
            address,
            tcp,
            certificate,
            accounts,
            live,
            mail,
            rates,
            node,
            readiness,
            additions,
            deadlines: Deadlines::default(),
        })
    }

    /// Other deadlines of connections, for tests.
    #[must_use]
    pub fn deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
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

    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    #[must_use]
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

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
        // The server has its own: once those are closed, nobody must wait for an answer here.
        drop((self.listener, self.tcp));
        let handle = server.handle();
        let deadlines = rt::spawn(connections.enforce_deadlines());
        let watch = rt::spawn(self.accounts.clone().watch());
        let ends = rt::spawn(self.accounts.clone().revoke_connections());
        let resets = rt::spawn(self.accounts.clone().answer_reset_requests());
        let janitor = rt::spawn(purge_for_ever(self.accounts.clone(), self.clock.clone()));
        let sweep = rt::spawn(self.rates.clone().sweep_for_ever(self.clock.clone()));
        let certificate = self.certificate.clone().map(|certificate| rt::spawn(certificate.watch()));
        let node = self.node.map(|node| {
            let logins = self.accounts.logins().clone();
            rt::spawn(node.run(self.live.sessions.directory().clone(), move |ended| logins.announce(ended)))
        });
        let mut server = rt::spawn(server);
        tokio::select! {
            () = shutdown => {}
            // A server that ends by itself has failed.
            ended = &mut server => return ended.unwrap_or_else(|error| Err(io::Error::other(error))),
        }

        tracing::info!("draining");
        self.readiness.drain();
        #[expect(
            clippy::disallowed_methods,
            reason = "an operator's real patience, whatever a test's clock says"
        )]
        if tokio::time::timeout(DRAIN_LIMIT, self.live.sessions.drain()).await.is_err() {
            tracing::warn!("some sockets did not go in time");
        }
        handle.stop(true).await;
        if node.is_some() {
            self.live.cluster.leave().await;
        }
        resets.abort();
        #[expect(clippy::disallowed_methods, reason = "as above")]
        let answered = tokio::time::timeout(MAILS_LIMIT, self.accounts.answer_queued_resets()).await;
        if !matches!(answered, Ok(Ok(()))) {
            tracing::warn!("some requests for links were lost");
        }
        #[expect(clippy::disallowed_methods, reason = "as above")]
        if tokio::time::timeout(MAILS_LIMIT, self.mail.finish()).await.is_err() {
            tracing::warn!("mails under way are sent again at the next start");
        }
        for task in [Some(deadlines), Some(watch), Some(ends), Some(janitor), Some(sweep), certificate, node]
            .into_iter()
            .flatten()
        {
            task.abort();
        }
        server.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// One server for both doors: they share its threads and its bound of connections, handshakes under TLS
    /// included.
    fn serve(&self, connections: &Connections) -> io::Result<Server> {
        let accepted = connections.total().saturating_add(BURST);
        let server = Server::build()
            .workers(self.config.http.workers)
            .disable_signals()
            .shutdown_timeout(REQUESTS_LIMIT.as_secs())
            // Never reached for long: what gets no place is closed at once. Past it they wait to be accepted, as
            // the database and the mail need files of their own.
            .max_concurrent_connections(accepted.div_ceil(self.config.http.workers));
        let server = self.listen_http(server, connections)?;
        let server = self.listen_tcp(server, connections)?;
        Ok(server.run())
    }

    /// HTTP/1.1 only: a WebSocket needs no other, and the state of an HTTP/2 connection would be carried by each.
    fn listen_http(&self, server: ServerBuilder, connections: &Connections) -> io::Result<ServerBuilder> {
        let (listener, address) = (self.listener.try_clone()?, self.address);
        let stopping = server.graceful_shutdown_signal();
        let services = Arc::new(self.services());
        let engines = socketio::engines(&self.config);
        let (config, additions) = (self.config.clone(), self.additions.clone());
        let site = Site::new(&self.config);
        let mails = web::Data::new(DevMail::new(&self.config));
        let clock = web::Data::new(self.clock.clone());
        let (accounts, readiness) = (self.accounts.clone(), self.readiness.clone());
        let (sessions, rates) = (self.live.sessions.clone(), self.rates.clone());
        let app = move || {
            let sessions = sessions.start_worker();
            App::new()
                // This worker's own manager, and what all share.
                .app_data(web::Data::new(sessions.clone()))
                .app_data(web::Data::from(Arc::clone(&services)))
                .app_data(mails.clone())
                .app_data(clock.clone())
                .wrap(from_fn(routes::trace::trace))
                .configure(|table| socketio::configure(table, &config, &engines, &services, &sessions))
                .configure(|table| {
                    if let Some(routes) = &additions.routes {
                        routes(table);
                    }
                })
                .configure(|table| routes::configure(table, &accounts, &site, &rates, &readiness))
        };
        let (connections, tls) = (connections.clone(), self.tls()?);
        server.listen("http", listener, move || {
            let (connections, tls, stopping) = (connections.clone(), tls.clone(), stopping.clone());
            let app = app().into_factory().map_err(|error: actix_web::Error| error.error_response());
            let app = apply_fn_factory(map_config(app, |()| AppConfig::default()), http::serve);
            let requests = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                // Its own timers are for the first head and for idle connections: `connections` has one for all.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                // A WebSocket that has said goodbye to the end has nothing to linger for.
                .client_disconnect_timeout(Duration::ZERO)
                .local_addr(address)
                .on_connect_ext(|wire: &Wire, data: &mut Extensions| wire.on_connect(data))
                .h1(app);
            fn_service(move |stream: TcpStream| open_http(&connections, tls.clone(), stream))
                .and_then(requests)
        })
    }

    /// What a listener accepts connections with, if it is to encrypt.
    fn tls(&self) -> io::Result<Option<TlsAcceptor>> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let config = certificate.server_config().map_err(io::Error::other)?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn listen_tcp(&self, server: ServerBuilder, connections: &Connections) -> io::Result<ServerBuilder> {
        let Some((listener, _)) = &self.tcp else { return Ok(server) };
        let tls = self.tls()?;
        let services = Arc::new(self.services());
        let connections = connections.clone();
        let (accounts, sessions, limits) =
            (self.accounts.clone(), self.live.sessions.clone(), self.config.sockets.clone());
        let rates = self.rates.clone();
        server.listen("tcp", listener.try_clone()?, move || {
            let (connections, tls) = (connections.clone(), tls.clone());
            // This worker's own manager, and what all share.
            let endpoint = TcpEndpoint {
                accounts: accounts.clone(),
                services: Arc::clone(&services),
                limits: limits.clone(),
                rates: rates.clone(),
                sessions: sessions.start_worker(),
            };
            fn_service(move |stream: TcpStream| {
                let socket = connections.admit(Listener::Tcp, stream, tls.is_some());
                let_in(endpoint.clone(), tls.clone(), socket)
            })
        })
    }

    fn services(&self) -> SessionServices {
        let accounts = self.accounts.clone();
        let sockets = &self.config.sockets;
        SessionServices {
            authenticate: Arc::new(move |token| accounts.authenticate(token)),
            revocations: Arc::clone(&self.live.revocations),
            clock: self.clock.clone(),
            rules: Rules {
                auth_timeout: sockets.auth_timeout,
                heartbeat: sockets.heartbeat,
                pong_timeout: Some(self.config.socketio.ping_timeout),
            },
            events: Arc::clone(&self.additions.events),
            mistakes: self.rates.mistakes().clone(),
        }
    }
}

/// Makes the data directory at the first start and opens the database, migrated. Also for commands that work
/// on it beside a server or before one.
///
/// # Errors
/// A sentence that names what could not be made or opened.
pub fn open_database(config: &Config, connections: u32) -> Result<db::Pool, String> {
    let directory = &config.data_dir;
    let failed = |error: &dyn std::fmt::Display| {
        let why = ownership::explain(error, directory, Need::Fill);
        format!("cannot use the data directory {}: {why}", directory.display())
    };
    private_files::create_dir(directory).map_err(|error| failed(&error))?;
    private_files::create_database(&config.database.url);
    db::open(&config.database.url, connections)
}

/// One HTTP connection, under TLS or not, and whom it is from.
fn open_http(
    connections: &Connections,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
) -> impl Future<Output = Result<(Wire, Option<SocketAddr>), DispatchError>> + use<> {
    let admitted = connections.admit(Listener::Http, stream, tls.is_some());
    async move {
        let (socket, peer) = admitted.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok((Wire::new(Stream::open(socket, tls).await?), Some(peer)))
    }
}

/// One TCP connection, under TLS or not.
async fn let_in(
    endpoint: TcpEndpoint,
    tls: Option<TlsAcceptor>,
    admitted: Option<(Socket, SocketAddr)>,
) -> Result<(), std::convert::Infallible> {
    if let Some((socket, peer)) = admitted {
        let connection = socket.slot.handle().clone();
        let descriptor = PeerSocket(socket.tcp.as_raw_fd());
        endpoint.serve(Stream::open(socket, tls), descriptor, peer, || connection.live()).await;
    }
    Ok(())
}

async fn purge_for_ever(accounts: Accounts, clock: Clock) {
    loop {
        if let Err(error) = accounts.purge().await {
            tracing::error!(%error, "could not remove old rows");
        }
        clock.sleep(PURGE_PACE).await;
    }
}
