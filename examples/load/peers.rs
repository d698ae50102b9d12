//! `peers`: what a socket costs at the floor, at Doorward, and at two servers of Node.js that verify the same tokens. All
//! take turns in one run, each time as a process of its own, so that changes on the machine affect all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use crate::chart::{self, Bar, Chart};
use crate::contender::{self, Kind, Message};
use crate::figures::{Report, number, whole};
use crate::launch::pinned;
use crate::people::{Login, People};
use crate::server::Server;
use crate::table::{Output, Table};
use crate::{CHEAP, Result, Target, cpus, echo, ks, node};

#[derive(Args, Clone)]
pub struct Options {
    /// The most sockets
    #[arg(short, long, default_value_t = 10_000)]
    number: usize,
    /// Turns of each server; the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Milliseconds of requests at each number of sockets
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Seconds for which all sockets are idle, in the first round: one heartbeat
    #[arg(long, default_value_t = 25)]
    idle: u64,
    #[command(flatten)]
    output: Output,
}

/// Sockets that warm a server up before its memory is measured: code is compiled, pools are filled.
const WARM_UP: usize = 200;

/// Time for a server to finish its work after handshakes and closes.
const SETTLE: Duration = Duration::from_millis(1_500);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Metric {
    /// Handshake with a token that this process has not seen.
    FirstHandshake,
    /// With the same token again.
    Handshake,
    Memory,
    /// Without heartbeats, and with one of each socket.
    Quiet,
    Idle,
    /// A request and its reply: on so many sockets, with so many in flight on each.
    Request(Message, usize, usize),
}

impl Metric {
    fn all(number: usize) -> Vec<Self> {
        let requests = [Message::Secret, Message::Ping].into_iter().flat_map(|message| {
            loads(number).map(|(sockets, in_flight)| Self::Request(message, sockets, in_flight))
        });
        [Self::FirstHandshake, Self::Handshake, Self::Memory, Self::Quiet, Self::Idle]
            .into_iter()
            .chain(requests)
            .collect()
    }

    fn title(self, number: usize) -> String {
        match self {
            Self::FirstHandshake => "handshake, token not seen before, µs".to_owned(),
            Self::Handshake => "handshake, token seen before, µs".to_owned(),
            Self::Memory => format!("memory of an idle socket, bytes, {} open", whole(number)),
            Self::Quiet => format!("{} idle sockets, ms a second", whole(number)),
            Self::Idle => format!("{} idle sockets with heartbeats, ms a second", whole(number)),
            Self::Request(message, sockets, in_flight) => {
                let message = match message {
                    Message::Secret => "secret",
                    Message::Ping => "ping",
                };
                let depth = if in_flight > 1 { format!(", {in_flight} in flight") } else { String::new() };
                format!("`{message}` and its reply, {} sockets{depth}, µs", whole(sockets))
            }
        }
    }
}

/// Sockets, and requests in flight on each.
fn loads(number: usize) -> [(usize, usize); 4] {
    [(100, 1), (1_000.min(number), 1), (number, 1), (100, 16)]
}

/// The figures of all rounds.
#[derive(Default)]
struct Samples(BTreeMap<(Kind, Metric), Vec<f64>>);

impl Samples {
    fn push(&mut self, kind: Kind, metric: Metric, figure: Option<f64>) {
        if let Some(figure) = figure {
            self.0.entry((kind, metric)).or_default().push(figure);
        }
    }

    fn median(&self, kind: Kind, metric: Metric) -> Option<f64> {
        self.0.get(&(kind, metric)).map(|figures| ks::median(figures))
    }

    /// What is compared with the floor: not what it has next to nothing of. It does the same for every message.
    fn floor(&self, metric: Metric) -> Option<f64> {
        let metric = match metric {
            Metric::Memory | Metric::Quiet | Metric::Idle => return None,
            Metric::Request(_, sockets, in_flight) => Metric::Request(Message::Secret, sockets, in_flight),
            handshake => handshake,
        };
        self.median(Kind::Floor, metric)
    }

    fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.0.keys().any(|(of, _)| of == kind)).collect()
    }
}

