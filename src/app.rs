//! Wires everything: what is built, which loops run beside the server, and how it stops.

mod net;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_service::fn_service;
use actix_web::middleware::from_fn;
use actix_web::rt::{self, net::TcpStream};
use actix_web::{App, HttpServer, web};
use tokio_rustls::TlsAcceptor;

use crate::accounts::Accounts;
use crate::actors::session::House;
use crate::actors::{Db, Mail, Sessions};
use crate::clock::Clock;
use crate::config::Config;
use crate::routes::dev_mail::DevMail;
use crate::routes::tcp::Door;
use crate::routes::{Readiness, Site};
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
const HTTP_CONNECTIONS: usize = 128;

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
    readiness: Readiness,
}

impl Application {
    /// Opens the database, makes keys at the first start, and binds.
    ///
    /// # Errors
    /// A sentence for whoever started it.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, String> {
        let certificate = config.tls.clone().map(Certificate::load).transpose()?;
        // One connection a database thread.
        let connections = u32::try_from(config.database.executors).unwrap_or(u32::MAX);
        let pool = open_database(&config, connections)?;
        let db = Db::start(pool, config.database.executors);
        let sessions = Sessions::new(&config.sockets);
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
        Ok(Self { config, clock, listener, address, tcp, certificate, accounts, sessions, mail, readiness })
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
        let http = self.serve_http()?;
        let tcp = self.serve_tcp()?;
        // The servers have their own: once those are closed, nobody must wait for an answer here.
        drop((self.listener, self.tcp));
        let handles: Vec<ServerHandle> =
            [Some(&http), tcp.as_ref()].into_iter().flatten().map(Server::handle).collect();
        let watch = rt::spawn(self.accounts.clone().watch());
        let ends = rt::spawn(self.accounts.clone().end_connections());
        let janitor = rt::spawn(purge_for_ever(self.accounts.clone(), self.clock.clone()));
        let certificate = self.certificate.clone().map(|certificate| rt::spawn(certificate.watch()));
        let mut server = rt::spawn(async move {
            match tcp {
                Some(tcp) => futures_util::future::try_join(http, tcp).await.map(drop),
                None => http.await,
            }
        });
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
        futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true))).await;
        #[expect(clippy::disallowed_methods, reason = "as above")]
        if tokio::time::timeout(MAILS_LIMIT, self.mail.finish()).await.is_err() {
            tracing::warn!("mails under way are sent again at the next start");
        }
        for task in [Some(watch), Some(ends), Some(janitor), certificate].into_iter().flatten() {
            task.abort();
        }
        server.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    fn serve_http(&self) -> std::io::Result<Server> {
        let house = web::Data::new(self.house());
        let site = Site::new(&self.config);
        let mails = web::Data::new(DevMail::new(&self.config));
        let clock = web::Data::new(self.clock.clone());
        let (accounts, readiness) = (self.accounts.clone(), self.readiness.clone());
        let sessions = self.sessions.clone();
        let server = HttpServer::new(move || {
            App::new()
                // This worker's own manager, and what all share.
                .app_data(web::Data::new(sessions.start_worker()))
                .app_data(house.clone())
                .app_data(mails.clone())
                .app_data(clock.clone())
                .wrap(from_fn(routes::trace::trace))
                .configure(|table| routes::configure(table, &accounts, &site, &readiness))
        })
        .workers(self.config.http.workers)
        .disable_signals()
        .shutdown_timeout(REQUESTS_LIMIT.as_secs())
        .client_request_timeout(REQUEST_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .max_connections(self.max_connections().div_ceil(self.config.http.workers))
        // A WebSocket that has said goodbye to the end has nothing to linger for.
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect(net::on_connect);
        let listener = self.listener.try_clone()?;
        let server = match &self.certificate {
            Some(certificate) => {
                let tls = certificate.server_config().map_err(std::io::Error::other)?;
                server.listen_rustls_0_23(listener, tls)?
            }
            None => server.listen(listener)?,
        };
        Ok(server.run())
    }

    fn serve_tcp(&self) -> std::io::Result<Option<Server>> {
        let Some((listener, _)) = &self.tcp else { return Ok(None) };
        let tls = match &self.certificate {
            Some(certificate) => {
                let config = certificate.server_config().map_err(std::io::Error::other)?;
                Some(TlsAcceptor::from(Arc::new(config)))
            }
            None => None,
        };
        let house = Arc::new(self.house());
        let (accounts, sessions, limits) =
            (self.accounts.clone(), self.sessions.clone(), self.config.sockets.clone());
        let server = Server::build()
            .workers(self.config.http.workers)
            .disable_signals()
            .shutdown_timeout(REQUESTS_LIMIT.as_secs())
            .max_concurrent_connections(self.max_connections().div_ceil(self.config.http.workers))
            .listen("tcp", listener.try_clone()?, move || {
                let tls = tls.clone();
                // This worker's own manager, and what all share.
                let door = Door {
                    accounts: accounts.clone(),
                    house: Arc::clone(&house),
                    limits: limits.clone(),
                    sessions: sessions.start_worker(),
                };
                fn_service(move |stream: TcpStream| let_in(door.clone(), tls.clone(), stream))
            })?;
        Ok(Some(server.run()))
    }

    /// Of each server: all of `sockets.max_open`, and some for requests. Past it they wait to be accepted, since
    /// the database and the mail need files of their own; see the default of `sockets.max_open`.
    fn max_connections(&self) -> usize {
        self.config.sockets.max_open.saturating_add(HTTP_CONNECTIONS)
    }

    fn house(&self) -> House {
        let accounts = self.accounts.clone();
        let sockets = &self.config.sockets;
        House {
            admit: Arc::new(move |token| accounts.admit(token)),
            clock: self.clock.clone(),
            rules: Rules { auth_timeout: sockets.auth_timeout, heartbeat: sockets.heartbeat },
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
    stream: TcpStream,
) -> Result<(), std::convert::Infallible> {
    // A connection that has no peer any more has ended.
    if let Ok(peer) = stream.peer_addr() {
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
