//! `storm`: sign-ins as fast as possible, and how they affect other users.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::figures::{Expected, Latencies, Report, Sorted, ms, rate};
use crate::http::{Connection, Request};
use crate::people::{PASSWORD, People};
use crate::pings::Pinger;
use crate::server::Server;
use crate::usage;
use crate::{Result, Target};

/// As many sign-ins as a hashing thread computes at once.
const LANES: usize = 4;

/// The hasher's threads have the lowest priority, and so have the threads that it is compared with: other programs on the
/// machine affect both alike.
const NICE: i32 = 19;

/// The promised bounds: a share, and ms.
const SHARE: f64 = 2.0;
const PING: f64 = 15.0;

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Concurrent sign-ins that keep all lanes of the server's threads full.
pub fn in_flight() -> usize {
    threads() * LANES
}

pub async fn run(
    target: &Target,
    cost: u32,
    seconds: u64,
    in_flight: usize,
    report: &mut Report,
) -> Result<()> {
    let text = cost.to_string();
    let settings = [("password.cost", text.as_str()), ("password.insecure_cost", "true")];
    let server = Server::start(target, &settings).await?;
    let mut people = People::new(server.address());
    let token = people.sign_in(in_flight, in_flight).await?[0].token.clone();
    let threads = threads();
    report.section(format!("storm: {in_flight} sign-ins in flight for {seconds} s at bcrypt cost {cost}"));

    // Measured before and after, which halves the effect of changes on the machine.
    let duration = Duration::from_secs(seconds);
    let first = bare_limit(cost, threads, duration / 3)?;
    let storm = storm(&server, &people, &token, in_flight, duration).await?;
    let second = bare_limit(cost, threads, duration / 3)?;
    let bare = f64::midpoint(first.rate, second.rate);
    let bare_cpu = f64::midpoint(first.cpu_ms, second.cpu_ms);

    report
        .row(format!("the bcrypt crate alone, {threads} threads"), bare, "hashes/s")
        .row("  CPU", bare_cpu, "ms each")
        .row("  others on the machine", f64::midpoint(first.others, second.others), "cores")
        .row("sign-ins", storm.rate, "/s")
        .promise("  of the crate alone", storm.rate / bare, "", Expected::AtLeast(share(in_flight)))
        .row("  latency, p50", storm.latency.percentile(500), "ms")
        .row("  p99", storm.latency.percentile(990), "ms")
        .row_if_known("  server CPU", storm.cpu_ms, "ms each")
        .row("  others on the machine", storm.others, "cores")
        .row("  turned away (503)", storm.turned_away as f64, "");
    for (what, latencies, bound) in
        [("ping on a socket", storm.ping, Some(PING)), ("GET /healthz", storm.health, None)]
    {
        report.row(format!("{what} meanwhile, p50"), latencies.percentile(500), "ms");
        let p99 = latencies.percentile(990);
        match bound {
            Some(bound) => report.promise("  p99", p99, "ms", Expected::AtMost(bound)),
            None => report.row("  p99", p99, "ms"),
        };
        report.row("  max", latencies.max(), "ms");
    }
    Ok(())
}

/// The least share of what the crate alone computes. Fewer sign-ins than there are lanes cannot keep them full.
fn share(in_flight: usize) -> f64 {
    if in_flight >= self::in_flight() { SHARE } else { 0.0 }
}

struct Bare {
    rate: f64,
    cpu_ms: f64,
    others: f64,
}

