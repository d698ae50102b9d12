//! Servers of Node.js, for comparison: those of `examples/load/node`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::launch::pinned;
use crate::server::Server;
use crate::{Result, Target};

const FOLDER: &str = "examples/load/node";

/// Starts one, and returns the version of Node.js; `None` if Node.js or its packages are missing. It accepts access
/// tokens of `doorward`.
pub async fn start(target: &Target, doorward: SocketAddr, program: &str) -> Result<Option<(String, Server)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let Ok(version) = Command::new("node").arg("--version").output() else {
        eprintln!("... no comparison with {program}: there is no `node`");
        return Ok(None);
    };
    if !["socket.io", "ws"].iter().all(|package| folder.join("node_modules").join(package).exists()) {
        eprintln!("... no comparison with {program}: run `npm ci --prefix {FOLDER}` first");
        return Ok(None);
    }
    let mut command = pinned(target, Path::new("node"));
    command
        .arg(folder.join(program))
        .arg(format!("http://{doorward}/.well-known/jwks.json"))
        .env("NODE_ENV", "production");
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    Ok(Some((version, Server::start_other(command).await?)))
}
