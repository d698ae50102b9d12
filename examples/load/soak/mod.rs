//! `soak`: half an hour of everything at once on a cluster. Sockets on all transports come and go while users sign in and
//! out, refresh, change passwords and are signed out, and nodes restart. Memory must stay flat, every session must have its
//! socket at the end, a revocation must close its sockets soon, and no node may log an error.

mod cluster;
mod deeds;
mod judge;
mod logs;
mod node;
mod polling;
mod samples;
mod slots;
mod socket;
mod user;
mod world;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::chart;
use crate::figures::Report;
use crate::{Result, Target};

use cluster::Cluster;
use judge::Outcome;
use samples::Samples;
use world::{Phase, World};

#[derive(Args, Clone)]
pub struct Options {
    /// The nodes' `database.url`, of PostgreSQL
    #[arg(long, value_name = "URL")]
    database: String,
    /// The nodes' `cluster.redis_url`
    #[arg(long, value_name = "URL")]
    redis: String,
    /// How long sockets and users come and go
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// The first one runs all the time, the others are restarted in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// Sockets that are open at a time
    #[arg(short, long, default_value_t = 2_000)]
    number: usize,
    #[arg(long, default_value_t = 200)]
    users: usize,
    /// Seconds between two restarts
    #[arg(long, default_value_t = 150)]
    restart: u64,
    /// Draws the figures into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Time for nodes to exchange their sessions, and to notice sockets whose client is gone without a word: two heartbeats,
/// and the ping timeout of Socket.IO.
const SETTLE: Duration = Duration::from_secs(75);

/// No restart so soon before the end: its sockets have to be back.
const CALM: Duration = Duration::from_secs(20);

pub async fn run(target: &Target, options: &Options, report: &mut Report) -> Result<()> {
    if target.url.is_some() {
        return Err("`soak` starts nodes of its own".into());
    }
    let mut cluster = Cluster::start(target, options).await?;
    let (phase, phases) = watch::channel(Phase::Churn);
    let world = World::new(&cluster, options.users).await?;
    report.section(format!(
        "soak: {} sockets of {} users on {} nodes for {} min",
        options.number, options.users, options.nodes, options.minutes
    ));
    let samples = Rc::new(Samples::new());
    samples.take(&world).await;

    let mut tasks = JoinSet::new();
    for index in 0..options.number {
        tasks.spawn_local(slots::run(Rc::clone(&world), index, phases.clone()));
    }
    for user in 0..options.users {
        tasks.spawn_local(deeds::run(Rc::clone(&world), user, phases.clone()));
    }
    let watcher = tokio::task::spawn_local(Rc::clone(&samples).keep_taking(Rc::clone(&world)));
    let pauses = tokio::task::spawn_local(Rc::clone(&samples).watch_pauses());
    churn(&mut cluster, &world, options).await?;
    samples.note_stop();
    eprintln!("... the sockets stay as they are");
    phase.send_replace(Phase::Still);
    let still = settle(&world, options.number).await;
    let missing = options.number.abs_diff(world.open());
    eprintln!("... all sockets close");
    phase.send_replace(Phase::Close);
    while let Some(task) = tasks.join_next().await {
        task?;
    }
    let closed = settle(&world, 0).await;
    watcher.abort();
    pauses.abort();
    samples.take(&world).await;

    let log = cluster.logs();
    let outcome = Outcome { world: &world, samples: &samples, log: &log, missing, still, closed };
    if let Some(file) = &options.svg {
        std::fs::write(file, chart::svg("A soak: memory, sockets, files and restarts", &samples.charts()))?;
    }
    outcome.show(report)
}

/// Restarts a node every now and then until the time is over.
async fn churn(cluster: &mut Cluster<'_>, world: &World, options: &Options) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(options.minutes * 60);
    let pause = Duration::from_secs(options.restart);
    let restarted = (1..usize::from(options.nodes)).cycle();
    for node in restarted {
        if Instant::now() + pause + CALM > end {
            break;
        }
        sleep(pause).await;
        cluster.restart(node).await?;
        world.count("node restarted");
    }
    sleep(end.saturating_duration_since(Instant::now())).await;
    Ok(())
}

/// Waits until `number` sockets are open and each node knows as many sessions; returns by how many each node is wrong in
/// the end.
async fn settle(world: &World, number: usize) -> Vec<usize> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let mut wrong = Vec::new();
        for node in 0..world.nodes.len() {
            let known = world.known_at(node).await;
            // A node that does not answer knows nothing right.
            wrong.push(known.map_or(usize::MAX, |known| known.abs_diff(world.open())));
        }
        let is_settled = world.open() == number && wrong.iter().all(|wrong| *wrong == 0);
        if is_settled || Instant::now() > deadline {
            return wrong;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
