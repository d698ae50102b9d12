//! What a client asks of rooms, read from the arguments of its message.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Refusal;
use super::presence::PresenceWish;
use crate::domain::UserId;

/// The words of rooms, those of later versions among them: where there are rooms, no event of an application can have one of
/// these names.
pub const WORDS: [&str; 8] = ["join", "leave", "send", "rooms", "presence", "history", "read", "unread"];

/// Rooms in one `join`.
const MOST_ROOMS: usize = 100;

/// Users in one answer about who is there: without a `limit`, and at most.
const USERS: usize = 100;
const MOST_USERS: usize = 500;

/// Characters of `event` and of `key`.
const LONGEST_WORD: usize = 64;

/// `join`: one room, or several.
#[derive(Debug, PartialEq, Eq)]
pub enum JoinRequest<'a> {
    One(JoinOne<'a>),
    Several(Vec<JoinOne<'a>>),
}

/// One room to join.
#[derive(PartialEq, Eq, Deserialize)]
pub struct JoinOne<'a> {
    #[serde(borrow)]
    pub room: Cow<'a, str>,
    /// A room token, if the session brings one.
    #[serde(borrow, default)]
    pub token: Option<Cow<'a, str>>,
    /// What the session wants to be told of who is there. None leaves it as it is.
    #[serde(default)]
    pub presence: Option<PresenceWish>,
}

/// Without the token, which is a secret.
impl fmt::Debug for JoinOne<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOne")
            .field("room", &self.room)
            .field("presence", &self.presence)
            .finish_non_exhaustive()
    }
}

/// `leave`.
#[derive(Debug, PartialEq, Eq)]
pub struct LeaveRequest<'a> {
    pub room: Cow<'a, str>,
}

/// `send`: to a room, or to a user.
#[derive(Debug)]
pub struct SendRequest<'a> {
    /// The room's name; for a user that of the room `user:ID`.
    pub room: Cow<'a, str>,
    pub event: Option<Cow<'a, str>>,
    pub key: Option<Cow<'a, str>>,
    /// Any JSON value, as it was written.
    pub data: &'a RawValue,
}

/// `presence`: who is there, or what the session shows to others.
#[derive(Debug)]
pub enum PresenceRequest<'a> {
    /// Up to `limit` users after this one.
    List { room: Cow<'a, str>, after: Option<UserId>, limit: usize },
    /// Any JSON value, as it was written; `null` shows nothing.
    Set { room: Cow<'a, str>, data: &'a RawValue },
}

#[derive(Debug)]
pub enum RoomRequest<'a> {
    Join(JoinRequest<'a>),
    Leave(LeaveRequest<'a>),
    Send(SendRequest<'a>),
    Presence(PresenceRequest<'a>),
    /// `rooms`: those that the session has joined.
    List,
}

#[derive(Deserialize)]
struct OneRoom<'a> {
    #[serde(borrow)]
    room: Cow<'a, str>,
}

// Members that are missing and members of the wrong type are one error: it names what is expected.
#[derive(Deserialize)]
struct Join<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(default)]
    presence: Option<PresenceWish>,
    #[serde(borrow, default)]
    rooms: Option<Vec<JoinOne<'a>>>,
}

#[derive(Deserialize)]
struct Presence<'a> {
    #[serde(borrow)]
    room: Cow<'a, str>,
    #[serde(default)]
    after: Option<UserId>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(borrow, default, deserialize_with = "also_null")]
    set: Option<&'a RawValue>,
}

/// `null` is a value, and not the same as none.
fn also_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct Send<'a> {
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(default)]
    keep: bool,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> RoomRequest<'a> {
    /// The request of this name with these arguments: JSON values with commas between them, of which the first one counts.
    /// None if the word is none of rooms.
    ///
    /// # Errors
    /// [`Refusal`]: what is wrong with the arguments.
    #[must_use]
    pub fn read(name: &str, arguments: &'a str) -> Option<Result<Self, Refusal>> {
        Some(match name {
            "join" => join(arguments),
            "leave" => first::<OneRoom<'_>>(arguments)
                .map(|one| Self::Leave(LeaveRequest { room: one.room }))
                .ok_or(Refusal::new("bad_request", "`leave` takes `room`, a string")),
            "send" => send(arguments),
            "presence" => presence(arguments),
            "rooms" => Ok(Self::List),
            _ if WORDS.contains(&name) => {
                Err(Refusal::new("unknown_type", "this server does not know this `type` yet"))
            }
            _ => return None,
        })
    }
}

