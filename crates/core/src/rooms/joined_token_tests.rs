//! What a session joins by a room token, and when that ends.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::presence::{PresenceLevel, PresenceOptions};
use super::super::token::{NO_TOKEN, TokenCheck, TokenClaims};
use super::super::{Cause, Entry, KindName, Policy};
use super::*;
use crate::domain::{Roles, UserId};

const ANN: UserId = UserId(Uuid::from_u128(0xa1));
const BOB: UserId = UserId(Uuid::from_u128(0xb0));

/// Seconds since 1970 of the moment 0 in these tests.
const START: i64 = 1_800_000_000;

fn moment(seconds: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(START + seconds, 0).unwrap().naive_utc()
}

/// Tokens whose text is their claims: who has signed them is another test's.
#[derive(Debug, Clone, Default)]
struct Tokens {
    now: i64,
    revoked: HashSet<String>,
}

impl TokenCheck for Tokens {
    fn verify(&self, TokenText(text): TokenText<'_>) -> Result<RoomToken, Refusal> {
        let claims: TokenClaims = serde_json::from_str(text).map_err(|_| NO_TOKEN)?;
        claims.read("https://id.example.org", moment(self.now))
    }

    fn state(&self, token: &RoomToken) -> TokenState {
        if moment(self.now) >= token.expires_at {
            TokenState::Expired
        } else if token.id.as_ref().is_some_and(|id| self.revoked.contains(&**id)) {
            TokenState::Revoked
        } else {
            TokenState::Good
        }
    }
}

/// Issued at the moment 0.
fn token(user: UserId, room: &str, exp: i64, more: &Value) -> String {
    let mut claims = json!({"sub": user, "room": room, "iat": START, "exp": START + exp});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims.to_string()
}

fn policy(entries: &str) -> Policy {
    Policy::new(entries.split(',').map(|entry| Entry::parse(entry).unwrap()).collect())
}

fn kind(join: &str, send: &str, see_presence: &str) -> Kind {
    Kind {
        join: policy(join),
        send: policy(send),
        max_joined: 10,
        max_data: 100,
        pace: None,
        lossy: false,
        presence: PresenceOptions { level: PresenceLevel::Users, ..PresenceOptions::default() },
        see_presence: policy(see_presence),
    }
}

fn kinds() -> Kinds {
    let kinds = [
        ("order", kind("token", "token", "token")),
        ("open", kind("anyone", "token", "joined")),
        ("club", kind("member,token", "joined", "joined")),
        ("chat", kind("anyone", "joined", "joined")),
        ("staff", kind("role:staff,token", "joined", "joined")),
    ];
    Kinds::new(kinds.map(|(name, kind)| (KindName::parse(name).unwrap(), kind)))
}

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn origin() -> Instant {
    Instant::now()
}

/// A session of Ann's without roles.
struct World {
    joined: Joined,
    kinds: Kinds,
    tokens: Tokens,
    standing: Standing,
    roles: Roles,
    instant: Instant,
}

impl World {
    fn new() -> Self {
        let (joined, tokens, standing) = (Joined::default(), Tokens::default(), Standing::default());
        Self { joined, kinds: kinds(), tokens, standing, roles: Roles::default(), instant: origin() }
    }

    fn act<R>(&mut self, act: impl FnOnce(&mut Joined, &Kinds, Member<'_>) -> R) -> R {
        let standing = self.standing;
        let says = move |_: &RoomName| standing;
        let who = Member { user: ANN, roles: &self.roles, standing: &says, tokens: &self.tokens };
        act(&mut self.joined, &self.kinds, who)
    }

    fn join(&mut self, room: &str, token: Option<&str>) -> Result<Entered, Refusal> {
        // No faster than a session may join.
        self.instant += JOINS.interval;
        let now = self.instant;
        self.act(|joined, kinds, who| joined.join(kinds, (room, token.map(TokenText)), who, now))
    }

    fn code(&mut self, room: &str, token: &str) -> &'static str {
        self.join(room, Some(token)).err().map_or("", |refusal| refusal.code)
    }

    fn sends(&mut self, room: &str) -> bool {
        self.act(|joined, kinds, who| joined.send(kinds, room, 1, who).is_ok())
    }

