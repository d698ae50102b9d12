//! From a message to the bytes that leave, and back.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use doorward::internals::actors::{Outgoing, Transport};
use doorward::internals::transports::websocket::{Socket, WebSocket};
use doorward::internals::transports::{Io, Outbox};
use doorward::{Clock, Events};
use doorward_core::domain::{LoginId, SessionId, UserId};
use doorward_core::protocol::{Payload, ReplyTo, RequestId, ServerMessage, UserInfo, json};
use futures_util::task::noop_waker_ref;

/// Messages that the session writes before the connection takes them.
const BURST: u64 = 16;

fn messages() -> [(&'static str, ServerMessage); 3] {
    let to = || ReplyTo::id(Some(RequestId::Number(7)));
    let user = UserInfo { id: UserId(Clock::System.new_id()), username: "alice".into() };
    [
        ("pong", ServerMessage::Pong { to: to() }),
        (
            "secret",
            ServerMessage::Reply {
                to: to(),
                name: "secret".into(),
                payload: Payload::new(&serde_json::json!({
                    "message": "alice, small steps, taken daily, cross whole countries.",
                    "code": "7K2MPX9Q",
                }))
                .expect("it is JSON"),
            },
        ),
        (
            "welcome",
            ServerMessage::Welcome {
                rights: Arc::default(),
                to: ReplyTo::default(),
                session: SessionId(Clock::System.new_id()),
                user,
                login: LoginId(Clock::System.new_id()),
                expires_at: Clock::System.now(),
                heartbeat_s: 25,
            },
        ),
    ]
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, message) in messages() {
        let mut out = Vec::with_capacity(1024);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                json::encode(black_box(&message), |_| "/", &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, "x".repeat(500));
    let padded = format!(r#"{{"id":7,"type":"ping","more":[{}1]}}"#, "1,".repeat(1000));
    let mut group = criterion.benchmark_group("decode");
    for (name, text) in [
        ("ping", r#"{"type":"ping"}"#),
        ("ping with an id", r#"{"id":7,"type":"ping"}"#),
        ("auth", &auth),
        ("2 kB that are not parsed", &padded),
        ("no object", "[1,2,3]"),
    ] {
        group
            .bench_function(name, |bencher| bencher.iter(|| json::decode(black_box(text), |_| None).is_ok()));
    }
    group.finish();
}

/// A message encoded, framed and put into the outbox; then taken out of it by a connection that reads at once.
fn deliver(criterion: &mut Criterion) {
    let outbox = Outbox::new(1 << 20, 4096, None);
    let mut socket = WebSocket::new(Socket::new(Rc::clone(&outbox), 65_536));
    let io = Io::new(tokio::io::join(tokio::io::empty(), tokio::io::sink()));
    let events = Events::default();
    let mut context = Context::from_waker(noop_waker_ref());
    let mut drain = || outbox.poll_write(&io, &mut context).is_pending();
    let mut group = criterion.benchmark_group("deliver and drain");
    for burst in [1, BURST] {
        group.throughput(Throughput::Elements(burst));
        for (name, message) in messages() {
            group.bench_function(BenchmarkId::new(name, burst), |bencher| {
                bencher.iter(|| {
                    for _ in 0..burst {
                        socket.send(black_box(&message), &events).expect("it is drained each time");
                    }
                    drain()
                });
            });
        }
    }
    group.finish();
}

/// An encoded frame put into an outbox, as a broadcast would; the outbox alone.
fn push(criterion: &mut Criterion) {
    let frame = [7; 64];
    let mut group = criterion.benchmark_group("outbox");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("push 64 bytes", |bencher| {
        bencher.iter(|| {
            let outbox = Outbox::new(1 << 20, 65_536, None);
            for _ in 0..1000 {
                outbox.push(|out| out.extend_from_slice(black_box(&frame))).expect("it has room");
            }
            outbox.unread()
        });
    });
    group.finish();
}

criterion_group!(benches, encode, decode, deliver, push);
criterion_main!(benches);
