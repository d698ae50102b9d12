//! `rooms`: what a message to a room costs for each session that is sent it, beside a broadcast of Node's `ws` and a room of
//! its `socket.io`; what a joined room takes of memory; how long a message takes from node to node.

mod fanout;
mod memory;
mod nodes;
mod presence;

use std::time::Duration;

use clap::Args;

use crate::contender::Kind;
use crate::figures::Report;
use crate::people::People;
use crate::server::Server;
use crate::table::Output;
use crate::websocket::text;
use crate::{CHEAP, Result, Target, cpus, node};

#[derive(Args, Clone)]
pub struct Options {
    /// Sessions in the large room
    #[arg(short, long, default_value_t = 10_000)]
    number: usize,
    /// Turns of each server; the medians are shown. 0 leaves the comparison out
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The nodes' `database.url`, on PostgreSQL; without it, nothing is measured between nodes
    #[arg(long, value_name = "URL", requires = "redis")]
    database: Option<String>,
    /// The nodes' `cluster.redis_url`; memory is measured with it as well
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Sessions in the small room.
const FEW: usize = 1_000;

/// Bytes of what a message carries.
const DATA: usize = 200;

const ROOM: &str = "chat:lobby";

/// Time for a server to finish its work.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Those that are compared.
const KINDS: [Kind; 4] = [Kind::Doorward, Kind::NodeWs, Kind::DoorwardSocketIo, Kind::NodeSocketIo];

const SETTINGS: [(&str, &str); 7] = [
    CHEAP[0],
    CHEAP[1],
    // Over Socket.IO a client signs in after the handshake, and all have one address.
    ("sockets.max_waiting_per_address", "1000"),
    // No token expires during the run.
    ("tokens.access_ttl", "24h"),
    ("rooms.chat.join", "anyone"),
    ("rooms.chat.send", "joined"),
    ("rooms.chat.rate", "off"),
];

pub async fn run(target: &Target, options: &Options, report: &mut Report) -> Result<()> {
    if let Some(cpus) = &target.pin_server {
        cpus::leave(cpus)?;
    }
    let number = options.number.max(FEW);
    let mut doorward = Server::start(target, &SETTINGS).await?;
    let mut people = People::new(doorward.address());
    let logins = people.sign_in(number + 1, 1_000).await?;
    let mut samples = fanout::Samples::default();
    for round in 0..options.rounds {
        for kind in KINDS {
            eprintln!("... round {}: {}", round + 1, kind.name());
            if kind.is_doorward() {
                doorward.restart(target, &SETTINGS).await?;
                fanout::measure(kind, &doorward, logins, &mut samples).await?;
            } else if let Some(other) = start_other(kind, target, &doorward).await? {
                fanout::measure(kind, &other, logins, &mut samples).await?;
            }
        }
    }
    let peers = fanout::table(&samples, number);
    let mut tables = Vec::new();
    if options.rounds > 0 {
        report.section(format!(
            "rooms: {DATA} bytes to each session of a room, medians of {} rounds",
            options.rounds
        ));
        peers.show(report);
        fanout::check(&samples, number, report);
        tables.push(("load rooms", &peers));
    }
    let memory = memory::measure(target, &mut doorward, logins, options.redis.as_deref()).await?;
    report.section("rooms: memory of a WebSocket");
    memory.show(report);
    let presence = presence::measure(target, &mut doorward, number, report).await?;
    tables.extend([("load rooms: memory", &memory), ("load rooms: presence", &presence)]);
    let between;
    if let (Some(database), Some(redis)) = (&options.database, &options.redis) {
        drop(doorward);
        between = nodes::measure(target, (database, redis), report).await?;
        tables.push(("load rooms: nodes", &between));
    }
    options.output.write(&tables, "What a message to a room costs", &[])
}

async fn start_other(kind: Kind, target: &Target, doorward: &Server) -> Result<Option<Server>> {
    let program = if kind == Kind::NodeWs { "ws.mjs" } else { "socketio.mjs" };
    Ok(node::start(target, doorward.address(), program).await?.map(|(_, server)| server))
}

/// A request, as clients of this kind send it.
fn request(kind: Kind, word: &str, fields: &str) -> Vec<u8> {
    match kind {
        Kind::DoorwardSocketIo | Kind::NodeSocketIo => text(&format!("421[\"{word}\",{{{fields}}}]")),
        _ => text(&format!("{{\"type\":\"{word}\",{fields}}}")),
    }
}

fn send_request(kind: Kind) -> Vec<u8> {
    request(kind, "send", &format!("\"room\":\"{ROOM}\",\"data\":\"{}\"", "x".repeat(DATA - 2)))
}
