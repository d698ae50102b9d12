//! nginx, for the examples of the manual that run behind it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::time::{PATIENCE, now, pause};

/// nginx in the foreground, with the `nginx.conf` of its directory; stopped when it is dropped.
pub struct Nginx(Child);

impl Nginx {
    pub async fn start(program: &Path, dir: &Path, address: SocketAddr) -> Self {
        // Ended with the thread of its test, whatever becomes of that.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program)
            .args(["-e", "stderr", "-p", ".", "-c", "nginx.conf", "-g", "daemon off;"])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self(child);
        let deadline = now() + PATIENCE;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let ended = nginx.0.try_wait().unwrap().is_some();
            assert!(!ended && now() < deadline, "nginx does not listen");
            pause().await;
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Not killed: its workers would live on.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::TERM,
        );
        let _ = self.0.wait();
    }
}