pub async fn run(target: &Target, options: &Options, report: &mut Report) -> Result<()> {
    if let Some(cpus) = &target.pin_server {
        cpus::leave(cpus)?;
    }
    let number = options.number.max(100);
    let mut doorward = Server::start(target, &settings()).await?;
    let mut people = People::new(doorward.address());
    let logins = people.sign_in(number + WARM_UP, 1_000).await?;
    let mut samples = Samples::default();
    for round in 0..options.rounds.max(1) {
        for kind in Kind::ALL {
            eprintln!("... round {}: {}", round + 1, kind.name());
            let idle = (round == 0).then(|| Duration::from_secs(options.idle));
            let plan = Plan { number, duration: Duration::from_millis(options.millis), idle };
            if kind.is_doorward() {
                doorward.restart(target, &settings()).await?;
                measure(kind, &doorward, logins, &plan, &mut samples).await?;
            } else if let Some(other) = start_other(kind, target, &doorward).await? {
                measure(kind, &other, logins, &plan, &mut samples).await?;
            }
        }
    }
    let table = table(&samples, number);
    report.section(format!(
        "peers: server CPU and memory, medians of {} rounds, and how many times the floor's",
        options.rounds.max(1)
    ));
    table.show(report);
    let title = "What a handshake, a message, and an idle socket cost at Doorward and at other servers";
    options.output.write(&[("load peers", &table)], title, &charts(&samples, number))
}

fn settings() -> [(&'static str, &'static str); 4] {
    [
        CHEAP[0],
        CHEAP[1],
        // Over Socket.IO a client signs in after the handshake, and all have one address.
        ("sockets.max_waiting_per_address", "1000"),
        // No token expires during the run.
        ("tokens.access_ttl", "24h"),
    ]
}

async fn start_other(kind: Kind, target: &Target, doorward: &Server) -> Result<Option<Server>> {
    let node = match kind {
        Kind::NodeWs => node::start(target, doorward.address(), "ws.mjs").await?,
        Kind::NodeSocketIo => node::start(target, doorward.address(), "socketio.mjs").await?,
        Kind::Floor | Kind::Doorward | Kind::DoorwardSocketIo => {
            let this: PathBuf = std::env::current_exe()?;
            let mut command = pinned(target, &this);
            command.arg("floor");
            return Server::start_other(command).await.map(Some);
        }
    };
    Ok(node.map(|(_, server)| server))
}

struct Plan {
    number: usize,
    /// Of each load.
    duration: Duration,
    idle: Option<Duration>,
}

/// One turn, at a process that was just started.
async fn measure(
    kind: Kind,
    server: &Server,
    logins: &[Login],
    plan: &Plan,
    samples: &mut Samples,
) -> Result<()> {
    let (warm_up, logins) = logins.split_at(WARM_UP);
    let (sockets, _) = kind.open(server, warm_up).await?;
    if let Some(request) = kind.request(Message::Secret) {
        echo::round(server, sockets, request, 1, plan.duration).await?;
    }
    sleep(SETTLE).await;

    let before = server.pss();
    let (mut sockets, handshake) = kind.open(server, logins).await?;
    samples.push(kind, Metric::FirstHandshake, handshake);
    sleep(SETTLE).await;
    let growth = before.zip(server.pss()).map(|(before, after)| (after - before) * 1024.0);
    samples.push(kind, Metric::Memory, growth.map(|growth| growth / plan.number as f64));
    if let Some(duration) = plan.idle {
        let (held, idle) = contender::idle(server, sockets, duration).await?;
        samples.push(kind, Metric::Quiet, idle.before_heartbeats);
        samples.push(kind, Metric::Idle, idle.with_heartbeats);
        sockets = held;
    }
    // The sockets have done their work.
    drop(sockets);
    sleep(SETTLE).await;

    let (sockets, handshake) = kind.open(server, logins).await?;
    samples.push(kind, Metric::Handshake, handshake);
    let mut open = Some(sockets);
    for message in [Message::Secret, Message::Ping] {
        let Some(request) = kind.request(message) else { continue };
        let [few, many, all, deep] = loads(plan.number);
        // All come first, because they are open already.
        for (number, in_flight) in [all, many, few, deep] {
            let sockets = match open.take() {
                Some(sockets) => sockets,
                None => kind.open(server, &logins[..number]).await?.0,
            };
            let round = echo::round(server, sockets, request.clone(), in_flight, plan.duration).await?;
            samples.push(kind, Metric::Request(message, number, in_flight), round.cpu_each());
            // They were closed at its end.
            sleep(SETTLE / 2).await;
        }
    }
    Ok(())
}

