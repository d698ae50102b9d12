//! nginx and haproxy as processes of a test's own, with the configurations of `deploy/`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use actix_web::rt;
use tokio::net::{TcpListener, TcpSocket};

use crate::support::app::TestApp;
use crate::support::programs::{self, Needs};
use crate::support::time::{PATIENCE, now, pause};

/// A balancer of the machine's own, ended when it is dropped.
pub struct Balancer {
    process: Child,
    pub http: SocketAddr,
    pub tcp: SocketAddr,
    dir: tempfile::TempDir,
}

impl Balancer {
    /// nginx with `deploy/nginx.conf`.
    pub async fn nginx(nodes: &[TestApp; 2]) -> Option<Self> {
        programs::command("setpriv", Needs::Apt("util-linux"))?;
        let program = programs::nginx()?;
        let dir = directory();
        let mut config = shipped("nginx.conf", nodes);
        // Where it may write: this directory instead of the system's.
        for (theirs, ours) in [("/run/nginx.pid", "pid"), ("/var/log/nginx/", "")] {
            config = replace(&config, theirs, &dir.path().join(ours).display().to_string());
        }
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let ours = format!("http {{\n    {kind}_temp_path {};\n", dir.path().join(kind).display());
            config = replace(&config, "http {\n", &ours);
        }
        Some(Self::start(&program, &["-g", "daemon off;", "-c"], dir, config, ["listen ", ";"]).await)
    }

    /// The same with `deploy/haproxy.cfg`.
    pub async fn haproxy(nodes: &[TestApp; 2]) -> Option<Self> {
        programs::command("setpriv", Needs::Apt("util-linux"))?;
        let program = programs::command("haproxy", Needs::Apt("haproxy"))?;
        let mut config = shipped("haproxy.cfg", nodes);
        // Only root can change to these.
        for line in ["    user haproxy\n", "    group haproxy\n", "    chroot /var/lib/haproxy\n"] {
            config = replace(&config, line, "");
        }
        Some(Self::start(&program, &["-db", "-f"], directory(), config, ["bind :", "\n"]).await)
    }

    pub async fn start(
        program: &Path,
        arguments: &[&str],
        dir: tempfile::TempDir,
        mut config: String,
        [before, after]: [&str; 2],
    ) -> Self {
        let (http, tcp) = (free_address(), free_address());
        for (port, address) in [("80", http), ("12225", tcp)] {
            let ours = format!("{}{address}{after}", before.trim_end_matches(':'));
            config = replace(&config, &format!("{before}{port}{after}"), &ours);
        }
        let file = dir.path().join("config");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(dir.path().join("output")).unwrap();
        // Ended with the thread of its test, whatever becomes of that.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program)
            .args(arguments)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut balancer = Self { process, http, tcp, dir };
        let deadline = now() + PATIENCE;
        while tokio::net::TcpStream::connect(http).await.is_err() {
            let ended = balancer.process.try_wait().unwrap().is_some();
            assert!(!ended && now() < deadline, "it does not listen: {}", balancer.log());
            pause().await;
        }
        balancer
    }

    /// All that it wrote.
    pub fn log(&self) -> String {
        let names = ["output", "error.log", "access.log"];
        let texts = names.map(|name| std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default());
        texts.concat()
    }

    /// A relay from another address of this machine: a client that connects there comes from `address`.
    pub async fn from(&self, address: IpAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (here, there) = (listener.local_addr().unwrap(), self.http);
        rt::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                rt::spawn(async move {
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.bind(SocketAddr::new(address, 0)).unwrap();
                    if let Ok(mut server) = socket.connect(there).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        here
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Not killed: nginx's workers would live on.
        if let Ok(None) = self.process.try_wait() {
            let pid = rustix::process::Pid::from_child(&self.process);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// For the workers as well, which are no root.
pub fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

/// What of the text must be there.
#[track_caller]
pub fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in it any more");
    text.replace(from, to)
}

/// A shipped file with these nodes instead of its three.
pub fn shipped(name: &str, nodes: &[TestApp; 2]) -> String {
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "deploy", name].iter().collect();
    let text = std::fs::read_to_string(file).unwrap();
    let mut text: String = text.split_inclusive('\n').filter(|line| !line.contains("doorward-3:")).collect();
    for (number, node) in (1..).zip(nodes) {
        text = replace(&text, &format!("doorward-{number}:8080"), &node.address.to_string());
        text = replace(&text, &format!("doorward-{number}:12225"), &node.tcp.to_string());
    }
    text
}

pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn home(number: u8) -> IpAddr {
    IpAddr::from([127, 0, 7, number])
}
