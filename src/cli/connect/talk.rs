//! A session from its opening to its end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Renewal;
use super::command::{self, Command, HELP};
use super::input::{Input, Typed};
use super::message::{Goodbye, Next};
use super::print::View;
use super::screen::Screen;
use super::terminal;
use super::wire::{Incoming, Outgoing, PATIENCE, Wire};

/// Requests without a reply; while there are so many, no more are taken. It bounds what waits to be sent.
const MAX_PENDING: usize = 64;

/// How a session ended.
pub enum End {
    /// Whoever asked for it has had enough.
    User,
    Signal(u8),
    /// The server's word for it.
    Goodbye(Goodbye),
    Lost(String),
    /// A script says what this client does not know.
    BadLine(String),
    /// A script is over, and requests of it have no answer.
    Unanswered,
}

struct Pending {
    id: Option<Value>,
    reply: &'static str,
    since: Instant,
}

/// What is known across sessions.
pub struct Talk {
    pub screen: Screen,
    pub input: Input,
    /// Whether a session was in, ever: then somebody is listened to.
    pub begun: bool,
    line: u64,
    input_ended: bool,
    /// How many requests were lost with their session.
    pub unanswered: usize,
    /// `watch` was asked for: in each further session it is again.
    watching: bool,
}

/// What is known of one session.
struct Session<'a> {
    wire: &'a mut Wire,
    id: Option<String>,
    heartbeat: Duration,
    pending: Vec<Pending>,
    heard: Instant,
    /// Until when it must be in, or answered.
    deadline: Option<Instant>,
}

/// The real time: it is a real server.
fn now() -> Instant {
    Instant::now()
}

impl Talk {
    pub fn new(screen: Screen, input: Input) -> Self {
        Self { screen, input, begun: false, line: 0, input_ended: false, unanswered: 0, watching: false }
    }

    /// Speaks until the end. Whether the session was in is the second answer.
    pub async fn run(&mut self, wire: &mut Wire, renewal: &mut impl Renewal) -> (End, bool) {
        let mut session = Session {
            wire,
            id: None,
            heartbeat: Duration::MAX,
            pending: Vec::new(),
            heard: now(),
            deadline: Some(now() + PATIENCE),
        };
        let end = loop {
            let waiting = session.pending.len();
            let timeout = session.timeout();
            let step = tokio::select! {
                incoming = session.wire.next() => match incoming {
                    Incoming::Text(text) => self.hear(&mut session, &text, renewal).await,
                    Incoming::Ping(bytes) => {
                        session.heard = now();
                        session.wire.send(Outgoing::Pong(bytes));
                        Ok(())
                    }
                    Incoming::Closed(why) => Err(End::Lost(why)),
                },
                Some(typed) = self.input.lines.recv(),
                    if session.id.is_some() && waiting < MAX_PENDING && !self.input_ended =>
                {
                    self.obey(&mut session, typed)
                }
                code = self.input.signals.next() => Err(End::Signal(code)),
                () = tokio::time::sleep_until(timeout) => Err(session.timed_out()),
            };
            if let Err(end) = step {
                break end;
            }
            if self.input_ended && session.id.is_some() {
                if session.pending.is_empty() {
                    break End::User;
                }
                session.deadline.get_or_insert_with(|| now() + PATIENCE);
            }
        };
        if !matches!(end, End::User) && !self.input.interactive {
            self.unanswered += session.pending.len();
        }
        // A script that is over needs no other session; for one that goes on, what was lost is remembered.
        let over = match &end {
            End::User | End::Unanswered => true,
            End::Lost(_) => self.input_ended,
            End::Goodbye(goodbye) => self.input_ended && goodbye.next != Next::Never,
            _ => false,
        };
        if over && session.id.is_some() && self.unanswered > 0 {
            return (End::Unanswered, true);
        }
        if !over && !session.pending.is_empty() {
            self.screen.note(&format!("requests without an answer: {}", session.pending.len()));
        }
        let end = if over { End::User } else { end };
        (end, session.id.is_some())
    }

