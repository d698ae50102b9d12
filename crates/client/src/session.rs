//! A session that looks after itself: it opens, and opens again after a loss.

use std::collections::VecDeque;
use std::future::pending;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::backoff::{Backoff, STEADY, random_fraction};
use crate::close::Reconnect;
use crate::connector::{Connector, Opened};
use crate::error::Error;
use crate::message::Message;
use crate::open_session::{OpenSession, Step};
use crate::rooms::{Notice, Post, RoomLeft, RoomMessage, Rooms, Source, TokenProvider, Wanted};

/// A server that asks for more patience than this is given up.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// What happened to a [`Session`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A message of the server. `welcome` is the first one of each connection; from then on messages can be sent.
    Message(Message),
    /// A message to a room that was joined, or to this user.
    RoomMessage(RoomMessage),
    /// The session is not in a room any more, and has not asked for that.
    RoomLeft(RoomLeft),
    /// The access token expires soon, and there is no newer one. The server closes the connection when it expires.
    NotRenewed(Error),
    /// There is no connection: it was closed or lost, or an attempt failed. The next call of [`Session::next`] tries again
    /// after `retry_in`. A request without a reply may have been carried out or not; it is not sent again.
    Disconnected {
        /// Why.
        error: Error,
        /// The time until the next attempt.
        retry_in: Duration,
    },
    /// The session is over, and [`Session::next`] returns `None` from now on. [`Error::Closed`] if the server ended it.
    Ended(Error),
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Message(message) => Self::Message(message),
            Notice::RoomMessage(message) => Self::RoomMessage(message),
            Notice::RoomLeft(left) => Self::RoomLeft(left),
        }
    }
}

/// A live session with the server. It works while [`Session::next`] is awaited: it connects, answers the server's pings,
/// renews the access token before it expires, and connects again after a loss, as the server's
/// [`CloseReason`](crate::CloseReason) says and after a random, growing delay. Then it joins its rooms again. After ten attempts in a row it gives up. A
/// server that was never reached is not tried again, because the address is probably wrong.
///
/// Dropping a session closes its connection; [`Session::close`] does so in order. Neither signs out.
pub struct Session {
    connector: Arc<Connector>,
    state: State,
    backoff: Backoff,
    /// Whether the server has ever sent `welcome`.
    was_welcomed: bool,
    rooms: Rooms,
    /// Room tokens that are being fetched, for requests on this connection.
    fetching: FuturesUnordered<BoxFuture<'static, (Wanted, Option<String>)>>,
    /// What has happened, and was not handed out yet.
    notices: VecDeque<Notice>,
}

enum State {
    Waiting { until: Instant, renew: bool },
    Opening(BoxFuture<'static, Result<Opened, Error>>),
    Open(Box<OpenSession>),
    Ended,
}

impl Session {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        let state = State::Waiting { until: Instant::now(), renew: false };
        Self {
            connector,
            state,
            backoff: Backoff::default(),
            was_welcomed: false,
            rooms: Rooms::default(),
            fetching: FuturesUnordered::new(),
            notices: VecDeque::new(),
        }
    }

