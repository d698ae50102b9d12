//! Many users who join one room together, all of whom are told who is there.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{SETTINGS, SETTLE};
use crate::figures::{Expected, Latencies, Report, number, us_each, whole};
use crate::people::{self, People};
use crate::server::Server;
use crate::table::Table;
use crate::websocket::{Event, WebSocket, text};
use crate::{Result, Target};

const JOIN: &str = r#"{"type":"join","room":"hall:all","presence":"full"}"#;

/// Messages a second that are promised at most.
const PACE: f64 = 4.0;

/// How long the last one may take to join.
const PATIENCE: Duration = Duration::from_mins(1);

/// What one session was sent.
struct Told {
    joined_after: Duration,
    /// When each `presence_changed` arrived.
    changes: Vec<Instant>,
}

pub async fn measure(
    target: &Target,
    server: &mut Server,
    count: usize,
    report: &mut Report,
) -> Result<Table> {
    let mut settings = SETTINGS.to_vec();
    settings.extend([("rooms.hall.join", "anyone"), ("rooms.hall.presence", "users")]);
    server.restart(target, &settings).await?;
    let mut people = People::new(server.address());
    let logins = people.sign_in(count, count).await?;
    let (sockets, _) = people::open_sockets(server.address(), logins).await?;
    sleep(SETTLE).await;
    let (memory, cpu, begun) = (server.pss(), server.fine_cpu(), Instant::now());
    let (all_joined, is_over) = watch::channel(false);
    let (joined, mut joins) = tokio::sync::mpsc::unbounded_channel();
    let mut sessions = JoinSet::new();
    for socket in sockets {
        let (joined, is_over) = (joined.clone(), is_over.clone());
        sessions.spawn_local(async move { listen(socket, begun, &joined, is_over).await });
    }
    for _ in 0..count {
        timeout(PATIENCE, joins.recv()).await.map_err(|_| "not all sessions have joined")?;
    }
    sleep(SETTLE * 2).await;
    let cpu = us_each(server.fine_cpu_since(cpu), count);
    let (seconds, memory) = (begun.elapsed().as_secs_f64(), memory.zip(server.pss()));
    all_joined.send_replace(true);
    let (mut latencies, mut most, mut in_a_second, mut messages) = (Latencies::default(), 0, 0, 0);
    while let Some(told) = sessions.join_next().await {
        let Told { joined_after, changes } = told??;
        latencies.push(joined_after);
        most = most.max(changes.len());
        in_a_second = in_a_second.max(most_in_a_second(&changes));
        messages += changes.len();
    }
    let latencies = latencies.sorted();
    report
        .section(format!("rooms: {} users join a room together and are told who is there", whole(count)))
        .promise("messages to one client, a second", most as f64 / seconds, "", Expected::AtMost(PACE));
    let mut table = Table::new([format!("{} users join one room together", whole(count)), String::new()]);
    let bytes = memory.map(|(before, after)| (after - before) * 1024.0 / count as f64);
    for (what, figure) in [
        ("joined after, p50, ms", Some(latencies.percentile(500))),
        ("joined after, the last, ms", Some(latencies.max())),
        ("messages about who is there to a client, on average", Some(messages as f64 / count as f64)),
        ("the same within one second, at most", Some(in_a_second as f64)),
        ("CPU of a join and what all are told of it, µs", cpu),
        ("bytes that a joined session takes, with its place in the list", bytes),
    ] {
        if let Some(figure) = figure {
            table.line([what.to_owned(), number(figure)]);
        }
    }
    table.show(report);
    Ok(table)
}

/// Joins, and notes what it is told until all is over.
async fn listen(
    mut socket: WebSocket,
    begun: Instant,
    joined: &tokio::sync::mpsc::UnboundedSender<()>,
    mut is_over: watch::Receiver<bool>,
) -> Result<Told> {
    socket.send(&text(JOIN)).await?;
    let mut told = Told { joined_after: Duration::ZERO, changes: Vec::new() };
    loop {
        let event = tokio::select! {
            event = socket.next() => event?,
            _ = is_over.changed() => return Ok(told),
        };
        if let Event::Closed(code) = event {
            return Err(format!("a socket was closed: {code:?}").into());
        }
        let message = socket.text();
        if message.starts_with(br#"{"type":"presence_changed""#) {
            told.changes.push(Instant::now());
        } else if message.starts_with(br#"{"type":"joined""#) {
            told.joined_after = begun.elapsed();
            joined.send(())?;
        } else {
            return Err(format!("not joined but {}", String::from_utf8_lossy(message)).into());
        }
    }
}

fn most_in_a_second(times: &[Instant]) -> usize {
    let mut from = 0;
    (0..times.len()).fold(0, |most, to| {
        while times[to] - times[from] >= Duration::from_secs(1) {
            from += 1;
        }
        most.max(to - from + 1)
    })
}