/// Hashes on as many threads as the server's hasher has by default. The rest of this tool is idle meanwhile.
fn bare_limit(cost: u32, threads: usize, duration: Duration) -> Result<Bare> {
    let own_cpu = || usage::cpu_of("self").ok_or("no /proc");
    let (before, machine, started) = (own_cpu()?, usage::machine_cpu(), Instant::now());
    let hashers: Vec<_> = (0..threads)
        .map(|_| {
            thread::spawn(move || -> Result<(usize, Duration), String> {
                // On Linux it applies to this thread only.
                rustix::process::nice(NICE).map_err(|error| error.to_string())?;
                let mut count = 0;
                while started.elapsed() < duration {
                    bcrypt::hash(PASSWORD, cost).map_err(|error| error.to_string())?;
                    count += 1;
                }
                // The threads finish at different times: each has its own rate.
                Ok((count, started.elapsed()))
            })
        })
        .collect();
    let mut total = 0.0;
    let mut all = 0;
    for hasher in hashers {
        let (count, elapsed) = hasher.join().map_err(|_| "a hashing thread panicked")??;
        total += rate(count, elapsed);
        all += count;
    }
    let cpu = own_cpu()?.saturating_sub(before);
    let others = others(machine, cpu, started.elapsed());
    Ok(Bare { rate: total, cpu_ms: ms(cpu) / all as f64, others })
}

/// The CPU use of the rest of the machine, in cores.
fn others(before: Option<Duration>, ours: Duration, elapsed: Duration) -> f64 {
    let all = usage::machine_cpu().zip(before).map(|(now, before)| now.saturating_sub(before));
    all.map_or(f64::NAN, |all| all.saturating_sub(ours).as_secs_f64() / elapsed.as_secs_f64())
}

struct Storm {
    rate: f64,
    others: f64,
    cpu_ms: Option<f64>,
    turned_away: usize,
    latency: Sorted,
    ping: Sorted,
    health: Sorted,
}

#[derive(Default)]
struct Tally {
    stopped: Cell<bool>,
    signed_in: Cell<usize>,
    turned_away: Cell<usize>,
    latencies: RefCell<Latencies>,
}

async fn storm(
    server: &Server,
    people: &People,
    token: &str,
    in_flight: usize,
    duration: Duration,
) -> Result<Storm> {
    let address = server.address();
    let tally = Rc::<Tally>::default();
    let mut tasks = JoinSet::new();
    for user in 0..in_flight {
        tasks.spawn_local(sign_in_again_and_again(address, people.username(user), Rc::clone(&tally)));
    }
    // Started before the measurement.
    sleep(Duration::from_secs(1)).await;
    let ping = Pinger::socket(address, token).await?;
    let health = Pinger::health(address).await?;
    let own_cpu = || usage::cpu_of("self").unwrap_or_default();
    let (own, machine) = (own_cpu(), usage::machine_cpu());
    let (before, started) = (server.cpu(), Instant::now());
    tally.signed_in.set(0);
    tally.turned_away.set(0);
    tally.latencies.take();
    sleep(duration).await;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before));
    let ours = cpu.unwrap_or_default() + own_cpu().saturating_sub(own);
    let others = others(machine, ours, elapsed);
    let (signed_in, turned_away) = (tally.signed_in.get(), tally.turned_away.get());
    let latency = tally.latencies.take().sorted();
    let (ping, health) = (ping.stop().await?, health.stop().await?);
    tally.stopped.set(true);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(Storm {
        rate: rate(signed_in, elapsed),
        others,
        cpu_ms: cpu.map(|cpu| ms(cpu) / signed_in as f64),
        turned_away,
        latency,
        ping,
        health,
    })
}

async fn sign_in_again_and_again(address: SocketAddr, name: String, tally: Rc<Tally>) -> Result<()> {
    let body = json!({"login": name, "password": PASSWORD});
    let request = Request::new("POST", "/api/login", None, Some(&body));
    let mut connection = Connection::open(address).await?;
    while !tally.stopped.get() {
        let started = Instant::now();
        let reply = connection.send(&request).await?;
        if reply.status == 503 {
            tally.turned_away.set(tally.turned_away.get() + 1);
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        reply.expect(200)?;
        tally.signed_in.set(tally.signed_in.get() + 1);
        tally.latencies.borrow_mut().push(started.elapsed());
    }
    Ok(())
}
