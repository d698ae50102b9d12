use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{LoginId, Roles, UserId};
use crate::protocol::{NamespaceId, json};
use crate::time::Timestamp;

const RULES: Rules =
    Rules { auth_timeout: Duration::from_secs(5), heartbeat: Duration::from_secs(25), pong_timeout: None };

/// Every heartbeat is pinged.
const PINGED: Rules = Rules { pong_timeout: Some(Duration::from_secs(20)), ..RULES };

fn access(user: u128, login: u128) -> Access {
    Access {
        user: UserId(Uuid::from_u128(user)),
        username: "ann".into(),
        login: LoginId(Uuid::from_u128(login)),
        expires_at: Timestamp::default(),
        rights: Arc::default(),
    }
}

#[expect(clippy::disallowed_methods, reason = "any moment does, and there is no other way to make one")]
fn start() -> Instant {
    Instant::now()
}

fn signed_in(now: Instant, lives: Duration) -> Session {
    signed_in_by(RULES, now, lives)
}

fn signed_in_by(rules: Rules, now: Instant, lives: Duration) -> Session {
    let session = SessionId(Uuid::from_u128(9));
    let unauthenticated = Unauthenticated::new(rules, now);
    Session::Authenticated(
        unauthenticated.sign_in(session, access(1, 2), now + lives, now, ReplyTo::default()).0,
    )
}

/// What a session is to do about a message, without the message's own parts.
#[derive(Debug)]
enum Done {
    Effect(Effect),
    Verify,
    Join,
    ListSessions,
    WatchSessions,
    Run,
    Other,
}

fn done(reaction: Reaction<'_>) -> Done {
    match reaction {
        Reaction::Effect(effect) => Done::Effect(effect),
        Reaction::Verify { .. } => Done::Verify,
        Reaction::Join { .. } => Done::Join,
        Reaction::ListSessions => Done::ListSessions,
        Reaction::WatchSessions => Done::WatchSessions,
        Reaction::Run { .. } => Done::Run,
        Reaction::Leave | Reaction::RefuseNamespace { .. } => Done::Other,
    }
}

fn receive(session: &mut Session, text: &str, now: Instant) -> Done {
    match json::decode(text, |_| None) {
        Ok(message) => done(session.receive(&message, now)),
        Err(json::NotAnObject) => Done::Effect(Effect::Close(CloseReason::BadMessage)),
    }
}

fn renew(session: &mut Session, access: Access, expires: Instant, now: Instant) -> Effect {
    let Session::Authenticated(session) = session else { panic!("not signed in") };
    session.renew(access, expires, now, ReplyTo::default())
}

