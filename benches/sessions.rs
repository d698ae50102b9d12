//! The rules of a live session: what a message costs before anything is sent.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use doorward::internals::directory::{Directory, NodeId, Report};
use doorward::{Clock, Config};
use doorward_core::domain::{Access, LoginId, SessionId, UserId};
use doorward_core::protocol::{ReplyTo, SessionInfo, json};
use doorward_core::session::{Effect, Rules, Session, Unauthenticated, Unread};

const RULES: Rules =
    Rules { auth_timeout: Duration::from_secs(5), heartbeat: Duration::from_secs(25), pong_timeout: None };

fn signed_in(now: Instant) -> Session {
    let access = Access {
        user: UserId(Clock::System.new_id()),
        username: "alice".into(),
        login: LoginId(Clock::System.new_id()),
        expires_at: Clock::System.now() + chrono::TimeDelta::minutes(15),
        rights: Arc::default(),
    };
    let expires = now + Duration::from_mins(15);
    let session = SessionId(Clock::System.new_id());
    let (session, _) =
        Unauthenticated::new(RULES, now).sign_in(session, access, expires, now, ReplyTo::default());
    Session::Authenticated(session)
}

/// As the session's actor does it.
fn receive_text(session: &mut Session, text: &str, now: Instant) -> bool {
    let message = json::decode(text, |_| None);
    message.is_ok_and(|message| {
        black_box(session.receive(&message, now));
        true
    })
}

fn receive(criterion: &mut Criterion) {
    let now = Clock::System.instant();
    let mut session = signed_in(now);
    let mut group = criterion.benchmark_group("session receives");
    for (name, text) in [
        ("ping", r#"{"type":"ping"}"#),
        ("ping with an id", r#"{"id":"a7","type":"ping"}"#),
        ("an invalid request", r#"{"id":7}"#),
        ("no object", "hello"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| receive_text(&mut session, black_box(text), now));
        });
    }
    group.bench_function("a token before sign-in", |bencher| {
        let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, "x".repeat(500));
        bencher.iter(|| receive_text(&mut Session::new(RULES, now), black_box(&auth), now));
    });
    group.finish();
}

fn tick(criterion: &mut Criterion) {
    let start = Clock::System.instant();
    let mut session = signed_in(start);
    let mut group = criterion.benchmark_group("session ticks");
    group.bench_function("nothing due", |bencher| {
        bencher.iter(|| session.tick(black_box(start), Unread::default()));
    });
    group.bench_function("a heartbeat due", |bencher| {
        let due = |mut session: Session| {
            let effect = session.tick(start + RULES.heartbeat, Unread::default());
            assert!(matches!(effect, Effect::Ping));
            session.deadline()
        };
        bencher.iter_batched(|| signed_in(start), due, BatchSize::SmallInput);
    });
    group.finish();
}

/// A node is gone that had a session of each of 20,000 users of this one.
fn another_node_goes(criterion: &mut Criterion) {
    const USERS: usize = 20_000;
    let config = Config::from_pairs([("sockets.max_per_address", "1000000")]).expect("it is a good one");
    let info = |user| SessionInfo {
        id: SessionId(Clock::System.new_id()),
        user,
        login: LoginId(Clock::System.new_id()),
        transport: "tcp",
        address: IpAddr::from([127, 0, 0, 1]),
        since: Clock::System.now(),
    };
    let sessions = Directory::new(&config.sockets, Box::new(|_| {}));
    let users: Vec<_> = (0..USERS).map(|_| UserId(Clock::System.new_id())).collect();
    let _tickets: Vec<_> = users.iter().map(|user| sessions.admit(info(*user), None)).collect();
    let mut version = 0;
    let mut group = criterion.benchmark_group("20,000 sessions of another node go");
    group.sample_size(10);
    group.bench_function("in one pass", |bencher| {
        bencher.iter_batched(
            || {
                version += 1;
                let node = NodeId(Clock::System.new_id());
                for user in &users {
                    let sessions_of_one = vec![info(*user)];
                    let report =
                        Report { user: *user, version, part: 0, is_last: true, sessions: sessions_of_one };
                    assert!(!sessions.hear(node, report).asks, "it is whole");
                }
                node
            },
            |node| sessions.forget_nodes(&[node]),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, receive, tick, another_node_goes);
criterion_main!(benches);