    /// What happens next; `None` after [`Event::Ended`]. Cancel-safe: it may be a branch of `tokio::select!`.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Some(notice.into());
            }
            match &mut self.state {
                State::Ended => return None,
                State::Waiting { until, renew } => {
                    sleep_until(*until).await;
                    self.state = State::Opening(Box::pin(open(Arc::clone(&self.connector), *renew)));
                }
                State::Opening(opening) => match opening.await {
                    Ok(opened) => self.state = State::Open(Box::new(OpenSession::new(opened))),
                    Err(error) => return Some(self.disconnect(error)),
                },
                State::Open(session) => {
                    self.fetching.extend(self.rooms.take_wanted().into_iter().map(Wanted::fetch));
                    let step = tokio::select! {
                        step = session.next(&self.connector) => step,
                        Some((wanted, token)) = self.fetching.next() => {
                            let (now, notices) = (Instant::now(), &mut self.notices);
                            let request = self.rooms.fetched(wanted, token, now, random_fraction, notices);
                            send_own(session, request.into_iter().collect());
                            continue;
                        }
                        () = at(self.rooms.retry_at()) => {
                            send_own(session, self.rooms.retry());
                            continue;
                        }
                    };
                    return Some(match step {
                        Step::Message(message) => {
                            self.was_welcomed |= session.id().is_some();
                            if message.kind() == "welcome" {
                                send_own(session, self.rooms.connected());
                            }
                            self.rooms.receive(message, Instant::now(), random_fraction, &mut self.notices);
                            continue;
                        }
                        Step::NotRenewed(error) => Event::NotRenewed(error),
                        Step::Ended(error) => self.disconnect(error),
                    });
                }
            }
        }
    }

    /// Sends a message; it has to be a JSON object with a `type`. It is queued, and written while [`Session::next`] is
    /// awaited or not.
    ///
    /// # Errors
    /// [`Error::NotConnected`] before `welcome` and between connections, [`Error::QueueFull`] if 128 messages wait because
    /// the server does not read them, [`Error::NotJson`] if serializing fails.
    pub fn send<T: Serialize + ?Sized>(&mut self, message: &T) -> Result<(), Error> {
        self.send_text(serde_json::to_string(message).map_err(|error| Error::NotJson(error.to_string()))?)
    }

    /// Sends the text of a JSON object as it is.
    ///
    /// # Errors
    /// Those of [`Session::send`], but for the last.
    pub fn send_text(&mut self, text: impl Into<String>) -> Result<(), Error> {
        match &self.state {
            State::Open(session) => session.send(text.into()),
            _ => Err(Error::NotConnected),
        }
    }

    /// Asks to join a room. The reply is a [`Message`] of the type `joined`, or `error`; once it has come, the room is joined
    /// again on each further connection, until the session leaves it or [`Event::RoomLeft`] says otherwise.
    ///
    /// Answers the request's id, for [`Message::answers`].
    ///
    /// # Errors
    /// Those of [`Session::send`].
    pub fn join(&mut self, room: &str) -> Result<String, Error> {
        let id = self.rooms.next_id();
        self.send(&json!({"type": "join", "id": id, "room": room}))?;
        Ok(id)
    }

    /// The same with a room token of the application's backend, which is brought again on each further connection. If it has
    /// expired then, [`Event::RoomLeft`] says so.
    ///
    /// # Errors
    /// Those of [`Session::send`].
    pub fn join_with_token(&mut self, room: &str, token: impl Into<String>) -> Result<String, Error> {
        self.set_room_token(room, token);
        self.join_by_token(room)
    }

    /// The same with a provider that gives the session a token for each join, and a newer one when the last is about to
    /// expire: so the session stays in the room as long as the provider gives any. The request is sent once there is a token,
    /// while [`Session::next`] is awaited; if there is none, [`Event::RoomLeft`] comes with the code `no_token`.
    ///
    /// # Errors
    /// Those of [`Session::send`].
    pub fn join_with_provider(&mut self, room: &str, provider: TokenProvider) -> Result<String, Error> {
        if self.id().is_none() {
            return Err(Error::NotConnected);
        }
        self.rooms.set_token(room, Source::Provider(provider));
        self.join_by_token(room)
    }

    /// Notes the token for a room that is joined, or about to be, by a request that the program has made itself: it is
    /// brought again on each further connection.
    pub fn set_room_token(&mut self, room: &str, token: impl Into<String>) {
        self.rooms.set_token(room, Source::Fixed(token.into()));
    }

    fn join_by_token(&mut self, room: &str) -> Result<String, Error> {
        let (id, request) = self.rooms.join_by_token(room);
        if let Some(request) = request {
            self.send_text(request)?;
        }
        Ok(id)
    }

    /// [`Session::join`] with up to 100 rooms. The reply `joined` has an outcome for each, in the list `rooms`.
    ///
    /// # Errors
    /// Those of [`Session::send`].
    pub fn join_all<'a>(&mut self, rooms: impl IntoIterator<Item = &'a str>) -> Result<String, Error> {
        let id = self.rooms.next_id();
        let rooms: Vec<_> = rooms.into_iter().map(|room| json!({ "room": room })).collect();
        self.send(&json!({"type": "join", "id": id, "rooms": rooms}))?;
        Ok(id)
    }

    /// Asks to leave a room. It is not joined again, even if the connection is lost before the reply `left`.
    ///
    /// # Errors
    /// Those of [`Session::send`]. The room is forgotten all the same.
    pub fn leave(&mut self, room: &str) -> Result<String, Error> {
        let id = self.rooms.leave(room);
        self.send(&json!({"type": "leave", "id": id, "room": room}))?;
        Ok(id)
    }

    /// Sends to a room or to a user. The reply is a [`Message`] of the type `sent`, or `error`.
    ///
    /// # Errors
    /// Those of [`Session::send`].
    pub fn post<T: Serialize + ?Sized>(&mut self, post: &Post<'_, T>) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Request<'a, T: ?Sized> {
            r#type: &'static str,
            id: &'a str,
            #[serde(flatten)]
            post: &'a Post<'a, T>,
        }
        let id = self.rooms.next_id();
        self.send(&Request { r#type: "send", id: &id, post })?;
        Ok(id)
    }

    /// Asks the server for the rooms that this session has joined. The reply `rooms` has them in a list of this name.
    ///
    /// # Errors
    /// Those of [`Session::send`].
    pub fn list_rooms(&mut self) -> Result<String, Error> {
        let id = self.rooms.next_id();
        self.send(&json!({"type": "rooms", "id": id}))?;
        Ok(id)
    }

    /// The rooms that are joined, and joined again on the next connection, as far as the session knows.
    pub fn joined_rooms(&self) -> impl Iterator<Item = &str> {
        self.rooms.joined()
    }

    /// The server's id of the current connection, as in its lists of sessions; `None` while messages cannot be sent.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.state {
            State::Open(session) => session.id(),
            _ => None,
        }
    }

    /// Closes the connection in order, which takes up to a second.
    pub async fn close(self) {
        if let State::Open(session) = self.state {
            session.close().await;
        }
    }

    /// Leaves the connection behind, if there was one, and decides about another attempt.
    fn disconnect(&mut self, error: Error) -> Event {
        self.fetching.clear();
        if let State::Open(session) = mem::replace(&mut self.state, State::Ended) {
            if session.id().is_some() && session.age() >= STEADY {
                self.backoff.reset();
            }
            tokio::spawn(session.close());
        }
        let renew = matches!(&error, Error::Closed(reason) if reason.reconnect == Reconnect::NewToken);
        let Some(delay) = self.delay(&error, renew) else { return Event::Ended(error) };
        self.state = State::Waiting { until: Instant::now() + delay, renew };
        Event::Disconnected { error, retry_in: delay }
    }

    /// The time until the next attempt, if there is to be one.
    fn delay(&mut self, error: &Error, renew: bool) -> Option<Duration> {
        let wait = match error {
            Error::Busy { retry_after, .. } if *retry_after > LONGEST_WAIT => return None,
            Error::Busy { retry_after, .. } => *retry_after,
            error if error.is_temporary() && self.was_welcomed => Duration::ZERO,
            _ => return None,
        };
        let fraction = random_fraction();
        let delay =
            if renew { self.backoff.delay_unless_first(fraction) } else { self.backoff.delay(fraction) };
        // Added, so that clients which were told the same do not return together.
        delay.map(|delay| delay + wait)
    }
}

/// Sends what the session asks by itself. If the server does not read it, the connection ends soon.
fn send_own(session: &OpenSession, requests: Vec<String>) {
    for request in requests {
        let _ = session.send(request);
    }
}

/// Waits until then; for ever if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Opens a connection, with a newer token if the current one has expired.
async fn open(connector: Arc<Connector>, renew: bool) -> Result<Opened, Error> {
    // Without an answer another token is fetched when the server refuses this one.
    if renew && let Err(error @ (Error::Refused(_) | Error::InvalidToken)) = connector.renew_current().await {
        return Err(error);
    }
    connector.open().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_move_to_another_thread() {
        const fn is_send<T: Send>() {}
        is_send::<Session>();
        is_send::<Event>();
    }
}
