//! Whatever the order of joins, revocations and deliveries: no session is handed a message after its token has ended.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use doorward_core::domain::{Access, Rights};
use doorward_core::protocol::ServerMessage;
use doorward_core::rooms::presence::{PresenceLevel, PresenceOptions};
use doorward_core::rooms::{
    Cause, Entry, Joined, KindName, Kinds, Lost, Member as Who, Policy, RevokedTokens, TokenText,
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::super::delivery::Dialect;
use super::*;
use crate::auth::keys::Keyring;
use crate::auth::room_tokens::{RoomTokenKeys, sign};
use crate::auth::signing_key::SigningKey;
use crate::clock::{Clock, ManualClock};
use crate::config::SigningAlgorithm;
use crate::directory::Revocations;
use crate::directory::room_rights::Rows;
use crate::events::Events;

const SESSIONS: usize = 3;
const USERS: usize = 2;
const TOKENS: u8 = 4;

#[derive(Default)]
struct Client {
    heard: Cell<usize>,
    told: Cell<bool>,
}

impl Delivery for Client {
    fn dialect(&self) -> Dialect {
        Dialect::Line
    }

    fn encode(&self, _: &ServerMessage, _: &Events) -> Bytes {
        Bytes::from_static(b"x")
    }

    fn deliver(&self, _: &[u8]) -> bool {
        self.heard.set(self.heard.get() + 1);
        true
    }

    fn is_congested(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// With a token of this id, which is valid for so many seconds.
    Join(usize, u8, i64),
    RevokeId(u8),
    /// Tokens that were issued so many seconds ago and before.
    RevokeOf(Option<usize>, i64),
    /// The word of a revocation arrives at the worker thread.
    Tell,
    CatchUp(usize),
    Publish,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS;
    prop_oneof![
        3 => (session.clone(), 0..TOKENS, 1..100_i64).prop_map(|(session, id, life)| Step::Join(session, id, life)),
        1 => (0..TOKENS).prop_map(Step::RevokeId),
        1 => (prop::option::of(0..USERS), 0..50_i64).prop_map(|(user, ago)| Step::RevokeOf(user, ago)),
        1 => Just(Step::Tell),
        1 => session.prop_map(Step::CatchUp),
        3 => Just(Step::Publish),
        2 => (0..30_u64).prop_map(Step::Wait),
    ]
}

/// What the model knows of a token.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u8,
    iat: i64,
    exp: i64,
    revoked: bool,
}

struct Session {
    user: usize,
    seat: Rc<Seat>,
    client: Rc<Client>,
    joined: Joined,
    seen: u64,
    token: Option<Known>,
}

struct World {
    rooms: Rooms,
    worker: WorkerRooms,
    key: SigningKey,
    clock: ManualClock,
    revocations: Arc<Revocations>,
    sessions: Vec<Session>,
    /// Those by `jti` stay revoked.
    revoked_ids: [bool; TOKENS as usize],
}

fn lobby() -> RoomName {
    RoomName::parse("order:7").unwrap()
}

fn user(number: usize) -> UserId {
    UserId(Uuid::from_u128(number as u128 + 1))
}

impl World {
    fn new() -> Self {
        let tokens = || Policy::new(vec![Entry::Token]);
        let order = Kind {
            join: tokens(),
            send: tokens(),
            max_joined: 1000,
            max_data: 100,
            pace: None,
            lossy: false,
            presence: PresenceOptions { level: PresenceLevel::Users, ..PresenceOptions::default() },
            see_presence: tokens(),
        };
        let kinds = Kinds::new([(KindName::parse("order").unwrap(), order)]);
        let (revocations, clock) = (Arc::<Revocations>::default(), ManualClock::default());
        let rooms = Rooms::new(kinds, Arc::default(), Arc::clone(&revocations), Clock::Manual(clock.clone()));
        let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
        let public = SigningKey::from_stored(SigningAlgorithm::EdDsa, &key.stored()).unwrap();
        let set = serde_json::to_string(&Keyring::new(public, vec![]).jwks()).unwrap();
        rooms.take_tokens(RoomTokenKeys::from_jwks(&set, "https://id.example.org").unwrap());
        let worker = WorkerRooms::new(rooms.clone(), 0);
        let mut world =
            Self { rooms, worker, key, clock, revocations, sessions: Vec::new(), revoked_ids: [false; 4] };
        world.sessions = (0..SESSIONS).map(|number| world.session(number)).collect();
        world
    }

    fn now(&self) -> Timestamp {
        Clock::Manual(self.clock.clone()).now()
    }

    fn seconds(&self) -> i64 {
        self.now().and_utc().timestamp()
    }

    fn session(&self, number: usize) -> Session {
        let access = Access {
            user: user(number % USERS),
            username: "ann".into(),
            login: LoginId(Uuid::from_u128(number as u128 + 1)),
            expires_at: self.now() + chrono::TimeDelta::days(1),
            rights: Arc::new(Rights { version: 1, ..Rights::default() }),
        };
        let client = Rc::new(Client::default());
        let rights = self.revocations.access_changes().follow(&access).unwrap();
        let no_bans = Rows { bans: Some(Vec::new()), ..Rows::default() };
        assert!(rights.rooms().has_bans() || rights.rooms().hold(0, no_bans, false));
        let told = Rc::clone(&client);
        let seat = Rc::new(Seat {
            session: SessionId(Uuid::from_u128(number as u128 + 1)),
            user: access.user,
            username: access.username.clone(),
            login: access.login,
            rights,
            delivery: client.clone(),
            overflow: Box::new(|| {}),
            changed: Box::new(move || told.told.set(true)),
        });
        Session { user: number % USERS, seat, client, joined: Joined::default(), seen: 0, token: None }
    }

    fn with<R>(&mut self, number: usize, act: impl FnOnce(&mut Joined, Who<'_>) -> R) -> R {
        let (rooms, now) = (self.rooms.clone(), self.now());
        let session = &mut self.sessions[number];
        let (roles, seat) = (doorward_core::domain::Roles::default(), Rc::clone(&session.seat));
        let standing = |room: &RoomName| seat.rights.rooms().standing(room, 0, now);
        let tokens = &rooms.tokens_at(now);
        act(&mut session.joined, Who { user: seat.user, roles: &roles, standing: &standing, tokens })
    }

    fn approval(&self, number: usize) -> Approval {
        let session = &self.sessions[number];
        Approval {
            version: 1,
            expires_at: self.now() + chrono::TimeDelta::days(1),
            rooms: 0,
            until: session.joined.until(&lobby()),
            closings: 0,
            token: session.joined.token(&lobby()).cloned(),
            tokens: session.seen,
            by_app: false,
        }
    }

    /// As a session does, before each request and when it is told. Answers why it has left the room, if it has.
    fn catch_up(&mut self, number: usize) -> Option<Cause> {
        let (current, now) = (self.rooms.revoked_tokens_version(), self.now());
        let lost = self.with(number, |joined, who| joined.reevaluate(who, now)).pop();
        self.sessions[number].seen = current;
        let session = self.sessions[number].seat.session;
        let Some(Lost { room, cause }) = lost else {
            self.worker.approve(&lobby(), session, self.approval(number));
            return None;
        };
        self.worker.leave(&room, session);
        self.sessions[number].token = None;
        Some(cause)
    }

    fn join(&mut self, number: usize, id: u8, life: i64) {
        self.catch_up(number);
        let iat = self.seconds();
        let of = user(self.sessions[number].user);
        let claims =
            json!({"sub": of, "room": "order:*", "iat": iat, "exp": iat + life, "jti": id.to_string()});
        let token = sign(&self.key, None, &claims).unwrap();
        let (kinds, now) = (self.rooms.kinds().clone(), Clock::System.instant());
        let entered = self
            .with(number, |joined, who| joined.join(&kinds, ("order:7", Some(TokenText(&token))), who, now));
        let known = Known { id, iat, exp: iat + life, revoked: self.revoked_ids[usize::from(id)] };
        assert_eq!(entered.is_ok(), !known.revoked, "{entered:?}");
        let Ok(entered) = entered else { return };
        self.sessions[number].token = Some(known);
        if entered.is_new {
            let place = self.worker.enter(&entered.room, &entered.kind).unwrap();
            self.worker.join(place, &self.sessions[number].seat, self.approval(number));
        } else {
            self.worker.approve(&entered.room, self.sessions[number].seat.session, self.approval(number));
        }
    }

    fn revoke(&mut self, tokens: RevokedTokens, concerns: impl Fn(usize, &Known) -> bool) {
        self.revocations.room_tokens().insert([(tokens, self.now())]);
        for session in &mut self.sessions {
            let user = session.user;
            if let Some(token) = session.token.as_mut().filter(|token| concerns(user, token)) {
                token.revoked = true;
            }
        }
    }

    fn has_right(&self, number: usize) -> bool {
        let token = self.sessions[number].token;
        token.is_some_and(|token| !token.revoked && self.seconds() < token.exp)
    }

    /// A message, and a change of who is there that is told to all.
    fn publish(&self) -> Vec<bool> {
        let kind = self.rooms.kinds().of(&lobby()).unwrap();
        let content = ByteString::from_static("{}");
        let message = Publication::new(lobby(), kind, None, &content, self.rooms.weigh(2).unwrap());
        let before: Vec<_> = self.sessions.iter().map(|session| session.client.heard.get()).collect();
        assert_eq!(self.worker.deliver(&[Arc::new(message)], None, &mut 1000), None);
        self.sessions
            .iter()
            .zip(before)
            .map(|(session, before)| session.client.heard.get() > before)
            .collect()
    }
}

proptest! {
    #[test]
    fn nothing_is_handed_over_after_the_end_of_a_token(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Join(number, id, life) => world.join(number, id, life),
                Step::RevokeId(id) => {
                    world.revoked_ids[usize::from(id)] = true;
                    world.revoke(RevokedTokens::One(id.to_string().into()), |_, token| token.id == id);
                }
                Step::RevokeOf(of, ago) => {
                    // In whole seconds, as tokens are: what is issued in this second is newer.
                    let before = world.seconds() - ago;
                    let moment = chrono::DateTime::from_timestamp(before, 0).unwrap().naive_utc();
                    let tokens = RevokedTokens::IssuedBefore(moment, of.map(user));
                    world.revoke(tokens, |user, token| of.is_none_or(|of| of == user) && token.iat < before);
                }
                Step::Tell => {
                    world.worker.tell_tokens_revoked();
                    for number in 0..SESSIONS {
                        let is_told = world.sessions[number].client.told.take();
                        let token = world.sessions[number].token;
                        if token.is_some_and(|token| token.revoked) && world.seconds() < token.unwrap().exp {
                            prop_assert!(is_told);
                            prop_assert_eq!(world.catch_up(number), Some(Cause::TokenRevoked));
                        }
                    }
                }
                Step::CatchUp(number) => {
                    let token = world.sessions[number].token;
                    let cause = world.catch_up(number);
                    let expected = token.and_then(|token| match token {
                        Known { exp, .. } if exp <= world.seconds() => Some(Cause::TokenExpired),
                        Known { revoked: true, .. } => Some(Cause::TokenRevoked),
                        _ => None,
                    });
                    prop_assert_eq!(cause, expected);
                }
                Step::Publish => {
                    for (number, heard) in world.publish().into_iter().enumerate() {
                        prop_assert_eq!(heard, world.has_right(number), "{}", number);
                    }
                }
                Step::Wait(seconds) => world.clock.advance(Duration::from_secs(seconds)),
            }
        }
    }
}