#[test]
fn an_unauthenticated_client_may_only_sign_in() {
    let now = start();
    let mut session = Session::new(RULES, now);
    assert!(matches!(receive(&mut session, r#"{"type":"auth","token":"t"}"#, now), Done::Verify));
    for text in [r#"{"type":"secret"}"#, "{}"] {
        let done = receive(&mut Session::new(RULES, now), text, now);
        assert!(matches!(done, Done::Effect(Effect::Close(CloseReason::NoSignIn))));
    }
}

#[test]
fn an_unauthenticated_client_has_five_seconds_whatever_it_sends() {
    let now = start();
    let mut session = Session::new(RULES, now);
    session.record_activity(now + Duration::from_secs(4));
    assert!(matches!(session.tick(now + Duration::from_millis(4999), Unread::default()), Effect::Nothing));
    assert!(matches!(
        session.tick(now + Duration::from_secs(5), Unread::default()),
        Effect::Close(CloseReason::SignInTimeout)
    ));
}

#[test]
fn a_token_is_announced_a_minute_before_its_end_and_renewed_in_band() {
    let now = start();
    let minute = Duration::from_mins(1);
    let mut session = signed_in(now, 15 * minute);
    let mut at = now;
    let mut announced = None;
    while announced.is_none() {
        at = session.deadline();
        session.record_activity(at);
        if let Effect::Send(ServerMessage::Expiring { .. }) = session.tick(at, Unread::default()) {
            announced = Some(at);
        }
    }
    assert_eq!(announced, Some(now + 14 * minute));
    assert!(matches!(
        renew(&mut session, access(1, 2), at + 15 * minute, at),
        Effect::Send(ServerMessage::Authenticated { .. })
    ));
    session.record_activity(now + 15 * minute);
    assert!(!matches!(session.tick(now + 15 * minute, Unread::default()), Effect::Close(_)));
    session.record_activity(now + 29 * minute);
    assert!(matches!(
        session.tick(now + 29 * minute, Unread::default()),
        Effect::Close(CloseReason::TokenExpired)
    ));
}

#[test]
fn a_short_token_is_announced_halfway_and_once() {
    let now = start();
    let mut session = signed_in(now, Duration::from_secs(30));
    let halfway = now + Duration::from_secs(15);
    assert_eq!(session.deadline(), halfway);
    assert!(matches!(session.tick(now, Unread::default()), Effect::Nothing));
    assert!(matches!(session.tick(halfway, Unread::default()), Effect::Send(ServerMessage::Expiring { .. })));
    let _ = renew(&mut session, access(1, 2), halfway + Duration::from_secs(30), halfway);
    assert!(
        matches!(session.tick(halfway, Unread::default()), Effect::Nothing),
        "not asked for at once again"
    );
}

#[test]
fn only_a_signed_in_client_may_watch_the_sessions() {
    let now = start();
    let text = r#"{"type":"watch_sessions","id":3}"#;
    let mut signed_in = signed_in(now, Duration::from_mins(15));
    assert!(matches!(receive(&mut signed_in, text, now), Done::WatchSessions));
    let mut unauthenticated = Session::new(RULES, now);
    assert!(matches!(
        receive(&mut unauthenticated, text, now),
        Done::Effect(Effect::Close(CloseReason::NoSignIn))
    ));
    let mut guest = Session::Guest(Unauthenticated::new(RULES, now).into_guest());
    assert!(matches!(
        receive(&mut guest, text, now),
        Done::Effect(Effect::Send(ServerMessage::Error { .. }))
    ));
}

#[test]
fn another_users_token_ends_the_session() {
    let now = start();
    for other in [access(7, 2), access(1, 7)] {
        let mut session = signed_in(now, Duration::from_mins(15));
        assert!(matches!(renew(&mut session, other, now, now), Effect::Close(CloseReason::Unauthorized)));
    }
}

#[test]
fn silence_is_asked_about_then_cut() {
    let now = start();
    let mut session = signed_in(now, Duration::from_mins(15));
    assert!(matches!(session.tick(now + RULES.heartbeat, Unread::default()), Effect::Ping));
    assert!(matches!(
        session.tick(now + RULES.heartbeat * 2, Unread::default()),
        Effect::Close(CloseReason::HeartbeatTimeout)
    ));
    let mut session = signed_in(now, Duration::from_mins(15));
    assert!(matches!(session.tick(now + RULES.heartbeat, Unread::default()), Effect::Ping));
    // An answer that took a second is no reason to ask only every second time.
    for look in 2..6 {
        session.record_activity(now + RULES.heartbeat * (look - 1) + Duration::from_secs(1));
        assert!(matches!(session.tick(now + RULES.heartbeat * look, Unread::default()), Effect::Ping));
    }
    session.record_activity(now + RULES.heartbeat * 6);
    assert!(matches!(session.tick(now + RULES.heartbeat * 6, Unread::default()), Effect::Nothing));
}

#[test]
fn a_client_that_does_not_read_is_cut_though_it_talks() {
    let now = start();
    let stuck = Unread { waiting: 10, drained: 5 };
    let mut session = signed_in(now, Duration::from_mins(15));
    session.record_activity(now + RULES.heartbeat);
    assert!(matches!(session.tick(now + RULES.heartbeat, stuck), Effect::Nothing));
    session.record_activity(now + RULES.heartbeat * 2);
    assert!(matches!(session.tick(now + RULES.heartbeat * 2, stuck), Effect::Close(CloseReason::TooSlow)));
    // One that reads slowly is not.
    let mut session = signed_in(now, Duration::from_mins(15));
    session.record_activity(now + RULES.heartbeat * 2);
    let _ = session.tick(now + RULES.heartbeat, stuck);
    let moved = Unread { waiting: 10, drained: 6 };
    assert!(matches!(session.tick(now + RULES.heartbeat * 2, moved), Effect::Nothing));
}

#[test]
fn where_every_heartbeat_is_pinged_a_late_answer_ends_it() {
    let now = start();
    let timeout = Duration::from_secs(20);
    for mut session in [signed_in_by(PINGED, now, Duration::from_mins(15)), {
        Session::Guest(Unauthenticated::new(PINGED, now).into_guest())
    }] {
        for beat in 1..5 {
            let at = now + PINGED.heartbeat * beat;
            assert_eq!(session.deadline(), at);
            assert!(matches!(session.tick(at, Unread::default()), Effect::Ping));
            // However much it talks.
            session.record_activity(at + Duration::from_secs(19));
        }
        let last = now + PINGED.heartbeat * 4 + Duration::from_secs(19);
        assert!(matches!(session.tick(now + PINGED.heartbeat * 5, Unread::default()), Effect::Ping));
        let late = last + PINGED.heartbeat + timeout;
        assert_eq!(session.deadline(), now + PINGED.heartbeat * 6);
        assert!(matches!(session.tick(now + PINGED.heartbeat * 6, Unread::default()), Effect::Ping));
        assert_eq!(session.deadline(), late);
        assert!(matches!(
            session.tick(late, Unread::default()),
            Effect::Close(CloseReason::HeartbeatTimeout)
        ));
    }
    // A client that has not signed in is pinged too, where the sign-in may take that long.
    let patient = Rules { auth_timeout: Duration::from_mins(5), ..PINGED };
    let mut unauthenticated = Session::new(patient, now);
    assert!(matches!(unauthenticated.tick(now + PINGED.heartbeat, Unread::default()), Effect::Ping));
    let late = now + PINGED.heartbeat + timeout;
    assert!(matches!(
        unauthenticated.tick(late, Unread::default()),
        Effect::Close(CloseReason::HeartbeatTimeout)
    ));
}

#[test]
fn a_client_that_reads_slowly_is_alive_though_its_pong_waits() {
    let now = start();
    let at = |seconds| now + Duration::from_secs(seconds);
    let unread = |waiting, drained| Unread { waiting, drained };
    let reads = || {
        let mut session = signed_in_by(PINGED, now, Duration::from_mins(15));
        assert!(matches!(session.tick(at(25), Unread::default()), Effect::Ping));
        session
    };
    let mut session = reads();
    assert!(matches!(session.tick(at(45), unread(900_000, 100_000)), Effect::Nothing));
    assert!(matches!(session.tick(at(50), unread(850_000, 150_000)), Effect::Ping));
    assert!(matches!(session.tick(at(75), unread(600_000, 400_000)), Effect::Ping));
    assert!(matches!(session.tick(at(100), unread(600_000, 400_000)), Effect::Close(CloseReason::TooSlow)));
    // Nothing waits: it would have read the ping.
    assert!(matches!(reads().tick(at(45), unread(0, 50)), Effect::Close(CloseReason::HeartbeatTimeout)));
}

#[test]
fn an_open_namespace_asks_for_no_sign_in_and_a_closed_one_does() {
    let now = start();
    let join = |open, token: Option<&'static str>| ClientMessage {
        to: ReplyTo::namespace(NamespaceId(1)),
        request: Request::Join { open, token: token.map(Into::into), arguments: "{}" },
    };
    let unauthenticated = || Session::new(RULES, now);
    let guest = || Session::Guest(Unauthenticated::new(RULES, now).into_guest());
    let user = || signed_in(now, Duration::from_mins(15));
    for mut session in [unauthenticated(), guest(), user()] {
        assert!(matches!(done(session.receive(&join(true, Some("t")), now)), Done::Join));
        assert!(matches!(done(session.receive(&join(false, Some("t")), now)), Done::Verify));
    }
    for mut session in [unauthenticated(), guest()] {
        assert!(matches!(done(session.receive(&join(false, None), now)), Done::Verify));
    }
    assert!(matches!(done(user().receive(&join(false, None), now)), Done::Join));
}

proptest! {
    /// Whatever a client sends and however time passes: an unauthenticated client learns nothing but that it must sign in,
    /// no session outlives its token, and the next deadline lies ahead once `tick` has nothing more to say.
    #[test]
    fn any_history_keeps_the_rules(
        steps in prop::collection::vec((0_u64..40, ".{0,40}|\\{\"type\":\"([a-z]{0,8}|watch_sessions)\"(,\"id\":[0-9]{1,3})?\\}", any::<bool>()), 1..60),
        lives in 1_u64..2000,
        signs_in in any::<bool>(),
        pinged in any::<bool>(),
    ) {
        let rules = if pinged { PINGED } else { RULES };
        let begin = start();
        let mut now = begin;
        let mut session = if signs_in {
            signed_in_by(rules, begin, Duration::from_secs(lives))
        } else {
            Session::new(rules, begin)
        };
        'history: for (seconds, text, talks) in steps {
            now += Duration::from_secs(seconds);
            for round in 0.. {
                prop_assert!(round < 8, "tick never comes to rest");
                match session.tick(now, Unread::default()) {
                    Effect::Close(_) => break 'history,
                    Effect::Nothing => break,
                    _ => {}
                }
            }
            prop_assert!(session.deadline() > now);
            let limit = if signs_in { Duration::from_secs(lives) } else { RULES.auth_timeout };
            prop_assert!(now < begin + limit, "outlived its time");
            if talks {
                match receive(&mut session, &text, now) {
                    Done::Effect(Effect::Close(_)) => break,
                    Done::Effect(Effect::Send(_))
                    | Done::Run
                    | Done::ListSessions
                    | Done::WatchSessions
                    | Done::Join => prop_assert!(signs_in, "an unauthenticated client was answered"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_session_never_goes_back_to_older_roles() {
    let now = start();
    let Session::Authenticated(mut session) = signed_in(now, Duration::from_mins(15)) else { panic!() };
    let rights = |version: i32, role: &str| {
        Arc::new(Rights { version, roles: Roles::parse([role]).unwrap(), ..Rights::default() })
    };
    let set = session.set_rights(rights(2, "editor"));
    assert!(matches!(set, Effect::Send(ServerMessage::Claims { rights }) if rights.roles.has("editor")));
    for known in [rights(2, "editor"), rights(1, "admin")] {
        assert!(matches!(session.set_rights(known), Effect::Nothing));
    }
    // A token that was checked before the change arrives after it.
    let (user, login) = (session.access().user, session.access().login);
    let old = Access { user, login, rights: rights(1, "admin"), ..access(1, 1) };
    let renewed = session.renew(old, now + Duration::from_mins(30), now, ReplyTo::default());
    assert!(
        matches!(renewed, Effect::Send(ServerMessage::Authenticated { rights, .. }) if rights.version == 2)
    );
    let newer = Access { user, login, rights: rights(3, "author"), ..access(1, 1) };
    session.renew(newer, now + Duration::from_mins(30), now, ReplyTo::default());
    assert!(session.access().rights.roles.has("author"));
}
