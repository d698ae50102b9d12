//! The load tool measures what a server costs and what it withstands. It starts the release binary on a free port with
//! a new data directory, and stops it at the end:
//!
//! ```sh
//! cargo build --release && cargo run --release --example load -- all
//! ```
//!
//! Server and client share the machine, so figures by the clock (`/s`, `ms`) vary with its load. The server's CPU time per
//! operation and its memory are read from `/proc` and are stable. Every count is bounded by the limit of open files,
//! which is raised to what the system allows.
//!
//! It has clients of its own (`http`, `websocket`, `lines`), because they have to be cheaper than the server; the client
//! library provides what is not measured.
#![expect(clippy::disallowed_methods, reason = "a load tool measures real time")]
#![expect(clippy::cast_precision_loss, reason = "a figure is shown with three digits")]

mod accounts;
mod attack;
mod attacker;
mod backend;
mod bystanders;
mod chart;
mod contender;
mod cpus;
mod dice;
mod echo;
mod ends;
mod figures;
mod floor;
mod growth;
mod hostile;
mod http;
mod ks;
mod launch;
mod lines;
mod node;
mod peers;
mod people;
mod pings;
mod requests;
mod revoke;
mod rolling;
mod rooms;
mod rows;
mod server;
mod soak;
mod socketio;
mod socketio_client;
mod sockets;
mod storm;
mod table;
mod timing;
mod usage;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::task::LocalSet;

use figures::Report;
use people::People;
use server::Server;

type Error = Box<dyn std::error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Parser)]
#[command(about = "Puts load on a Doorward server and reports what it costs")]
struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

