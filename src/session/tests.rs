use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::domain::{LoginId, UserId};

const RULES: Rules = Rules { auth_timeout: Duration::from_secs(5), heartbeat: Duration::from_secs(25) };

fn access(user: u128, login: u128) -> Access {
    Access {
        user: UserId(Uuid::from_u128(user)),
        username: "ann".into(),
        login: LoginId(Uuid::from_u128(login)),
        expires_at: Clock::Manual(ManualClock::default()).now(),
    }
}

fn start() -> Instant {
    Clock::System.instant()
}

fn signed_in(now: Instant, lives: Duration) -> Authenticated {
    let session = SessionId(Uuid::from_u128(9));
    Unauthenticated::new(RULES, now).sign_in(session, access(1, 2), now + lives, now, None).0
}

#[test]
fn a_stranger_may_only_sign_in() {
    let now = start();
    let mut session = Session::new(RULES, now);
    assert!(matches!(
        session.receive(r#"{"type":"auth","token":"t","id":1}"#, now),
        Effect::Verify { id: Some(RequestId::Number(1)), token } if token == "t"
    ));
    for text in [r#"{"type":"secret"}"#, "{}"] {
        assert!(matches!(
            Session::new(RULES, now).receive(text, now),
            Effect::Close(CloseReason::Unauthorized)
        ));
    }
    assert!(matches!(Session::new(RULES, now).receive("[]", now), Effect::Close(CloseReason::BadMessage)));
}

#[test]
fn a_stranger_has_five_seconds_whatever_it_sends() {
    let now = start();
    let mut session = Session::new(RULES, now);
    session.heard(now + Duration::from_secs(4));
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
        session.heard(at);
        if let Effect::Send(ServerMessage::Expiring { .. }) = session.tick(at, Unread::default()) {
            announced = Some(at);
        }
    }
    assert_eq!(announced, Some(now + 14 * minute));
    assert!(matches!(
        session.renew(access(1, 2), at + 15 * minute, at, None),
        Effect::Send(ServerMessage::Authenticated { .. })
    ));
    session.heard(now + 15 * minute);
    assert!(!matches!(session.tick(now + 15 * minute, Unread::default()), Effect::Close(_)));
    session.heard(now + 29 * minute);
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
    let _ = session.renew(access(1, 2), halfway + Duration::from_secs(30), halfway, None);
    assert!(
        matches!(session.tick(halfway, Unread::default()), Effect::Nothing),
        "not asked for at once again"
    );
}

#[test]
fn only_who_is_in_may_watch_the_sessions() {
    let now = start();
    let text = r#"{"type":"watch_sessions","id":3}"#;
    assert!(matches!(
        Session::Authenticated(signed_in(now, Duration::from_mins(15))).receive(text, now),
        Effect::WatchSessions { id: Some(RequestId::Number(3)) }
    ));
    assert!(matches!(Session::new(RULES, now).receive(text, now), Effect::Close(CloseReason::Unauthorized)));
}

#[test]
fn somebody_elses_token_ends_the_session() {
    let now = start();
    for other in [access(7, 2), access(1, 7)] {
        let mut session = signed_in(now, Duration::from_mins(15));
        assert!(matches!(session.renew(other, now, now, None), Effect::Close(CloseReason::Unauthorized)));
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
        session.heard(now + RULES.heartbeat * (look - 1) + Duration::from_secs(1));
        assert!(matches!(session.tick(now + RULES.heartbeat * look, Unread::default()), Effect::Ping));
    }
    session.heard(now + RULES.heartbeat * 6);
    assert!(matches!(session.tick(now + RULES.heartbeat * 6, Unread::default()), Effect::Nothing));
}

#[test]
fn a_client_that_does_not_read_is_cut_though_it_talks() {
    let now = start();
    let stuck = Unread { waiting: 10, drained: 5 };
    let mut session = signed_in(now, Duration::from_mins(15));
    session.heard(now + RULES.heartbeat);
    assert!(matches!(session.tick(now + RULES.heartbeat, stuck), Effect::Nothing));
    session.heard(now + RULES.heartbeat * 2);
    assert!(matches!(session.tick(now + RULES.heartbeat * 2, stuck), Effect::Close(CloseReason::TooSlow)));
    // One that reads slowly is not.
    let mut session = signed_in(now, Duration::from_mins(15));
    session.heard(now + RULES.heartbeat * 2);
    let _ = session.tick(now + RULES.heartbeat, stuck);
    let moved = Unread { waiting: 10, drained: 6 };
    assert!(matches!(session.tick(now + RULES.heartbeat * 2, moved), Effect::Nothing));
}

proptest! {
    /// Whatever a client sends and however time passes: a stranger learns nothing but that it must sign in,
    /// nobody outlives the token, and the next deadline lies ahead once `tick` has nothing more to say.
    #[test]
    fn any_history_keeps_the_rules(
        steps in prop::collection::vec((0_u64..40, ".{0,40}|\\{\"type\":\"([a-z]{0,8}|watch_sessions)\"(,\"id\":[0-9]{1,3})?\\}", any::<bool>()), 1..60),
        lives in 1_u64..2000,
        signs_in in any::<bool>(),
    ) {
        let begin = start();
        let mut now = begin;
        let mut session = if signs_in {
            Session::Authenticated(signed_in(begin, Duration::from_secs(lives)))
        } else {
            Session::new(RULES, begin)
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
                match session.receive(&text, now) {
                    Effect::Close(_) => break,
                    Effect::Send(_) | Effect::Run { .. } | Effect::WatchSessions { .. } => prop_assert!(signs_in, "a stranger was answered"),
                    _ => {}
                }
            }
        }
    }
}