/// Whether a text may be an `event` or a `key`.
#[must_use]
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LONGEST_WORD
}

/// What follows the first value belongs to other arguments.
fn first<'a, T: Deserialize<'a>>(arguments: &'a str) -> Option<T> {
    T::deserialize(&mut serde_json::Deserializer::from_str(arguments)).ok()
}

fn join(arguments: &str) -> Result<RoomRequest<'_>, Refusal> {
    let expected = Refusal::new(
        "bad_request",
        "`join` takes `room`, a string, or `rooms`, 1 to 100 objects with `room`; with each, `token`, a string, and \
         `presence`: none, count, or full",
    );
    let read: Join<'_> = first(arguments).ok_or(expected)?;
    match (read.room, read.rooms) {
        (Some(room), None) => Ok(RoomRequest::Join(JoinRequest::One(JoinOne {
            room,
            token: read.token,
            presence: read.presence,
        }))),
        (None, Some(rooms)) if read.token.is_none() && (1..=MOST_ROOMS).contains(&rooms.len()) => {
            Ok(RoomRequest::Join(JoinRequest::Several(rooms)))
        }
        _ => Err(expected),
    }
}

fn presence(arguments: &str) -> Result<RoomRequest<'_>, Refusal> {
    let expected = Refusal::new(
        "bad_request",
        "`presence` takes `room`, a string, and `after`, a user's id, and `limit`, 1 to 500; or `room` and `set`",
    );
    let read: Presence<'_> = first(arguments).ok_or(expected)?;
    let room = read.room;
    Ok(RoomRequest::Presence(match (read.set, read.after, read.limit) {
        (Some(data), None, None) => PresenceRequest::Set { room, data },
        (None, after, None) => PresenceRequest::List { room, after, limit: USERS },
        (None, after, Some(limit)) if (1..=MOST_USERS).contains(&limit) => {
            PresenceRequest::List { room, after, limit }
        }
        _ => return Err(expected),
    }))
}

