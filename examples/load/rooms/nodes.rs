//! How long a message takes from a client of one node to a client of another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{ROOM, SETTINGS, request, send_request};
use crate::contender::{Client, Kind};
use crate::echo::Asker;
use crate::figures::{Expected, Latencies, Report, number, us_each};
use crate::people::People;
use crate::server::Server;
use crate::table::Table;
use crate::{Result, Target};

/// Messages a second, and for how long.
const RATE: u64 = 5_000;
const SECONDS: u64 = 10;

/// Messages that are sent together.
const TOGETHER: u64 = 5;

/// Sent before the measurement.
const WARM_UP: u64 = 2 * RATE;

const PATIENCE: Duration = Duration::from_secs(10);

pub async fn measure(target: &Target, (database, redis): (&str, &str), report: &mut Report) -> Result<Table> {
    let prefix = format!("doorward-load-{}", std::process::id());
    let mut settings = SETTINGS.to_vec();
    settings.extend([
        ("database.url", database),
        ("cluster.redis_url", redis),
        // Another run may use the same Redis server.
        ("cluster.prefix", &*prefix),
    ]);
    let (one, two) = (Server::start(target, &settings).await?, Server::start(target, &settings).await?);
    let mut people = People::new(one.address());
    let logins = people.sign_in(2, 2).await?;
    let join = request(Kind::Doorward, "join", &format!("\"room\":\"{ROOM}\""));
    let (mut publishers, _) = Kind::Doorward.open(&one, &logins[..1]).await?;
    let (mut readers, _) = Kind::Doorward.open(&two, &logins[1..]).await?;
    let (Some(mut publisher), Some(mut reader)) = (publishers.pop(), readers.pop()) else {
        return Err("two sockets were opened".into());
    };
    publisher.ask(&join, "joined").await?;
    reader.ask(&join, "joined").await?;
    // The nodes may not have found each other yet.
    sleep(Duration::from_secs(2)).await;

    let sent = Rc::<RefCell<VecDeque<Instant>>>::default();
    let writing = tokio::task::spawn_local(publish(publisher, Rc::clone(&sent)));
    read(&mut reader, &sent, WARM_UP).await?;
    let before = [&one, &two].map(Server::fine_cpu);
    let latencies = read(&mut reader, &sent, RATE * SECONDS).await?.sorted();
    let messages = usize::try_from(RATE * SECONDS)?;
    let cpu = [(&one, before[0]), (&two, before[1])];
    let cpu = cpu.map(|(server, before)| us_each(server.fine_cpu_since(before), messages));
    writing.await??;
    report
        .section(format!("rooms: from node to node over Redis, {} messages a second", number(RATE as f64)))
        .promise("p50", latencies.percentile(500), "ms", Expected::AtMost(3.0))
        .promise("p99", latencies.percentile(990), "ms", Expected::AtMost(15.0))
        .row_if_known("CPU of the node that sends", cpu[0], "us each")
        .row_if_known("CPU of the node that receives", cpu[1], "us each");
    let mut table = Table::new(["from node to node, 5,000 messages a second", ""]);
    for (what, figure) in [
        ("p50, ms", Some(latencies.percentile(500))),
        ("p99, ms", Some(latencies.percentile(990))),
        ("CPU of a message at the node that sends it, µs", cpu[0]),
        ("CPU of a message at the node that receives it, µs", cpu[1]),
    ] {
        if let Some(figure) = figure {
            table.line([what.to_owned(), number(figure)]);
        }
    }
    Ok(table)
}

/// Reads so many messages; returns how long each has taken.
async fn read(reader: &mut Client, sent: &RefCell<VecDeque<Instant>>, count: u64) -> Result<Latencies> {
    let (count, mut latencies) = (usize::try_from(count)?, Latencies::default());
    while latencies.len() < count {
        let read = timeout(PATIENCE, reader.messages()).await.map_err(|_| "messages are missing")??;
        for _ in 0..read {
            let sent = sent.borrow_mut().pop_front().ok_or("more messages than were sent")?;
            latencies.push(sent.elapsed());
        }
    }
    Ok(latencies)
}

/// Sends at a steady pace, whatever arrives.
async fn publish(mut publisher: Client, sent: Rc<RefCell<VecDeque<Instant>>>) -> Result<()> {
    let message = send_request(Kind::Doorward).repeat(usize::try_from(TOGETHER)?);
    let mut pace = interval(Duration::from_secs(1) / u32::try_from(RATE / TOGETHER)?);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..(WARM_UP + RATE * SECONDS) / TOGETHER {
        pace.tick().await;
        sent.borrow_mut().extend(std::iter::repeat_n(Instant::now(), usize::try_from(TOGETHER)?));
        publisher.send(&message).await?;
        // Its replies are read as they come.
        while let Ok(read) = timeout(Duration::ZERO, publisher.messages()).await {
            read?;
        }
    }
    // They are still on their way, and a socket that is dropped resets the connection.
    sleep(PATIENCE / 5).await;
    Ok(())
}