    async fn hear(
        &mut self,
        session: &mut Session<'_>,
        text: &str,
        renewal: &mut impl Renewal,
    ) -> Result<(), End> {
        session.heard = now();
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        if !message.is_object() {
            self.screen.note("the server said what is no message");
            return Ok(());
        }
        if message["type"] == "welcome" && session.id.is_none() {
            session.id = Some(message["session"].as_str().unwrap_or_default().to_owned());
            session.deadline = None;
            if let Some(seconds) = message["heartbeat_s"].as_u64() {
                session.heartbeat = Duration::from_secs(seconds.clamp(1, 3600));
            }
            if self.watching {
                session.wire.send(Outgoing::Text(json!({"type": "watch_sessions"}).to_string()));
            }
        }
        let took = session.answered(&message);
        let goodbye = Goodbye::of(&message);
        let view = View { took, session: session.id.as_deref().unwrap_or_default(), ..View::default() };
        // People are told of an end in other words, when it is known what follows.
        if goodbye.is_none() || self.screen.is_json() {
            self.screen.message(text, &message, view).map_err(|_| End::User)?;
        }
        if let Some(goodbye) = goodbye {
            return Err(End::Goodbye(goodbye));
        }
        if session.id.is_some() && !self.begun {
            self.begin();
        }
        if message["type"] == "expiring" {
            match renewal.newer_token().await {
                Ok(None) => {}
                Ok(Some(token)) => {
                    session.wire.send(Outgoing::Text(json!({"type": "auth", "token": token}).to_string()));
                }
                Err(why) => self.screen.note(&why),
            }
        }
        Ok(())
    }

    /// Who it is was settled: from now on somebody is listened to.
    fn begin(&mut self) {
        self.begun = true;
        if self.input.interactive
            && let Ok(editor) = terminal::start(self.input.sender())
        {
            self.screen.edit(editor);
            self.screen.note("`help` lists the commands, Ctrl-D ends it.");
        } else {
            self.input.read_lines();
        }
    }

    fn obey(&mut self, session: &mut Session<'_>, typed: Typed) -> Result<(), End> {
        let Typed::Line(line) = typed else { return self.end_of_input() };
        self.line += 1;
        match command::parse(&line, self.line) {
            Ok(Command::Nothing) => {}
            Ok(Command::Quit) => return self.end_of_input(),
            Ok(Command::Help) => self.screen.note(HELP),
            Ok(Command::Send(request)) => {
                self.watching |= request.watches;
                session.wire.send(Outgoing::Text(request.text));
                session.pending.push(Pending { id: request.id, reply: request.reply, since: now() });
            }
            Err(hint) if self.input.interactive => self.screen.note(&hint),
            Err(hint) => return Err(End::BadLine(format!("line {}: {hint}", self.line))),
        }
        Ok(())
    }

    fn end_of_input(&mut self) -> Result<(), End> {
        self.input_ended = true;
        // A script is given its answers.
        if self.input.interactive { Err(End::User) } else { Ok(()) }
    }

    /// Between two sessions: whether it shall end, in so much time. A script's lines wait.
    pub async fn pause(&mut self, time: Duration) -> Result<(), End> {
        let until = now() + time;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                code = self.input.signals.next() => return Err(End::Signal(code)),
                Some(typed) = self.input.lines.recv(), if self.input.interactive => match typed {
                    Typed::End => return Err(End::User),
                    Typed::Line(line) if line.trim().is_empty() => {}
                    Typed::Line(_) => self.screen.note("not connected now, nothing was sent"),
                },
            }
        }
    }
}

impl Session<'_> {
    /// Strikes off the request that this answers; how long it took.
    fn answered(&mut self, message: &Value) -> Option<Duration> {
        let kind = message["type"].as_str().unwrap_or_default();
        let answers = |pending: &Pending| {
            pending.id.as_ref() == message.get("id") && (kind == pending.reply || kind == "error")
        };
        let pending = self.pending.remove(self.pending.iter().position(answers)?);
        Some(now() - pending.since)
    }

    /// A server that is there asks a silent client once a heartbeat whether it is.
    fn timeout(&self) -> Instant {
        let silence = self.heartbeat.checked_mul(2).and_then(|time| self.heard.checked_add(time + PATIENCE));
        let silence = silence.unwrap_or_else(|| self.heard + Duration::from_hours(1));
        self.deadline.map_or(silence, |deadline| deadline.min(silence))
    }

    fn timed_out(&self) -> End {
        if self.deadline.is_some() && self.id.is_some() {
            End::Unanswered
        } else {
            End::Lost("the server says nothing".to_owned())
        }
    }
}
