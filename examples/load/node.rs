//! The Node.js server of Socket.IO, for comparison: `node-socketio/server.mjs`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::server::{Server, pinned};
use crate::{Result, Target};

const FOLDER: &str = "examples/load/node-socketio";

/// Starts it, and returns the version of Node.js; `None` if either is missing. It accepts access tokens of `doorward`.
pub async fn start(target: &Target, doorward: SocketAddr) -> Result<Option<(String, Server)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let Ok(version) = Command::new("node").arg("--version").output() else {
        eprintln!("... no comparison: there is no `node`");
        return Ok(None);
    };
    if !folder.join("node_modules/socket.io").exists() {
        eprintln!("... no comparison: run `npm ci --prefix {FOLDER}` first");
        return Ok(None);
    }
    let mut command = pinned(target, Path::new("node"));
    command
        .arg(folder.join("server.mjs"))
        .arg(format!("http://{doorward}/.well-known/jwks.json"))
        .env("NODE_ENV", "production");
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    Ok(Some((version, Server::start_other(command).await?)))
}
