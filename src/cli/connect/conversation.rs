//! One run of `doorward connect`: what the server sends and what the user types, until one of them ends it.

use std::time::Duration;

use doorward_client::{Error, Event, Message, Reconnect, RoomLeft, RoomMessage, Sender, Session};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::command::{self, Command, HELP};
use super::completion::Completion;
use super::input::{Input, Typed};
use super::names::Names;
use super::print::{View, escape};
use super::requests::Requests;
use super::screen::Screen;
use super::terminal;

/// While this many requests wait for a reply, no further ones are read.
const MAX_PENDING: usize = 64;

/// How long the replies to a script's last requests are awaited.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How a run ended.
pub enum End {
    /// The user, or the end of a script, asked for it.
    User,
    Signal(u8),
    /// The session is over.
    Session(Error),
    /// A line of a script that is not a command.
    BadLine(String),
    /// A script has ended, and requests of it have no reply.
    Unanswered,
}

pub struct Conversation {
    pub screen: Screen,
    pub input: Input,
    /// Whether the server has ever sent `welcome`; from then on input is read.
    pub begun: bool,
    /// How many requests of a script were lost with their connection.
    pub unanswered: usize,
    requests: Requests,
    line: u64,
    input_ended: bool,
    /// When the replies to a script's last requests are given up.
    deadline: Option<Instant>,
    /// Whether `watch` was sent: it is sent again on each further connection.
    watching: bool,
    /// Users who have written.
    names: Names,
    completion: Completion,
}

impl Conversation {
    pub fn new(screen: Screen, input: Input) -> Self {
        Self {
            screen,
            input,
            begun: false,
            unanswered: 0,
            requests: Requests::default(),
            line: 0,
            input_ended: false,
            deadline: None,
            watching: false,
            names: Names::default(),
            completion: Completion::default(),
        }
    }

    pub async fn run(&mut self, session: &mut Session) -> End {
        loop {
            // A script's lines wait for a connection.
            let is_connected = session.id().is_some();
            let reads_input = !self.input_ended && self.requests.len() < MAX_PENDING;
            let reads_input = reads_input && (is_connected || self.input.is_interactive);
            let deadline = self.deadline.unwrap_or_else(Instant::now);
            let step = tokio::select! {
                Some(event) = session.next() => self.handle(session, event),
                Some(typed) = self.input.lines.recv(), if reads_input => self.obey(session, typed),
                code = self.input.signals.next() => Err(End::Signal(code)),
                () = sleep_until(deadline), if self.deadline.is_some() => Err(End::Unanswered),
            };
            if let Err(end) = step.and_then(|()| self.check_for_end(session)) {
                return self.finish(end);
            }
        }
    }

    /// A script has ended when all of its requests are answered.
    fn check_for_end(&mut self, session: &Session) -> Result<(), End> {
        if self.input_ended && session.id().is_some() {
            if self.requests.is_empty() {
                return Err(End::User);
            }
            self.deadline.get_or_insert_with(|| Instant::now() + REPLY_TIMEOUT);
        }
        Ok(())
    }

    /// Accounts for the requests that are still without a reply.
    fn finish(&mut self, end: End) -> End {
        let lost = self.requests.forget();
        if !matches!(end, End::User) && !self.input.is_interactive {
            self.unanswered += lost;
        }
        match end {
            End::User | End::Unanswered if self.unanswered > 0 => End::Unanswered,
            End::User | End::Unanswered => End::User,
            end => {
                self.note_lost(lost);
                end
            }
        }
    }

    fn note_lost(&self, lost: usize) {
        if lost > 0 {
            self.screen.note(&format!("requests without an answer: {lost}"));
        }
    }

