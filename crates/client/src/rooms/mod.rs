//! The rooms of a session: those that it has joined, and joins again on its next connection. A state machine: it does
//! no I/O, and the time and randomness are handed in.

mod message;
mod post;
mod tokens;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::close::Reconnect;
use crate::message::Message;

pub use message::{RoomLeft, RoomMessage, Sender};
pub use post::Post;
pub use tokens::TokenProvider;
pub(crate) use tokens::{Source, Wanted};

use tokens::{Purpose, Tokens};

/// Rooms in one request.
const AT_ONCE: usize = 100;

/// Bytes of their tokens: a server takes messages of 64 KiB, if it is not configured otherwise.
const TOKENS_AT_ONCE: usize = 32 * 1024;

/// Codes of errors after which a room may be joined a little later. It may be full of the sessions of a lost connection.
const TEMPORARY: [&str; 3] = ["unavailable", "too_many_requests", "room_full"];

/// The delay once the growing ones are used up.
const LONGEST: Duration = Duration::from_secs(30);

/// What a message is to the program.
#[derive(Debug)]
pub(crate) enum Notice {
    Message(Message),
    RoomMessage(RoomMessage),
    RoomLeft(RoomLeft),
}

#[derive(Default)]
pub(crate) struct Rooms {
    joined: BTreeSet<String>,
    /// Those of them that the server has to be asked for again, at `retry_at`.
    waiting: BTreeSet<String>,
    retry_at: Option<Instant>,
    backoff: Backoff,
    /// Those that the program was told of: not again at each attempt.
    told: BTreeSet<String>,
    /// Requests to join again that have no reply yet, and their rooms.
    rejoining: BTreeMap<String, Vec<String>>,
    tokens: Tokens,
    /// Requests with a token that have no reply yet, other than those to join again: the room, and whether it was joined.
    brought: BTreeMap<String, (String, Purpose)>,
    /// Requests to leave that have no reply yet. What joins these rooms was sent before.
    leaving: BTreeMap<String, String>,
    requests: u64,
}

