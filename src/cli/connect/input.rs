//! Standard input and signals.

use std::io::BufRead;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

pub enum Typed {
    Line(String),
    End,
}

pub struct Input {
    /// Holds one line: the next is read when this one was taken.
    pub lines: mpsc::Receiver<Typed>,
    sender: mpsc::Sender<Typed>,
    pub signals: Signals,
    /// Whether a user edits lines at a terminal.
    pub is_interactive: bool,
}

impl Input {
    pub fn new(is_interactive: bool, signals: Signals) -> Self {
        let (sender, lines) = mpsc::channel(1);
        Self { lines, sender, signals, is_interactive }
    }

    pub fn sender(&self) -> mpsc::Sender<Typed> {
        self.sender.clone()
    }

    /// Starts to read standard input, one command per line.
    pub fn read_lines(&self) {
        let sender = self.sender();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(Typed::Line(line)).is_err() {
                    return;
                }
            }
            let _ = sender.blocking_send(Typed::End);
        });
    }
}

/// The signals that would end the process at once; there may be a login to revoke first.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal; returns the exit code by which shells know it.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hangup.recv() => 129,
        }
    }
}