fn send(arguments: &str) -> Result<RoomRequest<'_>, Refusal> {
    let expected =
        Refusal::new("bad_request", "`send` takes `room` or `user`, a string, and `data`, any value");
    let read: Send<'_> = first(arguments).ok_or(expected)?;
    let room = match (read.room, read.user) {
        (Some(room), None) => room,
        (None, Some(user)) => format!("user:{user}").into(),
        _ => return Err(expected),
    };
    if !read.event.as_deref().is_none_or(is_word) || !read.key.as_deref().is_none_or(is_word) {
        return Err(Refusal::new("bad_request", "`event` and `key` have 1 to 64 characters"));
    }
    if read.keep {
        return Err(Refusal::new("no_history", "rooms of this kind keep no messages"));
    }
    Ok(RoomRequest::Send(SendRequest { room, event: read.event, key: read.key, data: read.data }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(name: &str, arguments: &str) -> &'static str {
        RoomRequest::read(name, arguments).unwrap().err().map_or("", |refusal| refusal.code)
    }

    #[test]
    fn requests_are_read_from_an_object_or_the_first_argument() {
        let join = RoomRequest::read("join", r#"{"type":"join","room":"chat:a","x":[1]},5"#);
        assert!(matches!(join, Some(Ok(RoomRequest::Join(JoinRequest::One(one)))) if one.room == "chat:a"));
        let several =
            RoomRequest::read("join", r#"{"rooms":[{"room":"a:b"},{"room":"a\u003ac","presence":"full"}]}"#);
        let Some(Ok(RoomRequest::Join(JoinRequest::Several(rooms)))) = several else { panic!() };
        let rooms: Vec<_> = rooms.iter().map(|one| (&*one.room, one.presence)).collect();
        assert_eq!(rooms, [("a:b", None), ("a:c", Some(PresenceWish::Full))]);
        let send = RoomRequest::read("send", r#"{"user":"7","data":{"a": [1,  2]},"event":"say"}"#);
        let Some(Ok(RoomRequest::Send(send))) = send else { panic!() };
        assert_eq!(
            (&*send.room, send.event.as_deref(), send.data.get()),
            ("user:7", Some("say"), r#"{"a": [1,  2]}"#)
        );
        for (arguments, set) in [(r#"{"room":"a:b","set":null}"#, Some("null")), (r#"{"room":"a:b"}"#, None)]
        {
            let Some(Ok(RoomRequest::Presence(read))) = RoomRequest::read("presence", arguments) else {
                panic!()
            };
            let data = match read {
                PresenceRequest::Set { data, .. } => Some(data.get()),
                PresenceRequest::List { after: None, limit: USERS, .. } => None,
                PresenceRequest::List { .. } => panic!(),
            };
            assert_eq!(data, set);
        }
        assert!(matches!(RoomRequest::read("rooms", ""), Some(Ok(RoomRequest::List))));
        assert!(RoomRequest::read("shout", "{}").is_none());
    }

    #[test]
    fn each_room_has_its_own_token_which_is_not_shown() {
        let rooms = r#"{"rooms":[{"room":"a:b","token":"hunter2"},{"room":"a:c"}]}"#;
        for (arguments, tokens) in [
            (r#"{"room":"a:b","token":"hunter2"}"#, &[Some("hunter2")][..]),
            (rooms, &[Some("hunter2"), None]),
        ] {
            let request = RoomRequest::read("join", arguments).unwrap().unwrap();
            assert!(!format!("{request:?}").contains("hunter2"));
            let rooms = match request {
                RoomRequest::Join(JoinRequest::One(one)) => vec![one],
                RoomRequest::Join(JoinRequest::Several(rooms)) => rooms,
                _ => panic!(),
            };
            assert!(rooms.iter().map(|one| one.token.as_deref()).eq(tokens.iter().copied()));
        }
    }

    #[test]
    fn what_is_wrong_is_an_error_with_a_code() {
        let many = format!(r#"{{"rooms":[{}]}}"#, vec![r#"{"room":"a:b"}"#; 101].join(","));
        for (name, arguments, expected) in [
            ("join", "{}", "bad_request"),
            ("join", "", "bad_request"),
            ("join", r#"{"room":5}"#, "bad_request"),
            ("join", r#"{"room":"a:b","rooms":[{"room":"a:c"}]}"#, "bad_request"),
            ("join", r#"{"rooms":[]}"#, "bad_request"),
            ("join", r#"{"room":"a:b","token":5}"#, "bad_request"),
            ("join", r#"{"token":"x","rooms":[{"room":"a:b"}]}"#, "bad_request"),
            ("join", &many, "bad_request"),
            ("leave", r#"{"rooms":"a:b"}"#, "bad_request"),
            ("send", r#"{"room":"a:b"}"#, "bad_request"),
            ("send", r#"{"data":1}"#, "bad_request"),
            ("send", r#"{"room":"a:b","user":"x","data":1}"#, "bad_request"),
            ("send", r#"{"room":"a:b","data":1,"event":""}"#, "bad_request"),
            ("send", r#"{"room":"a:b","data":1,"keep":true}"#, "no_history"),
            ("history", "{}", "unknown_type"),
            ("join", r#"{"room":"a:b","presence":"all"}"#, "bad_request"),
            ("presence", "{}", "bad_request"),
            ("presence", r#"{"room":"a:b","limit":0}"#, "bad_request"),
            ("presence", r#"{"room":"a:b","limit":501}"#, "bad_request"),
            ("presence", r#"{"room":"a:b","after":"x"}"#, "bad_request"),
            ("presence", r#"{"room":"a:b","limit":5,"set":1}"#, "bad_request"),
        ] {
            assert_eq!(code(name, arguments), expected, "{name} {arguments}");
        }
        assert_eq!(code("send", r#"{"room":"a:b","data":null}"#), "");
    }

    proptest! {
        #[test]
        fn nothing_panics(word in 0..WORDS.len(), text in "\\PC{0,60}|\\{\"room\":\"\\PC{0,20}\",\"data\":[0-9]{0,3}\\}") {
            let _ = RoomRequest::read(WORDS[word], &text);
        }
    }
}
