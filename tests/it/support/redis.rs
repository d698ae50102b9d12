//! A Redis of a test's own, on 127.0.0.1, which ends with the process that started it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::support::programs::{self, Needs};

const PASSWORD: &str = "r3dis";

pub struct Redis {
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Redis {
    /// None if it is not installed.
    pub fn start() -> Option<Self> {
        programs::command("setpriv", Needs::Apt("util-linux"))?;
        programs::command("redis-server", Needs::Apt("redis-server"))?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let redis = Self { port, process: Mutex::default() };
        redis.run();
        Some(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Runs again after [`Redis::kill`], empty.
    pub fn run(&self) {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "redis-server", "--bind", "127.0.0.1", "--port"])
            .arg(self.port.to_string())
            .args(["--save", "", "--appendonly", "no", "--requirepass", PASSWORD])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        *self.process.lock().unwrap() = Some(programs::start(command));
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("Redis does not answer");
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let process = self.process.lock().unwrap();
        let pid = rustix::process::Pid::from_child(process.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