/// Which server, and how it is started.
#[derive(Args, Clone)]
struct Target {
    /// The server's binary [default: the `doorward` that was built beside this example]
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// A running server, as ADDRESS:PORT; no other is started, and its settings remain
    #[arg(long, global = true, value_name = "ADDRESS")]
    url: Option<SocketAddr>,
    /// The process of a running server, to read its CPU time and memory
    #[arg(long, global = true, requires = "url")]
    pid: Option<u32>,
    /// Keep the server on these CPUs, as taskset reads them
    #[arg(long, global = true, value_name = "CPUS")]
    pin_server: Option<String>,
    /// A setting of the server, such as http.workers=1; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = launch::setting)]
    settings: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Opens sockets, each with its own token: handshakes, memory of an idle one, one request on each
    Sockets(Crowd),
    /// The same over TCP
    Lines(Crowd),
    /// Socket.IO, compared with its Node.js server: memory of an idle socket, requests with acknowledgements
    ///
    /// The comparison needs `npm ci --prefix examples/load/node` once, and is skipped without it.
    #[command(name = "socketio")]
    SocketIo {
        #[command(flatten)]
        crowd: Crowd,
        /// Seconds per turn; a server has three in a round
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// Doorward beside a server that does nothing but framing, and beside Node's ws and socket.io, in turns
    ///
    /// Handshakes, memory and CPU of idle sockets, requests and replies. Node.js needs
    /// `npm ci --prefix examples/load/node` once, and is skipped without it. With --pin-server, this tool keeps off the
    /// server's CPUs. Takes about eight minutes.
    Peers(peers::Options),
    /// A message to all sessions of a room, beside a broadcast of Node's ws and a room of its socket.io, in turns
    ///
    /// CPU of a delivery and when the last one arrives; memory of joined rooms; with PostgreSQL and Redis, how long a message
    /// takes from node to node. Takes about four minutes.
    Rooms(rooms::Options),
    /// Takes a right to a room away while messages arrive there, again and again: what was sent after the answer must not arrive
    ///
    /// On three nodes: the session is at one, those who send are at the others. Takes about two minutes.
    Ends(ends::Options),
    /// The same figures as sockets, users, and revoked logins become more, and memory after many sockets have gone
    ///
    /// With Redis, also what a node costs as the other nodes have more sessions. Takes about seven minutes.
    Growth(growth::Options),
    /// What `peers` compares with
    #[command(hide = true)]
    Floor,
    /// Requests and replies: one in flight at 100 and 1,000 sockets, 16 in flight at 100
    Echo {
        /// Seconds per round
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Signs users out one after another while all sockets are open: how soon their sockets close
    Revoke(Crowd),
    /// Sign-ins as fast as the hasher allows, and how they affect other users
    Storm {
        /// bcrypt's cost
        #[arg(long, default_value_t = 12)]
        cost: u32,
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// Concurrent sign-ins; with 1, how long a lone one takes
        #[arg(long, default_value_t = storm::in_flight())]
        in_flight: usize,
    },
    /// Requests with a token over 64 connections: one route that reads the database, one that does not
    Http {
        /// Seconds per route
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// What an application's backend asks: pages of users, a search, and whether tokens are active
    Backend {
        /// How many users there are
        #[arg(short, long, default_value_t = 100_000)]
        number: usize,
        /// Seconds of introspection
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Requests with and without a database, optionally compared with another server
    ///
    /// The routes: `/healthz`, `/readyz` (one query), `POST /api/register` (bcrypt at cost 4, so that the database
    /// shows) and `POST /api/refresh`, each over 64 connections.
    Accounts {
        /// Seconds per turn; a server has three at each route
        #[arg(long, default_value_t = 3)]
        seconds: u64,
        /// Compares with a second server that has this setting in addition to --set; may be repeated. A bare
        /// postgres:// or sqlite: URL is its `database.url`
        #[arg(long, value_name = "KEY=VALUE|URL", value_parser = accounts::beside)]
        beside: Vec<(String, String)>,
    },
    /// Restarts the nodes of a cluster one after the other: every client has to reconnect
    ///
    /// Fails if a client does not. Each client waits between attempts as the client libraries do.
    Rolling(Rolling),
    /// Sockets on all transports that come and go, sign-ins, revocations, and restarts of nodes, for half an hour
    ///
    /// Fails if memory grows, if a session is left without its socket, if a revocation takes more than three seconds to
    /// close a socket, or if a node logs an error.
    Soak(soak::Options),
    /// Idle sockets that never sign in, 20 from each address
    Strangers {
        #[arg(short, long, default_value_t = 10_000)]
        number: usize,
    },
    /// Sockets that send requests and never read the answers
    Stalled {
        #[arg(short, long, default_value_t = 50)]
        number: usize,
        #[arg(long, default_value_t = 12)]
        seconds: u64,
    },
    /// Sockets that send requests as fast as they can, and read the answers
    Flood {
        #[arg(short, long, default_value_t = 10)]
        number: usize,
        #[arg(long, default_value_t = 8)]
        seconds: u64,
    },
    /// Whether response times reveal that an account exists: all requests that name one
    ///
    /// Each kind is compared with its counterpart by the two-sample Kolmogorov-Smirnov test. A difference counts if it
    /// shows in every run.
    Timing {
        /// Requests of each kind
        #[arg(short, long, default_value_t = 2_000)]
        number: usize,
        #[arg(long, default_value_t = 3)]
        runs: usize,
        /// Requests for a link after each of which the idle server is observed
        #[arg(long, default_value_t = 60)]
        windows: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Attacks, one after the other: what they gain, how they affect other users, what they leave behind
    ///
    /// Guessed passwords, registrations, links, hostile passwords, handshakes, forged tokens and idle connections, from
    /// one address and from many.
    Attack(attack::Options),
    /// Everything with the defaults, except `peers`, `rooms`, `ends`, `growth`, `rolling`, `soak`, `attack` and `timing`
    All,
}

#[derive(Args, Clone, Copy)]
struct Crowd {
    /// How many sockets, and as many sign-ins
    #[arg(short, long, default_value_t = 10_000)]
    number: usize,
    #[arg(long, default_value_t = 1_000)]
    users: usize,
}

#[derive(Args, Clone)]
struct Rolling {
    /// The nodes' `database.url`
    #[arg(long, value_name = "URL")]
    database: String,
    /// The nodes' `cluster.redis_url`
    #[arg(long, value_name = "URL")]
    redis: String,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// How many clients, ten per user
    #[arg(short, long, default_value_t = 3_000)]
    number: usize,
    /// Seconds between one node's start and the next one's stop
    #[arg(long, default_value_t = 0)]
    pause: u64,
    /// Clients never connect again to the node that they were connected to last
    #[arg(long)]
    elsewhere: bool,
}

/// Cheap password hashes, because most commands do not measure sign-ins.
const CHEAP: [(&str, &str); 2] = [("password.insecure_cost", "true"), ("password.cost", "4")];

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut report = Report::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = raise_file_limit()
        .and_then(|()| LocalSet::new().block_on(&runtime?, run(&cli.target, cli.command, &mut report)));
    // After a failure too: it shows what was measured before.
    print!("{report}");
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(target: &Target, command: Command, report: &mut Report) -> Result<()> {
    match command {
        Command::Sockets(crowd) => {
            let (server, mut people) = cheap(target).await?;
            sockets::run(&server, &mut people, crowd, report).await
        }
        Command::Lines(crowd) => lines::run(target, crowd, report).await,
        Command::SocketIo { crowd, seconds } => socketio::run(target, crowd, seconds, report).await,
        Command::Peers(options) => peers::run(target, &options, report).await,
        Command::Rooms(options) => rooms::run(target, &options, report).await,
        Command::Ends(options) => ends::run(target, &options, report).await,
        Command::Growth(options) => growth::run(target, &options, report).await,
        Command::Floor => floor::run(),
        Command::Echo { seconds } => {
            let (server, mut people) = cheap(target).await?;
            echo::run(&server, &mut people, seconds, report).await
        }
        Command::Revoke(crowd) => {
            let (server, mut people) = cheap(target).await?;
            revoke::run(&server, &mut people, crowd, report).await
        }
        Command::Http { seconds } => {
            let (server, mut people) = cheap(target).await?;
            requests::run(&server, &mut people, seconds, report).await
        }
        Command::Backend { number, seconds } => {
            let (server, mut people) = cheap(target).await?;
            backend::run(&server, target, &mut people, (number, seconds), report).await
        }
        Command::Accounts { seconds, beside } => accounts::run(target, &beside, seconds, report).await,
        Command::Rolling(rolling) => rolling::run(target, &rolling, report).await,
        Command::Soak(options) => soak::run(target, &options, report).await,
        Command::Storm { cost, seconds, in_flight } => {
            storm::run(target, cost, seconds, in_flight, report).await
        }
        Command::Strangers { number } => {
            let (server, mut people) = cheap(target).await?;
            hostile::strangers(&server, &mut people, number, report).await
        }
        Command::Stalled { number, seconds } => hostile::flood(target, number, seconds, false, report).await,
        Command::Flood { number, seconds } => hostile::flood(target, number, seconds, true, report).await,
        Command::Attack(options) => attack::run(target, &options, report).await,
        Command::Timing { number, runs, windows, seed } => {
            timing::run(target, (number, runs, windows), seed, report).await
        }
        Command::All => all(target, report).await,
    }
}

/// Four commands share one set of logins. `revoke` is the last of them, because it revokes logins.
async fn all(target: &Target, report: &mut Report) -> Result<()> {
    let crowd = Crowd { number: 10_000, users: 1_000 };
    {
        let (server, mut people) = cheap(target).await?;
        sockets::run(&server, &mut people, crowd, report).await?;
        echo::run(&server, &mut people, 5, report).await?;
        requests::run(&server, &mut people, 5, report).await?;
        revoke::run(&server, &mut people, crowd, report).await?;
    }
    {
        let (server, mut people) = cheap(target).await?;
        hostile::strangers(&server, &mut people, 10_000, report).await?;
    }
    lines::run(target, Crowd { number: 5_000, users: 1_000 }, report).await?;
    hostile::flood(target, 50, 12, false, report).await?;
    hostile::flood(target, 10, 8, true, report).await?;
    socketio::run(target, crowd, 3, report).await?;
    storm::run(target, 12, 15, storm::in_flight(), report).await
}

async fn cheap(target: &Target) -> Result<(Server, People)> {
    let server = Server::start(target, &CHEAP).await?;
    let people = People::new(server.address());
    Ok((server, people))
}

/// The default is often 1,024. The server inherits the limit.
fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
