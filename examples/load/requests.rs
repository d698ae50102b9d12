//! `http`: requests with a token over persistent connections.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Result;
use crate::figures::{Latencies, Report, rate, us_each};
use crate::http::{Connection, Request};
use crate::people::{Login, People};
use crate::server::Server;

const CONNECTIONS: usize = 64;

/// The first reads the database, the second needs only the token.
const ROUTES: [&str; 2] = ["/api/me", "/api/sessions"];

pub async fn run(server: &Server, people: &mut People, seconds: u64, report: &mut Report) -> Result<()> {
    let logins = people.sign_in(CONNECTIONS, CONNECTIONS).await?;
    for route in ROUTES {
        report.section(format!("http: GET {route} over {CONNECTIONS} connections"));
        round(server, logins, route, Duration::from_secs(seconds), report).await?;
    }
    Ok(())
}

async fn round(
    server: &Server,
    logins: &[Login],
    route: &str,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    let stopped = Rc::new(Cell::new(false));
    let latencies = Rc::<RefCell<Latencies>>::default();
    let mut tasks = JoinSet::<Result<()>>::new();
    let (before, started) = (server.cpu(), Instant::now());
    for login in logins {
        let mut connection = Connection::open(server.address()).await?;
        let request = Request::get(route, Some(&login.token));
        let (stopped, latencies) = (Rc::clone(&stopped), Rc::clone(&latencies));
        tasks.spawn_local(async move {
            while !stopped.get() {
                let sent = Instant::now();
                connection.send(&request).await?.expect(200)?;
                latencies.borrow_mut().push(sent.elapsed());
            }
            Ok(())
        });
    }
    sleep(duration).await;
    stopped.set(true);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before));
    let latencies = latencies.take().sorted();
    report
        .row("requests", rate(latencies.len(), elapsed), "/s")
        .row_if_known("  server CPU", us_each(cpu, latencies.len()), "us each")
        .row("  p50", latencies.percentile(500), "ms")
        .row("  p99", latencies.percentile(990), "ms");
    Ok(())
}
