//! What is typed or piped in, and signals.

use std::io::BufRead;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

pub enum Typed {
    Line(String),
    End,
}

pub struct Input {
    /// A line is taken when the one before was.
    pub lines: mpsc::Receiver<Typed>,
    sender: mpsc::Sender<Typed>,
    pub signals: Signals,
    /// Somebody edits lines, and sees the end of a connection at once.
    pub interactive: bool,
}

impl Input {
    pub fn new(interactive: bool, signals: Signals) -> Self {
        let (sender, lines) = mpsc::channel(1);
        Self { lines, sender, signals, interactive }
    }

    pub fn sender(&self) -> mpsc::Sender<Typed> {
        self.sender.clone()
    }

    /// Starts to read standard input, a line a command.
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

/// To be told to stop, rather than stopped: there may be a login to end.
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

    /// The exit code that shells know for the next one.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hangup.recv() => 129,
        }
    }
}
