//! The listener for Prometheus: `GET /metrics`, on an address of its own, so that the public never sees it and a busy
//! server still answers there.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, rt, web};

use super::within;
use crate::accounts::{Accounts, Backlog};
use crate::actors::Live;
use crate::limits::RateLimits;
use crate::metrics::{Registry, Stopwatch};
use crate::routes::{Readiness, RequestMetrics};

use super::connections::Connections;

/// How long the database may take to answer a scrape. Metrics that need it are missing otherwise.
const DATABASE: Duration = Duration::from_secs(2);

/// How long its answer counts: so often may anyone who reaches the listener make it work.
const FRESH: Duration = Duration::from_secs(1);

/// Clients that read at the same time.
const CLIENTS: usize = 32;

/// `OpenMetrics` 1.0.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a scrape reads.
pub(super) struct Scrapes {
    registry: Registry,
    accounts: Accounts,
    /// As a scrape found it lately; none if the database did not answer.
    backlog: Arc<Mutex<Option<Backlog>>>,
    /// When that was. One scrape at a time asks the database.
    asked: tokio::sync::Mutex<Option<Stopwatch>>,
}

/// The server that answers, stopped when this is dropped.
pub(super) struct Scraping(ServerHandle);

impl Drop for Scraping {
    fn drop(&mut self) {
        // It is told at once, and need not be waited for.
        drop(self.0.stop(false));
    }
}

impl Scrapes {
    /// All metrics of an application.
    pub fn new(
        accounts: &Accounts,
        live: &Live,
        rates: &RateLimits,
        requests: &RequestMetrics,
        readiness: &Readiness,
        connections: &Connections,
    ) -> Self {
        let mut registry = Registry::default();
        requests.register_metrics(&mut registry);
        accounts.register_metrics(&mut registry);
        live.register_metrics(&mut registry);
        rates.register_metrics(&mut registry);
        connections.register_metrics(&mut registry);
        let readiness = readiness.clone();
        registry.reading(
            "doorward_draining",
            "1 once this node stops: it takes no more sockets.",
            move || f64::from(u8::from(readiness.is_draining())),
        );
        let backlog = Arc::<Mutex<Option<Backlog>>>::default();
        let read = |backlog: &Mutex<Option<Backlog>>| *backlog.lock().unwrap_or_else(PoisonError::into_inner);
        let of = Arc::clone(&backlog);
        registry.readings("doorward_mail_waiting", "Emails that are not sent yet.", None, move || {
            read(&of).map(|backlog| ("", backlog.emails)).into_iter().collect()
        });
        let of = Arc::clone(&backlog);
        registry.readings(
            "doorward_mail_oldest_seconds",
            "How long the oldest of them has waited.",
            None,
            move || read(&of).map(|backlog| ("", backlog.oldest_s)).into_iter().collect(),
        );
        Self { registry, accounts: accounts.clone(), backlog, asked: tokio::sync::Mutex::default() }
    }

    /// Answers on a thread of its own.
    pub fn serve(self, listener: TcpListener) -> io::Result<Scraping> {
        let scrapes = web::Data::new(self);
        let app = move || {
            App::new().app_data(scrapes.clone()).route("/metrics", web::get().to(scrape)).default_service(
                web::to(async || HttpResponse::NotFound().body("Metrics are at /metrics.\n")),
            )
        };
        let server = HttpServer::new(app).workers(1).max_connections(CLIENTS).disable_signals();
        let server = server.listen(listener)?.run();
        let handle = server.handle();
        rt::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "stopped serving metrics");
            }
        });
        Ok(Scraping(handle))
    }

    /// Asks the database what emails wait, unless it was asked a moment ago.
    async fn refresh(&self) {
        let mut asked = self.asked.lock().await;
        if asked.as_ref().is_some_and(|asked| asked.elapsed() < FRESH) {
            return;
        }
        let backlog = within(DATABASE, self.accounts.mail_backlog()).await.and_then(Result::ok);
        *self.backlog.lock().unwrap_or_else(PoisonError::into_inner) = backlog;
        *asked = Some(Stopwatch::start());
    }
}

async fn scrape(scrapes: web::Data<Scrapes>) -> HttpResponse {
    scrapes.refresh().await;
    match scrapes.registry.encode() {
        Ok(text) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, CONTENT_TYPE))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
