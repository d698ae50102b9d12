//! One room, and all that is sent to it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{FEW, KINDS, ROOM, SETTLE, request, send_request};
use crate::Result;
use crate::contender::{Client, Kind};
use crate::echo::Asker;
use crate::figures::{Expected, Latencies, Report, number, us_each, whole};
use crate::ks;
use crate::people::Login;
use crate::server::Server;
use crate::table::Table;

/// How long the last delivery of a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages that are sent together to the busy room.
const DEEP: usize = 8;

/// Deliveries of each turn, all sessions together, and of the warm-up before it.
const DELIVERIES: usize = 400_000;
const WARM_UP: usize = 50_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Figure {
    /// The server's CPU time for one session and message.
    Cpu,
    LastP50,
    LastP99,
}

/// Sessions in the room, and messages that are sent together.
type Load = (usize, usize);

/// The figures of all rounds.
#[derive(Default)]
pub struct Samples(BTreeMap<(Kind, Load, Figure), Vec<f64>>);

impl Samples {
    fn push(&mut self, key: (Kind, Load, Figure), figure: Option<f64>) {
        if let Some(figure) = figure {
            self.0.entry(key).or_default().push(figure);
        }
    }

    fn median(&self, key: (Kind, Load, Figure)) -> Option<f64> {
        self.0.get(&key).map(|figures| ks::median(figures))
    }
}

/// The sessions that have joined, and what has reached them.
struct Audience {
    size: usize,
    /// By the number of the message: to how many sessions it has been delivered.
    delivered: RefCell<Vec<usize>>,
    /// When each message was sent.
    sent: RefCell<Vec<Instant>>,
    last: RefCell<Latencies>,
    /// A permit for each message that has been delivered to all.
    complete: Semaphore,
    failed: Cell<bool>,
}

impl Audience {
    fn new(size: usize) -> Self {
        Self {
            size,
            delivered: RefCell::default(),
            sent: RefCell::default(),
            last: RefCell::default(),
            complete: Semaphore::new(0),
            failed: Cell::new(false),
        }
    }

    /// Counts what reaches a session, which is sent the messages in their order.
    async fn listen(self: Rc<Self>, mut client: Client) -> Result<()> {
        let mut heard = 0;
        loop {
            let count = client.messages().await.inspect_err(|_| self.failed.set(true))?;
            for _ in 0..count {
                self.hear(heard);
                heard += 1;
            }
        }
    }

    fn hear(&self, message: usize) {
        let mut delivered = self.delivered.borrow_mut();
        if delivered.len() <= message {
            delivered.resize(message + 1, 0);
        }
        delivered[message] += 1;
        if delivered[message] == self.size {
            self.last.borrow_mut().push(self.sent.borrow()[message].elapsed());
            self.complete.add_permits(1);
        }
    }

    /// Sends messages, so many with one write, and waits until those have been delivered to all.
    async fn publish(
        &self,
        publisher: &mut Client,
        message: &[u8],
        (count, together): (usize, usize),
    ) -> Result<()> {
        let burst = message.repeat(together);
        for _ in 0..count / together {
            self.sent.borrow_mut().extend(std::iter::repeat_n(Instant::now(), together));
            publisher.send(&burst).await?;
            self.take(together).await?;
            // Its replies are read as they come, and it may be sent the messages too.
            while let Ok(read) = timeout(Duration::ZERO, publisher.messages()).await {
                read?;
            }
        }
        Ok(())
    }

    async fn take(&self, permits: usize) -> Result<()> {
        let permits = self.complete.acquire_many(u32::try_from(permits)?);
        match timeout(PATIENCE, permits).await {
            Ok(permits) if !self.failed.get() => {
                permits?.forget();
                Ok(())
            }
            _ => Err("a message did not reach all sessions".into()),
        }
    }
}

/// One turn of a server that was just started.
pub async fn measure(kind: Kind, server: &Server, logins: &[Login], samples: &mut Samples) -> Result<()> {
    let number = logins.len() - 1;
    let few = [(FEW, 1), (FEW, DEEP)];
    measure_room(kind, server, &logins[..=FEW], &few, samples).await?;
    if number > FEW {
        sleep(SETTLE).await;
        measure_room(kind, server, logins, &[(number, 1)], samples).await?;
    }
    Ok(())
}