    fn at(&mut self, seconds: i64) -> Vec<Cause> {
        self.tokens.now = seconds;
        let lost = self.act(|joined, _, who| joined.reevaluate(who, moment(seconds)));
        lost.into_iter().map(|lost| lost.cause).collect()
    }
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

#[test]
fn a_token_lets_its_user_into_its_room_until_it_expires() {
    let mut world = World::new();
    assert_eq!(world.join("order:7", None).unwrap_err().code, "forbidden");
    let good = token(ANN, "order:7", 100, &json!({}));
    let entered = world.join("order:7", Some(&good)).unwrap();
    assert_eq!((entered.can, entered.until), (&["send", "presence"][..], Some(moment(100))));
    assert!(world.sends("order:7") && !world.sends("order:8"));
    assert_eq!(world.join("order:8", Some(&good)).unwrap_err().code, "bad_token");
    assert!(world.join("order:7", None).is_ok_and(|again| !again.is_new), "it need not be brought again");
    // Halfway, as it is valid for less than two minutes.
    assert_eq!(world.joined.deadline(), Some(moment(50)));
    assert_eq!(world.joined.expiring(moment(49)), []);
    assert_eq!(world.joined.expiring(moment(50)), [(room("order:7"), moment(100))]);
    // A newer one extends, and is told of anew.
    let newer = token(ANN, "order:*", 200, &json!({}));
    assert_eq!(world.join("order:7", Some(&newer)).unwrap().until, Some(moment(200)));
    assert_eq!(world.at(140), []);
    assert_eq!(world.joined.deadline(), Some(moment(140)));
    assert_eq!(world.joined.expiring(moment(140)), [(room("order:7"), moment(200))]);
    world.tokens.now = 200;
    assert!(!world.sends("order:7"), "before the session has looked");
    assert_eq!(world.at(200), [Cause::TokenExpired]);
    assert_eq!(world.code("order:7", &newer), "token_expired");
}

#[test]
fn a_token_that_is_wrong_says_no_for_good() {
    let mut world = World::new();
    for room in ["open:a", "staff:a"] {
        world.roles = Roles::parse(["staff"]).unwrap();
        assert!(world.join(room, None).is_ok(), "without one");
        for (token, code) in [
            ("x".to_owned(), "bad_token"),
            (token(BOB, room, 100, &json!({})), "bad_token"),
            (token(ANN, "open:b", 100, &json!({})), "bad_token"),
            (token(ANN, room, 0, &json!({})), "token_expired"),
            (token(ANN, room, 100, &json!({"jti": "gone"})), "bad_token"),
        ] {
            world.tokens.revoked.insert("gone".to_owned());
            assert_eq!(world.code(room, &token), code, "{token}");
            assert!(world.joined.has(&RoomName::parse(room).unwrap()), "it stays by what let it in");
        }
    }
    assert_eq!(world.code("chat:a", &token(ANN, "chat:a", 100, &json!({}))), "bad_token", "takes none");
    // A ban comes first, also before a token that is wrong.
    world.standing.banned = true;
    assert_eq!(world.code("open:a", "x"), "banned");
    assert_eq!(world.code("open:a", &token(ANN, "open:a", 100, &json!({}))), "banned");
    assert_eq!(world.at(1), [Cause::Banned, Cause::Banned]);
}

#[test]
fn the_operations_of_a_token_bound_what_policies_allow_by_it() {
    let mut world = World::new();
    for (ops, can) in [
        (json!([]), &[][..]),
        (json!(["send"]), &["send"]),
        (json!(["presence"]), &["presence"]),
        (json!(["send", "presence"]), &["send", "presence"]),
    ] {
        let token = token(ANN, "order:7", 100, &json!({"ops": ops}));
        assert_eq!(world.join("order:7", Some(&token)).unwrap().can, can);
        assert_eq!(world.sends("order:7"), can.contains(&"send"), "the last token counts");
        let now = world.instant;
        let asked = world.act(|joined, _, who| joined.ask_presence("order:7", who, now).is_ok());
        assert_eq!(asked, can.contains(&"presence"));
    }
}

#[test]
fn what_a_token_allows_besides_ends_with_it_where_the_room_stays() {
    let mut world = World::new();
    assert_eq!(world.join("open:a", None).unwrap().can, ["presence"]);
    let good = token(ANN, "open:a", 100, &json!({"jti": "1"}));
    let entered = world.join("open:a", Some(&good)).unwrap();
    assert_eq!((entered.can, entered.until), (&["send", "presence"][..], Some(moment(100))));
    assert_eq!(world.joined.until(&room("open:a")), None, "to be there has no end");
    assert_eq!(world.joined.expiring(moment(50)), [(room("open:a"), moment(100))]);
    assert!(world.at(100).is_empty() && !world.sends("open:a"));
    assert_eq!(world.joined.deadline(), None);
    // The same if it is revoked.
    world.tokens.now = 50;
    assert!(world.join("open:a", Some(&good)).is_ok() && world.sends("open:a"));
    world.tokens.revoked.insert("1".to_owned());
    assert!(!world.sends("open:a") && world.at(51).is_empty());
    assert_eq!(world.joined.deadline(), None);
}

#[test]
fn a_token_that_is_revoked_ends_what_it_grants_alone() {
    let mut world = World::new();
    for name in ["order:7", "club:a"] {
        assert!(world.join(name, Some(&token(ANN, name, 100, &json!({"jti": name})))).is_ok());
    }
    world.tokens.revoked.extend(["order:7", "club:a"].map(str::to_owned));
    world.standing.member = Some(None);
    assert_eq!(world.at(1), [Cause::TokenRevoked], "the membership remains");
    world.standing.member = None;
    assert_eq!(world.at(2), [Cause::Removed]);
}

#[test]
fn the_application_s_word_and_a_token_stand_beside_each_other() {
    let mut world = World::new();
    let good = token(ANN, "order:7", 100, &json!({}));
    assert!(world.act(|joined, kinds, who| joined.join_by_app(kinds, "order:7", who)).is_ok());
    assert!(!world.sends("order:7"));
    assert!(world.join("order:7", Some(&good)).is_ok() && world.sends("order:7"));
    assert!(world.at(100).is_empty() && !world.sends("order:7"), "the application has joined it");
    let mut world = World::new();
    assert!(world.join("order:7", Some(&good)).is_ok());
    assert!(world.act(|joined, kinds, who| joined.join_by_app(kinds, "order:7", who)).is_ok());
    assert!(world.sends("order:7"), "the token is kept");
}

#[derive(Debug, Clone)]
enum Step {
    /// With a token for one of the rooms, which expires after so many seconds.
    Join(usize, Option<(usize, i64, u8)>),
    Leave(usize),
    Member(bool),
    Ban(bool),
    Revoke(u8),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let brought = prop::option::weighted(0.8, (0..3_usize, -10..200_i64, 0..4_u8));
    prop_oneof![
        3 => (0..3_usize, brought).prop_map(|(room, token)| Step::Join(room, token)),
        1 => (0..3_usize).prop_map(Step::Leave),
        1 => any::<bool>().prop_map(Step::Member),
        1 => prop::bool::weighted(0.2).prop_map(Step::Ban),
        1 => (0..4_u8).prop_map(Step::Revoke),
        2 => (0..80_i64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happened: after a look the session is in no room without a right, is in each to which it has one, can send
    /// only where a policy says so, and was told once of each end.
    #[test]
    fn no_room_outlives_its_token(steps in prop::collection::vec(step(), 1..60)) {
        const ROOMS: [&str; 3] = ["order:7", "open:a", "club:a"];
        let mut world = World::new();
        // The rooms that are joined, each with the token that counts, as (end, id).
        let mut model: [Option<Option<(i64, u8)>>; 3] = [None; 3];
        for step in steps {
            let now = world.tokens.now;
            let good = |token: Option<(i64, u8)>, revoked: &HashSet<String>| {
                token.filter(|(exp, id)| now < *exp && !revoked.contains(&id.to_string()))
            };
            match step {
                Step::Join(at, brought) => {
                    let text = brought.map(|(of, life, id)| {
                        let claims = json!({"iat": START + now, "exp": START + now + life, "jti": id.to_string()});
                        (of, (now + life, id), token(ANN, ROOMS[of], 0, &claims))
                    });
                    let is_joined = world.join(ROOMS[at], text.as_ref().map(|(.., text)| &**text)).is_ok();
                    let kept = model[at].flatten();
                    let (is_wrong, token) = match text {
                        Some((of, token, _)) => {
                            (of != at || good(Some(token), &world.tokens.revoked).is_none(), Some(token))
                        }
                        None => (false, kept),
                    };
                    let token = good(token, &world.tokens.revoked);
                    let may = at == 1 || token.is_some() || at == 2 && world.standing.member.is_some();
                    prop_assert_eq!(is_joined, may && !is_wrong && !world.standing.banned);
                    if is_joined {
                        model[at] = Some(token);
                    }
                }
                Step::Leave(at) => {
                    prop_assert_eq!(world.joined.leave(ROOMS[at]).is_ok(), model[at].take().is_some());
                }
                Step::Member(is) => world.standing.member = is.then_some(None),
                Step::Ban(is) => world.standing.banned = is,
                Step::Revoke(id) => drop(world.tokens.revoked.insert(id.to_string())),
                Step::Wait(seconds) => world.tokens.now += seconds,
            }
            let now = world.tokens.now;
            let sends = [0, 1, 2].map(|at| world.sends(ROOMS[at]));
            world.at(now);
            for (at, known) in model.iter_mut().enumerate() {
                let token = known.flatten().filter(|(exp, id)| {
                    now < *exp && !world.tokens.revoked.contains(&id.to_string())
                });
                let may = at == 1 || token.is_some() || at == 2 && world.standing.member.is_some();
                let stays = known.is_some() && may && !world.standing.banned;
                prop_assert_eq!(world.joined.has(&room(ROOMS[at])), stays, "{}", ROOMS[at]);
                *known = known.filter(|_| stays).map(|_| token);
                prop_assert!(!sends[at] || at == 2 || token.is_some(), "{}", ROOMS[at]);
            }
            for (name, until) in world.joined.expiring(moment(now)) {
                let at = ROOMS.iter().position(|room| *room == name.as_str()).unwrap();
                let end = model[at].flatten().map(|(exp, _)| moment(exp));
                prop_assert_eq!(end, Some(until));
            }
            prop_assert_eq!(world.joined.expiring(moment(now)), vec![]);
            prop_assert!(world.joined.deadline().is_none_or(|next| next > moment(now)));
        }
    }
}
