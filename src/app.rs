//! Wires everything: what is built, which loops run beside the server, and how it stops.

mod net;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions};
use actix_web::middleware::from_fn;
use actix_web::rt::{self, net::TcpStream};
use actix_web::web::ServiceConfig;
use actix_web::{App, web};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::accounts::Accounts;
use crate::actors::cluster::Node;
use crate::actors::db::WATCHERS;
use crate::actors::session::House;
use crate::actors::{Cluster, Db, Mail, Sessions};
use crate::clock::Clock;
use crate::config::Config;
use crate::events::Events;
use crate::limits::RateLimits;
use crate::routes::dev_mail::DevMail;
use crate::routes::tcp::Door;
use crate::routes::{Readiness, Site, socketio};
use crate::session::Rules;
use crate::tls::Certificate;
use crate::{db, routes};

/// How long a stranger may take to send a request's head.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an open connection may wait for its next request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the sockets' goodbyes may take altogether, then the requests that still run, then mails under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(8);
const REQUESTS_LIMIT: Duration = Duration::from_secs(5);
const MAILS_LIMIT: Duration = Duration::from_secs(3);

/// Connections beside `sockets.max_open`: half of the open files that its default leaves.
const MORE_CONNECTIONS: usize = 128;
/// Of these, those that may be over TCP: whoever fills that door leaves the other some.
const MORE_OVER_TCP: usize = 64;

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
    sessions: Sessions,
    mail: Mail,
    rates: RateLimits,
    /// None if there are no others.
    node: Option<Node>,
    readiness: Readiness,
    additions: Additions,
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
        let certificate = config.tls.clone().map(Certificate::load).transpose()?;
        // One a database thread, and those who look for revocations, after which nobody shall wait.
        let connections = u32::try_from(config.database.executors + WATCHERS).unwrap_or(u32::MAX);
        let pool = open_database(&config, connections)?;
        let db = Db::start(pool, config.database.executors);
        let (cluster, node) = Cluster::new(&config.cluster, &clock)?;
        let sessions = Sessions::in_cluster(&config.sockets, cluster);
        let mail = Mail::start(db.clone(), clock.clone(), &config)?;
        let accounts = Accounts::start(db, sessions.clone(), mail.clone(), clock.clone(), &config)
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
            sessions,
            mail,
            rates,
            node,
            readiness,
            additions,
        })
    }

    /// Where it listens; the port is real even if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the TCP door is, if it is open.
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
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Serves until `shutdown` is ready, then drains: not ready any more, no new sockets, a goodbye to each
    /// open one, and the requests that run are answered.
    ///
    /// # Errors
    /// If the server cannot start.
    pub async fn run_until_stopped(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let server = self.serve()?;
        // The server has its own: once those are closed, nobody must wait for an answer here.
        drop((self.listener, self.tcp));
        let handle = server.handle();
        let watch = rt::spawn(self.accounts.clone().watch());
        let ends = rt::spawn(self.accounts.clone().end_connections());
        let janitor = rt::spawn(purge_for_ever(self.accounts.clone(), self.clock.clone()));
        let sweep = rt::spawn(self.rates.clone().sweep_for_ever(self.clock.clone()));
        let certificate = self.certificate.clone().map(|certificate| rt::spawn(certificate.watch()));
        let node = self.node.map(|node| {
            let logins = self.accounts.logins().clone();
            rt::spawn(node.run(self.sessions.clone(), move |ended| logins.announce(ended)))
        });
        let mut server = rt::spawn(server);
        tokio::select! {
            () = shutdown => {}
            // A server that ends by itself has failed.
            ended = &mut server => return ended.unwrap_or_else(|error| Err(std::io::Error::other(error))),
        }

        tracing::info!("draining");
        self.readiness.drain();
        #[expect(
            clippy::disallowed_methods,
            reason = "an operator's real patience, whatever a test's clock says"
        )]
        if tokio::time::timeout(DRAIN_LIMIT, self.sessions.drain()).await.is_err() {
            tracing::warn!("some sockets did not go in time");
        }
        handle.stop(true).await;
        if node.is_some() {
            self.sessions.cluster().leave().await;
        }
        #[expect(clippy::disallowed_methods, reason = "as above")]
        if tokio::time::timeout(MAILS_LIMIT, self.mail.finish()).await.is_err() {
            tracing::warn!("mails under way are sent again at the next start");
        }
        for task in
            [Some(watch), Some(ends), Some(janitor), Some(sweep), certificate, node].into_iter().flatten()
        {
            task.abort();
        }
        server.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    /// One server for both doors: they share its threads and its bound of connections, handshakes under TLS
    /// included.
    fn serve(&self) -> std::io::Result<Server> {
        let connections = self.config.sockets.max_open.saturating_add(MORE_CONNECTIONS);
        let server = Server::build()
            .workers(self.config.http.workers)
            .disable_signals()
            .shutdown_timeout(REQUESTS_LIMIT.as_secs())
            // Past this they wait to be accepted: the database and the mail need files of their own.
            .max_concurrent_connections(connections.div_ceil(self.config.http.workers));
        let server = self.listen_http(server)?;
        let server = self.listen_tcp(server)?;
        Ok(server.run())
    }

    /// HTTP/1.1 only: a WebSocket needs no other, and the state of an HTTP/2 connection would be carried by each.
    fn listen_http(&self, server: ServerBuilder) -> std::io::Result<ServerBuilder> {
        let (listener, address) = (self.listener.try_clone()?, self.address);
        let stopping = server.graceful_shutdown_signal();
        let house = Arc::new(self.house());
        let engines = socketio::engines(&self.config);
        let (config, additions) = (self.config.clone(), self.additions.clone());
        let site = Site::new(&self.config);
        let mails = web::Data::new(DevMail::new(&self.config));
        let clock = web::Data::new(self.clock.clone());
        let (accounts, readiness) = (self.accounts.clone(), self.readiness.clone());
        let (sessions, rates) = (self.sessions.clone(), self.rates.clone());
        let app = move || {
            let sessions = sessions.start_worker();
            App::new()
                // This worker's own manager, and what all share.
                .app_data(web::Data::new(sessions.clone()))
                .app_data(web::Data::from(Arc::clone(&house)))
                .app_data(mails.clone())
                .app_data(clock.clone())
                .wrap(from_fn(routes::trace::trace))
                .configure(|table| socketio::configure(table, &config, &engines, &house, &sessions))
                .configure(|table| {
                    if let Some(routes) = &additions.routes {
                        routes(table);
                    }
                })
                .configure(|table| routes::configure(table, &accounts, &site, &rates, &readiness))
        };
        // The same for two types of connections.
        macro_rules! service {
            ($app:ident) => {{
                let stopping = stopping.clone();
                HttpService::build()
                    .graceful_shutdown_signal(move || {
                        let stopping = stopping.clone();
                        async move { stopping.notified().await }
                    })
                    .keep_alive(KEEP_ALIVE)
                    .client_request_timeout(REQUEST_TIMEOUT)
                    // A WebSocket that has said goodbye to the end has nothing to linger for.
                    .client_disconnect_timeout(Duration::ZERO)
                    .local_addr(address)
                    .on_connect_ext(|connection: &_, data: &mut Extensions| net::on_connect(connection, data))
                    .h1(map_config(
                        $app().into_factory().map_err(|error: actix_web::Error| error.error_response()),
                        |()| AppConfig::default(),
                    ))
            }};
        }
        match &self.certificate {
            Some(certificate) => {
                let tls = certificate.server_config().map_err(std::io::Error::other)?;
                server.listen("https", listener, move || service!(app).rustls_0_23(tls.clone()))
            }
            None => server.listen("http", listener, move || service!(app).tcp()),
        }
    }

    fn listen_tcp(&self, server: ServerBuilder) -> std::io::Result<ServerBuilder> {
        let Some((listener, _)) = &self.tcp else { return Ok(server) };
        let tls = match &self.certificate {
            Some(certificate) => {
                let config = certificate.server_config().map_err(std::io::Error::other)?;
                Some(TlsAcceptor::from(Arc::new(config)))
            }
            None => None,
        };
        let house = Arc::new(self.house());
        let places = self.config.sockets.max_open.saturating_add(MORE_OVER_TCP);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let (accounts, sessions, limits) =
            (self.accounts.clone(), self.sessions.clone(), self.config.sockets.clone());
        let rates = self.rates.clone();
        server.listen("tcp", listener.try_clone()?, move || {
            let (tls, places) = (tls.clone(), Arc::clone(&places));
            // This worker's own manager, and what all share.
            let door = Door {
                accounts: accounts.clone(),
                house: Arc::clone(&house),
                limits: limits.clone(),
                rates: rates.clone(),
                sessions: sessions.start_worker(),
            };
            fn_service(move |stream: TcpStream| {
                let_in(door.clone(), tls.clone(), Arc::clone(&places), stream)
            })
        })
    }

    fn house(&self) -> House {
        let accounts = self.accounts.clone();
        let sockets = &self.config.sockets;
        House {
            admit: Arc::new(move |token| accounts.admit(token)),
            clock: self.clock.clone(),
            rules: Rules {
                auth_timeout: sockets.auth_timeout,
                heartbeat: sockets.heartbeat,
                pong_timeout: Some(self.config.socketio.ping_timeout),
            },
            events: Arc::clone(&self.additions.events),
        }
    }
}

/// Makes the data directory at the first start and opens the database, migrated. Also for commands that work
/// on it beside a server or before one.
///
/// # Errors
/// A sentence that names what could not be made or opened.
pub fn open_database(config: &Config, connections: u32) -> Result<db::Pool, String> {
    create_private_dir(&config.data_dir)?;
    db::open(&config.database.url, connections)
}

fn create_private_dir(path: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;

    // Only its owner: keys, hashes and kept mails lie there.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| format!("cannot create the data directory {}: {error}", path.display()))
}

/// One TCP connection, under TLS or not.
async fn let_in(
    door: Door,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    stream: TcpStream,
) -> Result<(), std::convert::Infallible> {
    // A connection that has no peer any more has ended.
    if let (Ok(peer), Ok(_place)) = (stream.peer_addr(), places.try_acquire()) {
        let socket = net::tune(&stream);
        match tls {
            Some(tls) => door.serve(Box::pin(tls.accept(stream)), socket, peer).await,
            None => door.serve(std::future::ready(Ok(stream)), socket, peer).await,
        }
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