/// A line for each metric, and a column for each server.
fn table(samples: &Samples, number_of_sockets: usize) -> Table {
    let kinds = samples.kinds();
    let mut table = Table::new(["work"].into_iter().chain(kinds.iter().map(|kind| kind.name())));
    for metric in Metric::all(number_of_sockets) {
        let floor = samples.floor(metric);
        let cells = kinds.iter().map(|kind| match samples.median(*kind, metric) {
            Some(figure) => cell(figure, floor.filter(|_| *kind != Kind::Floor)),
            None => "-".to_owned(),
        });
        let title = metric.title(number_of_sockets);
        table.line([title].into_iter().chain(cells));
    }
    table
}

/// A figure, and how many times the floor's it is.
fn cell(figure: f64, floor: Option<f64>) -> String {
    match floor.map(|floor| figure / floor) {
        Some(ratio) if ratio >= 9.95 => format!("{} ({ratio:.0}×)", number(figure)),
        Some(ratio) => format!("{} ({ratio:.1}×)", number(figure)),
        None => number(figure),
    }
}

fn charts(samples: &Samples, number: usize) -> Vec<Chart> {
    let request = |sockets, in_flight| Metric::Request(Message::Secret, sockets, in_flight);
    let shown = [
        Metric::FirstHandshake,
        Metric::Handshake,
        request(100, 1),
        request(number, 1),
        request(100, 16),
        Metric::Memory,
    ];
    let bar = |kind: Kind, metric| {
        let class = match kind {
            Kind::Floor => chart::FLOOR,
            kind if kind.is_doorward() => chart::OWN,
            _ => chart::PEER,
        };
        Some(Bar { name: kind.name().to_owned(), value: samples.median(kind, metric)?.max(0.0), class })
    };
    let charts = shown.into_iter().map(|metric| {
        let title = metric.title(number).replace('`', "");
        Chart::Bars { title, bars: Kind::ALL.into_iter().filter_map(|kind| bar(kind, metric)).collect() }
    });
    charts.collect()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Message, Metric, Samples, cell, charts, table};
    use crate::figures::Report;

    #[test]
    fn the_table_has_medians_and_their_ratio_to_the_floor() {
        let mut samples = Samples::default();
        for (figure, at_the_floor) in [(90.0, 20.0), (10.0, 1.0), (30.0, 10.0)] {
            samples.push(Kind::Doorward, Metric::Handshake, Some(figure));
            samples.push(Kind::Doorward, Metric::Request(Message::Ping, 100, 16), Some(figure));
            samples.push(Kind::Floor, Metric::Handshake, Some(at_the_floor));
            samples.push(Kind::Floor, Metric::Request(Message::Secret, 100, 16), Some(at_the_floor));
        }
        samples.push(Kind::NodeWs, Metric::Handshake, None);
        let mut report = Report::default();
        table(&samples, 10_000).show(report.section("peers"));
        let shown = report.to_string();
        let line = |of: &str| {
            let line = shown.lines().find(|line| line.trim_start().starts_with(of)).unwrap();
            line.split_whitespace().rev().take(3).collect::<Vec<_>>()
        };
        assert_eq!(line("handshake, token seen before"), ["(3.0×)", "30.0", "10.0"]);
        // The floor does not tell one message from another.
        assert_eq!(line("`ping` and its reply, 100 sockets, 16"), ["(3.0×)", "30.0", "-"]);
        assert!(!shown.contains("Node"), "a server that was skipped has no column: {shown}");
        assert_eq!(charts(&samples, 10_000).len(), 6);
    }

    #[test]
    fn memory_is_not_compared_with_the_floor() {
        let mut samples = Samples::default();
        samples.push(Kind::Floor, Metric::Memory, Some(24.0));
        samples.push(Kind::Floor, Metric::Handshake, Some(23.0));
        assert_eq!(samples.floor(Metric::Memory), None);
        assert_eq!(samples.floor(Metric::Handshake), Some(23.0));
        assert_eq!(cell(3_000.0, None), "3,000");
        assert_eq!([cell(8.0, Some(5.0)), cell(230.0, Some(23.0))], ["8.00 (1.6×)", "230 (10×)"]);
    }
}
