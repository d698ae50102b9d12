//! The server: its threads, its two listeners, and what each worker is made of.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use doorward_core::session::Rules;
use futures_util::FutureExt;
use tokio_rustls::TlsAcceptor;

use super::Application;
use super::connections::http::{self, Wire};
use super::connections::{Connections, Listener, Socket, Stream};
use super::shared_service::SharedService;
use crate::actors::session::SessionServices;
use crate::peer::PeerSocket;
use crate::routes::dev_mail::DevMail;
use crate::routes::{self, CrossOrigin, Site, socketio};
use crate::transports::tcp::endpoint::TcpEndpoint;

/// How long the requests that run may take after the sockets were closed.
const REQUESTS_LIMIT: Duration = Duration::from_secs(5);

/// Connections that may have been accepted without having got or been refused a place yet. They need files.
const BURST: usize = 32;

impl Application {
    /// One server for both listeners: they share its threads and its bound of connections, TLS handshakes
    /// included.
    pub(super) fn serve(&self, connections: &Connections) -> io::Result<Server> {
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
        let site = Site::new(&self.config, self.brand.clone(), self.languages.clone());
        let cross_origin = CrossOrigin::new(&self.config.web.allowed_origins);
        let emails = web::Data::new(DevMail::new(&self.config));
        let clock = web::Data::new(self.clock.clone());
        let (accounts, readiness) = (self.accounts.clone(), self.readiness.clone());
        let (sessions, rates) = (self.live.sessions.clone(), self.rates.clone());
        let requests = self.requests.clone();
        let app = move || {
            let sessions = sessions.start_worker();
            App::new()
                // This worker's own manager, and what all share.
                .app_data(web::Data::new(sessions.clone()))
                .app_data(web::Data::from(Arc::clone(&services)))
                .app_data(emails.clone())
                .app_data(clock.clone())
                .app_data(routes::trace::PlainRoutes::default())
                .app_data(requests.of_worker())
                .wrap(cross_origin.clone())
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
            let app = SharedService::new(map_config(app().into_factory(), |()| AppConfig::default()));
            // After an upgrade the connection is not the dispatcher's any more: its buffers are freed.
            let upgrades = apply_fn_factory(app.clone(), |(request, framed), app: &Rc<_>| {
                http::serve_upgrade(request, framed, Rc::clone(app)).map(Ok).boxed_local()
            });
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
                .upgrade(upgrades)
                .h1(apply_fn_factory(app, http::serve));
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
                serve_tcp(endpoint.clone(), tls.clone(), socket)
            })
        })
    }

    fn services(&self) -> SessionServices {
        let accounts = self.accounts.clone();
        let sockets = &self.config.sockets;
        let logins = accounts.logins().clone();
        SessionServices {
            authenticate: Arc::new(move |token| accounts.authenticate(token)),
            read_room_rights: Arc::new(move |live, rooms| {
                let logins = logins.clone();
                Box::pin(async move { logins.read_room_rights(live, rooms).await })
            }),
            room_rights: Arc::new(self.accounts.clone()),
            revocations: Arc::clone(&self.live.revocations),
            clock: self.clock.clone(),
            rules: Rules {
                auth_timeout: sockets.auth_timeout,
                heartbeat: sockets.heartbeat,
                pong_timeout: Some(self.config.socketio.ping_timeout),
            },
            events: Arc::clone(&self.additions.events),
            mistakes: self.rates.mistakes().clone(),
            metrics: self.live.metrics.clone(),
        }
    }
}

/// One HTTP connection, under TLS or not, with the address that it is from.
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
async fn serve_tcp(
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