/// The last of the logins is that of the publisher.
async fn measure_room(
    kind: Kind,
    server: &Server,
    logins: &[Login],
    loads: &[Load],
    samples: &mut Samples,
) -> Result<()> {
    let (mut clients, _) = kind.open(server, logins).await?;
    if kind != Kind::NodeWs {
        let join = request(kind, "join", &format!("\"room\":\"{ROOM}\""));
        for client in &mut clients {
            client.ask(&join, "joined").await?;
        }
    }
    let mut publisher = clients.pop().ok_or("there is no publisher")?;
    let (size, message) = (clients.len(), send_request(kind));
    let audience = Rc::new(Audience::new(size));
    let mut listeners = JoinSet::new();
    for client in clients {
        listeners.spawn_local(Rc::clone(&audience).listen(client));
    }
    for load in loads {
        let depth = load.1;
        audience.publish(&mut publisher, &message, ((WARM_UP / size).max(3) * depth, depth)).await?;
        audience.last.take();
        sleep(SETTLE).await;
        let (count, before) = (DELIVERIES / size, server.fine_cpu());
        audience.publish(&mut publisher, &message, (count, depth)).await?;
        // What each delivery costs, with all that the message costs once.
        let cpu = us_each(server.fine_cpu_since(before), count * size);
        let last = audience.last.take().sorted();
        samples.push((kind, *load, Figure::Cpu), cpu);
        samples.push((kind, *load, Figure::LastP50), Some(last.percentile(500)));
        samples.push((kind, *load, Figure::LastP99), Some(last.percentile(990)));
    }
    listeners.shutdown().await;
    Ok(())
}

fn loads(number: usize) -> Vec<Load> {
    let large = (number > FEW).then_some((number, 1));
    [(FEW, 1), (FEW, DEEP)].into_iter().chain(large).collect()
}

/// A line for each figure, and a column for each server.
pub fn table(samples: &Samples, sessions: usize) -> Table {
    let measured = |kind: &Kind| samples.0.keys().any(|(of, ..)| of == kind);
    let kinds: Vec<_> = KINDS.into_iter().filter(measured).collect();
    let mut table =
        Table::new(["a message of 200 bytes"].into_iter().chain(kinds.iter().map(|kind| kind.name())));
    for (size, depth) in loads(sessions) {
        let together = if depth > 1 { format!("{depth} together") } else { "one at a time".to_owned() };
        for (figure, what) in [
            (Figure::Cpu, "CPU of a delivery, µs"),
            (Figure::LastP50, "last delivery, p50, ms"),
            (Figure::LastP99, "last delivery, p99, ms"),
        ] {
            let cells = kinds.iter().map(|kind| {
                samples.median((*kind, (size, depth), figure)).map_or_else(|| "-".to_owned(), number)
            });
            let title = format!("to {}, {together}: {what}", whole(size));
            table.line([title].into_iter().chain(cells));
        }
    }
    table
}

/// What the project has promised.
pub fn check(samples: &Samples, sessions: usize, report: &mut Report) {
    for (load, figure, what, unit, bound) in [
        ((FEW, DEEP), Figure::Cpu, "to 1,000, 8 together", "us each", 1.7),
        ((sessions, 1), Figure::Cpu, "to all, one at a time", "us each", 9.0),
        ((sessions, 1), Figure::LastP50, "  last delivery, p50", "ms", 90.0),
    ] {
        if let Some(figure) = samples.median((Kind::Doorward, load, figure)) {
            report.promise(what, figure, unit, Expected::AtMost(bound));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Audience, DEEP, FEW, Figure, Kind, Samples, check, table};
    use crate::figures::Report;
    use std::time::Instant;

    #[test]
    fn the_table_has_medians_and_promises_are_checked() {
        let mut samples = Samples::default();
        for figure in [1.5, 9.0, 1.6] {
            samples.push((Kind::Doorward, (FEW, DEEP), Figure::Cpu), Some(figure));
        }
        samples.push((Kind::Doorward, (10_000, 1), Figure::LastP50), Some(91.0));
        let mut report = Report::default();
        report.section("rooms");
        table(&samples, 10_000).show(&mut report);
        check(&samples, 10_000, &mut report);
        let shown = report.to_string();
        let lines = |of: &str| shown.lines().filter(|line| line.contains(of)).count();
        assert_eq!(lines("to 1,000, 8 together: CPU of a delivery, µs  "), 1, "{shown}");
        assert_eq!((lines("1.60"), lines("MISSED"), lines(" ok"), lines("Node")), (2, 1, 1, 0), "{shown}");
    }

    #[test]
    fn a_message_is_delivered_once_all_sessions_have_it() {
        let audience = Audience::new(2);
        audience.sent.borrow_mut().extend([Instant::now(); 2]);
        for message in [0, 1, 0] {
            audience.hear(message);
        }
        assert_eq!((audience.last.borrow().len(), audience.complete.available_permits()), (1, 1));
    }
}