    fn handle(&mut self, session: &mut Session, event: Event) -> Result<(), End> {
        match event {
            Event::Message(message) => self.receive(session, &message),
            Event::RoomMessage(message) => self.hear(session, &message),
            Event::RoomLeft(left) => self.leave_room(session, &left),
            Event::NotRenewed(Error::InvalidToken) => {
                self.screen
                    .note("the access token expires soon, and there is no refresh token to renew it with");
                Ok(())
            }
            Event::NotRenewed(error) => {
                self.screen
                    .note(&format!("the access token was not renewed: {}", escape(&error.to_string())));
                Ok(())
            }
            Event::Disconnected { error, retry_in } => self.disconnect(&error, retry_in),
            // A script that has ended needs no other connection.
            Event::Ended(error) if self.input_ended && error.is_temporary() => Err(End::Unanswered),
            Event::Ended(error) => Err(End::Session(error)),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, session: &mut Session, message: &Message) -> Result<(), End> {
        if message.kind().is_empty() && !message.as_value().is_object() {
            self.screen.note("the server sent something that is not a message");
            return Ok(());
        }
        if message.kind() == "welcome" && self.watching {
            // A failure shows as the end of the connection.
            let _ = session.send(&json!({"type": "watch_sessions"}));
        }
        let took = self.requests.answer(message);
        let is_goodbye = message.close_reason().is_some();
        // At a terminal the end is told in other words, once it is known what follows.
        if !is_goodbye || self.screen.is_json() {
            let view = View { took, session: session.id().unwrap_or_default(), ..View::default() };
            self.screen.message(message.as_str(), message.as_value(), view).map_err(|_| End::User)?;
        }
        if ["joined", "left"].contains(&message.kind()) {
            self.completion.set_rooms(session.joined_rooms());
        }
        if !is_goodbye && session.id().is_some() && !self.begun {
            self.begin();
        }
        Ok(())
    }

    fn hear(&mut self, session: &mut Session, message: &RoomMessage) -> Result<(), End> {
        if let Sender::User { id, username } = message.sender() {
            self.names.add(id, username);
            self.completion.set_names(&self.names);
        }
        self.receive(session, message.message())
    }

    fn leave_room(&mut self, session: &mut Session, left: &RoomLeft) -> Result<(), End> {
        self.completion.set_rooms(session.joined_rooms());
        match left.message() {
            Some(message) => self.receive(session, message),
            // The reply before has told it.
            None => Ok(()),
        }
    }

    /// Starts to read input, now that the user is signed in.
    fn begin(&mut self) {
        self.begun = true;
        if self.input.is_interactive
            && let Ok(editor) = terminal::start(self.input.sender(), self.completion.clone())
        {
            self.screen.edit(editor);
            self.screen.note("`help` lists the commands, Ctrl-D ends it.");
        } else {
            self.input.read_lines();
        }
    }

    fn disconnect(&mut self, error: &Error, retry_in: Duration) -> Result<(), End> {
        if self.input_ended {
            return Err(End::Unanswered);
        }
        let lost = self.requests.forget();
        if !self.input.is_interactive {
            self.unanswered += lost;
        }
        self.note_lost(lost);
        let renews = matches!(error, Error::Closed(reason) if reason.reconnect == Reconnect::NewToken);
        if !renews {
            let why = escape(&reason(error));
            self.screen.note(&format!("{why}; trying again in {:.1} s", retry_in.as_secs_f64()));
        }
        Ok(())
    }

    fn obey(&mut self, session: &mut Session, typed: Typed) -> Result<(), End> {
        let Typed::Line(line) = typed else { return self.end_of_input() };
        if session.id().is_none() {
            if !line.trim().is_empty() {
                self.screen.note("not connected now, nothing was sent");
            }
            return Ok(());
        }
        self.line += 1;
        match command::parse(&line, self.line, &self.names) {
            Ok(Command::Nothing) => {}
            Ok(Command::Quit) => return self.end_of_input(),
            Ok(Command::Help) => self.screen.note(HELP),
            Ok(Command::Send(request)) => {
                self.watching |= request.watches;
                if let Some((room, token)) = &request.token {
                    session.set_room_token(room, token.as_str());
                }
                // Counted also if it was not sent: then it stays without a reply.
                let _ = session.send_text(request.text.as_str());
                self.requests.add(request);
            }
            Err(hint) if self.input.is_interactive => self.screen.note(&hint),
            Err(hint) => return Err(End::BadLine(format!("line {}: {hint}", self.line))),
        }
        Ok(())
    }

    fn end_of_input(&mut self) -> Result<(), End> {
        self.input_ended = true;
        // A script is given its answers.
        if self.input.is_interactive { Err(End::User) } else { Ok(()) }
    }
}

/// The cause without its code, which means nothing to the user.
pub fn reason(error: &Error) -> String {
    match error {
        Error::Closed(reason) => reason.reason.clone(),
        error => error.to_string(),
    }
}