impl Rooms {
    /// A new `id` for a request.
    pub fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("rooms:{}", self.requests)
    }

    pub fn joined(&self) -> impl Iterator<Item = &str> {
        self.joined.iter().map(String::as_str)
    }

    /// The `id` for a request to leave a room. It is not joined again, whatever comes of that.
    pub fn leave(&mut self, room: &str) -> String {
        self.forget(room);
        let id = self.next_id();
        self.leaving.insert(id.clone(), room.to_owned());
        id
    }

    fn forget(&mut self, room: &str) {
        self.joined.remove(room);
        self.waiting.remove(room);
        self.told.remove(room);
        self.tokens.forget(room);
    }

    /// From now on tokens for a room come from there.
    pub fn set_token(&mut self, room: &str, source: Source) {
        self.tokens.set(room, source);
    }

    /// The `id` for a request to join a room by a token, and the request, unless the token is still to be fetched.
    pub fn join_by_token(&mut self, room: &str) -> (String, Option<String>) {
        let id = self.next_id();
        if self.tokens.want(room, &id, Purpose::First) {
            return (id, None);
        }
        let request = self.tokens.fixed(room).map(|token| bringing(&id, room, token));
        self.brought.insert(id.clone(), (room.to_owned(), Purpose::First));
        (id, request)
    }

    /// The tokens that are to be fetched, each for [`Rooms::fetched`].
    pub fn take_wanted(&mut self) -> Vec<Wanted> {
        self.tokens.take_wanted()
    }

    /// A token was fetched, or there is none. Answers the request that brings it, unless the room was left meanwhile.
    pub fn fetched(
        &mut self,
        Wanted { id, room, purpose, .. }: Wanted,
        token: Option<String>,
        now: Instant,
        random: fn() -> f64,
        notices: &mut VecDeque<Notice>,
    ) -> Option<String> {
        if !self.tokens.has_provider(&room) {
            return None;
        }
        let Some(token) = token else {
            let reason = "there is no token for this room now".to_owned();
            let (code, rejoin) = ("no_token".to_owned(), Reconnect::Backoff);
            let mut left = RoomLeft { room, code, reason, rejoin, message: None };
            match purpose {
                Purpose::Newer => self.join_later(left.room, now, random),
                Purpose::Again | Purpose::First => {
                    let is_told = self.told.contains(&left.room);
                    if !self.lose(&mut left, now, random) || !is_told {
                        notices.push_back(Notice::RoomLeft(left));
                    }
                }
            }
            return None;
        };
        let request = bringing(&id, &room, &token);
        match purpose {
            Purpose::Again => drop(self.rejoining.insert(id, vec![room])),
            Purpose::First | Purpose::Newer => drop(self.brought.insert(id, (room, purpose))),
        }
        Some(request)
    }

    /// A connection has begun: the requests that join again what was joined on the one before.
    pub fn connected(&mut self) -> Vec<String> {
        self.rejoining.clear();
        self.brought.clear();
        self.leaving.clear();
        self.tokens.keep(|room| self.joined.contains(room));
        self.waiting.clear();
        self.retry_at = None;
        self.backoff.reset();
        let all: Vec<_> = self.joined.iter().cloned().collect();
        self.join_again(&all)
    }

    /// When [`Rooms::retry`] is to be called.
    pub const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The requests that join what could not be joined before.
    pub fn retry(&mut self) -> Vec<String> {
        self.retry_at = None;
        let waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        self.join_again(&waiting)
    }

    /// Without those for which a token is to be fetched first.
    fn join_again(&mut self, rooms: &[String]) -> Vec<String> {
        let mut others = Vec::new();
        for room in rooms {
            let id = self.next_id();
            if !self.tokens.want(room, &id, Purpose::Again) {
                others.push(room.clone());
            }
        }
        let mut requests = Vec::new();
        for rooms in self.parts(others) {
            let id = self.next_id();
            let asked: Vec<_> = rooms.iter().map(|room| self.asked(room)).collect();
            self.rejoining.insert(id.clone(), rooms);
            requests.push(json!({"type": "join", "id": id, "rooms": asked}).to_string());
        }
        requests
    }

    /// As many as one request takes.
    fn parts(&self, rooms: Vec<String>) -> Vec<Vec<String>> {
        let (mut parts, mut bytes) = (Vec::<Vec<String>>::new(), 0);
        for room in rooms {
            let size = self.tokens.fixed(&room).map_or(0, str::len);
            let fits = |part: &&mut Vec<String>| part.len() < AT_ONCE && bytes + size <= TOKENS_AT_ONCE;
            if let Some(part) = parts.last_mut().filter(fits) {
                bytes += size;
                part.push(room);
            } else {
                bytes = size;
                parts.push(vec![room]);
            }
        }
        parts
    }

    fn asked(&self, room: &str) -> Value {
        match self.tokens.fixed(room) {
            Some(token) => json!({ "room": room, "token": token }),
            None => json!({ "room": room }),
        }
    }

    /// Takes note of what a message says about rooms, and adds what it is to the program.
    pub fn receive(
        &mut self,
        message: Message,
        now: Instant,
        random: fn() -> f64,
        notices: &mut VecDeque<Notice>,
    ) {
        let id = message.id().and_then(Value::as_str);
        let again = id.and_then(|id| self.rejoining.remove(id));
        let brought = id.and_then(|id| self.brought.remove(id));
        let is_forgotten = id.is_some_and(|id| self.leaving.remove(id).is_some());
        let mut lost = Vec::new();
        match message.kind() {
            "message" => {
                return notices.push_back(match RoomMessage::try_from(message) {
                    Ok(message) => Notice::RoomMessage(message),
                    Err(message) => Notice::Message(message),
                });
            }
            "left" if message["code"] == "left" => {
                // What [`Rooms::leave`] has forgotten may be about to be joined again.
                if let Some(room) = message["room"].as_str().filter(|_| !is_forgotten) {
                    self.forget(room);
                }
            }
            "left" => {
                return notices.push_back(match RoomLeft::try_from(message) {
                    Ok(mut left) => {
                        self.lose(&mut left, now, random);
                        Notice::RoomLeft(left)
                    }
                    Err(message) => Notice::Message(message),
                });
            }
            "joined" => self.note_joined(&message, again.is_some(), &mut lost),
            "expiring" => {
                if let Some(room) = message["room"].as_str().filter(|room| self.joined.contains(*room)) {
                    let id = self.next_id();
                    self.tokens.want(room, &id, Purpose::Newer);
                }
            }
            "error" if brought.is_some() => {
                self.token_refused(brought, message["code"].as_str().unwrap_or_default(), now, random);
            }
            "error" => {
                // Those that were left meanwhile are none of its concern.
                let rooms = again.unwrap_or_default().into_iter().filter(|room| self.joined.contains(room));
                lost.extend(rooms.map(|room| refused(room, message.as_value())));
            }
            _ => {}
        }
        notices.push_back(Notice::Message(message));
        for mut left in lost {
            let is_told = self.told.contains(&left.room);
            if !self.lose(&mut left, now, random) || !is_told {
                notices.push_back(Notice::RoomLeft(left));
            }
        }
    }

    /// The program reads the reply to its own request. A session that could bring no newer token stays as long as the last
    /// one lasts, and tries again if that may help.
    fn token_refused(
        &mut self,
        brought: Option<(String, Purpose)>,
        code: &str,
        now: Instant,
        random: fn() -> f64,
    ) {
        match brought {
            Some((room, _)) if !self.joined.contains(&room) => self.tokens.forget(&room),
            Some((room, Purpose::Newer)) if is_temporary(code) => self.join_later(room, now, random),
            _ => {}
        }
    }

    /// One room or several. What an application has joined by itself, it joins again by itself.
    fn note_joined(&mut self, message: &Message, again: bool, lost: &mut Vec<RoomLeft>) {
        if message["by"] == "app" {
            return;
        }
        let one = std::slice::from_ref(message.as_value());
        for outcome in message["rooms"].as_array().map_or(one, Vec::as_slice) {
            let Some(room) = outcome["room"].as_str() else { continue };
            match outcome.get("error") {
                None if self.leaving.values().any(|leaving| leaving == room) => {}
                None => {
                    self.joined.insert(room.to_owned());
                    self.told.remove(room);
                }
                Some(error) if again && self.joined.contains(room) => {
                    lost.push(refused(room.to_owned(), error));
                }
                // The program has asked for it, and reads the reply.
                Some(_) => {}
            }
        }
        if again && lost.is_empty() && self.waiting.is_empty() {
            self.backoff.reset();
        }
    }

    /// The session is not in a room any more: forgotten, or joined again a little later, if there may be another token where
    /// it needs one. Answers which. What an application has joined is not joined again from here.
    fn lose(&mut self, left: &mut RoomLeft, now: Instant, random: fn() -> f64) -> bool {
        let is_joined = self.joined.contains(&left.room);
        if left.rejoin == Reconnect::Backoff && !is_joined {
            left.rejoin = Reconnect::Never;
        }
        let again = match left.rejoin {
            Reconnect::Backoff => true,
            Reconnect::NewToken => is_joined && self.tokens.has_provider(&left.room),
            Reconnect::Never => false,
        };
        if again {
            self.told.insert(left.room.clone());
            self.join_later(left.room.clone(), now, random);
        } else {
            self.forget(&left.room);
        }
        again
    }

    fn join_later(&mut self, room: String, now: Instant, random: fn() -> f64) {
        self.waiting.insert(room);
        if self.retry_at.is_none() {
            self.retry_at = Some(now + self.backoff.delay(random()).unwrap_or(LONGEST));
        }
    }
}

fn is_temporary(code: &str) -> bool {
    TEMPORARY.contains(&code) || code == "token_expired"
}

/// A request that brings a token.
fn bringing(id: &str, room: &str, token: &str) -> String {
    json!({"type": "join", "id": id, "room": room, "token": token}).to_string()
}

/// A room that could not be joined again.
fn refused(room: String, error: &Value) -> RoomLeft {
    let code = error["code"].as_str().unwrap_or_default();
    RoomLeft {
        room,
        code: code.to_owned(),
        reason: error["detail"].as_str().unwrap_or_default().to_owned(),
        rejoin: match code {
            // There may be a newer one.
            "token_expired" => Reconnect::NewToken,
            code if TEMPORARY.contains(&code) => Reconnect::Backoff,
            _ => Reconnect::Never,
        },
        message: None,
    }
}

#[cfg(test)]
mod tests;
