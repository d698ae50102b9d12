//! The nodes of the cluster, which share a database and Redis.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::rc::Rc;
use std::time::Instant;

use tempfile::TempDir;

use crate::figures::ms;
use crate::launch::{self, lasting_port};
use crate::server::Server;
use crate::{CHEAP, Result, Target};

use super::Options;
use super::logs::LogCount;
use super::node::Node;

/// How long a token is valid: longer than a socket lives, and short, so that a node forgets revocations during the run.
const ACCESS_TTL: &str = "3m";

/// Sockets of a node: more than all of them together, as the others may be restarting.
const MAX_OPEN: &str = "3000";

pub struct Cluster<'a> {
    target: &'a Target,
    processes: Vec<Process>,
    nodes: Rc<[Node]>,
}

struct Process {
    server: Server,
    settings: Vec<(&'static str, String)>,
}

/// Runs commands of the binary on the cluster's database.
pub struct Operator {
    target: Target,
    folder: Rc<TempDir>,
    settings: Vec<(&'static str, String)>,
}

impl Operator {
    /// Runs a command; returns what it prints.
    ///
    /// # Errors
    /// It failed; the error has what it said.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(launch::binary(&self.target)?);
        launch::without_settings(&mut command);
        launch::set(&mut command, &self.target, &borrowed(&self.settings));
        command
            .env("DOORWARD_PUBLIC_URL", launch::PUBLIC_URL)
            .env("DOORWARD_DATA_DIR", self.folder.path().join("data"))
            .current_dir(self.folder.path())
            .args(arguments);
        let said = tokio::process::Command::from(command).output().await?;
        if !said.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        Ok(String::from_utf8(said.stdout)?)
    }
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(key, value)| (*key, value.as_str())).collect()
}

impl<'a> Cluster<'a> {
    pub async fn start(target: &'a Target, options: &Options) -> Result<Self> {
        let (mut processes, mut nodes) = (Vec::new(), Vec::new());
        for _ in 0..options.nodes {
            let [http, tcp] =
                [lasting_port()?, lasting_port()?].map(|port| (Ipv4Addr::LOCALHOST, port).into());
            let cheap = CHEAP.map(|(key, value)| (key, value.to_owned()));
            let own = [
                ("database.url", options.database.clone()),
                ("cluster.redis_url", options.redis.clone()),
                // Another run may use the same Redis server.
                ("cluster.prefix", format!("doorward-soak-{}", std::process::id())),
                ("tokens.access_ttl", ACCESS_TTL.to_owned()),
                // Tables whose size follows it fill up early in the run, and not at its end.
                ("sockets.max_open", MAX_OPEN.to_owned()),
                ("tcp.listen", SocketAddr::to_string(&tcp)),
                // This tool and the nodes share the machine with whatever else runs there.
                ("sockets.auth_timeout", "30s".to_owned()),
                // All sockets have one address.
                ("sockets.max_waiting_per_address", "1000".to_owned()),
                ("log.format", "json".to_owned()),
            ];
            let settings: Vec<_> = cheap.into_iter().chain(own).collect();
            let server = Server::start_at(target, &borrowed(&settings), http).await?;
            nodes.push(Node::new(server.address(), tcp, server.pid()));
            processes.push(Process { server, settings });
        }
        Ok(Self { target, processes, nodes: nodes.into() })
    }

    pub const fn nodes(&self) -> &Rc<[Node]> {
        &self.nodes
    }

    /// Runs the binary's commands beside the first node.
    pub fn operator(&self) -> Result<Operator> {
        let Process { server, settings } = &self.processes[0];
        let folder = Rc::clone(server.data().ok_or("the node is not this tool's own")?);
        Ok(Operator { target: self.target.clone(), folder, settings: settings.clone() })
    }

    pub async fn restart(&mut self, node: usize) -> Result<()> {
        let Process { server, settings } = &mut self.processes[node];
        let begun = Instant::now();
        self.nodes[node].stops();
        let start = server.restart(self.target, &borrowed(settings)).await?;
        self.nodes[node].has_started(server.pid());
        eprintln!(
            "... node {} restarted in {:.0} ms, of which its start took {:.0} ms",
            node + 1,
            ms(begun.elapsed()),
            ms(start)
        );
        Ok(())
    }

    /// What all nodes have logged.
    pub fn logs(&self) -> LogCount {
        let mut count = LogCount::default();
        for Process { server, .. } in &self.processes {
            count.read(&server.log().unwrap_or_default());
        }
        count
    }
}
