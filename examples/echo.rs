//! An application that embeds Doorward and adds its own events. It is also the server that the official test suites of
//! Engine.IO and Socket.IO expect: start it with `cargo run --example echo`, then run a suite, which knows the address.
//!
//! Its namespaces are open: they accept clients that have not signed in, as guests. Most applications want the opposite,
//! which is the default of `Namespace::new`.

use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context as ActorOf, StreamHandler};
use actix_web::HttpRequest;
use bytestring::ByteString;
use doorward::engineio;
use doorward::engineio::{
    Effect, EngineHandler, Engines, Handle, Incoming, Limits, Packet, Rules, Session, Start, Unread,
};
use doorward::{
    Additions, ApiError, Application, Clock, Config, Context, EventError, Events, Namespace, Payload, Reply,
};

// What the suites expect.
const LISTEN: &str = "127.0.0.1:3000";
const PING_INTERVAL: Duration = Duration::from_millis(300);
const PING_TIMEOUT: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_PAYLOAD: usize = 1_000_000;

/// Sends a `message` back as `message-back`, with the same payload.
async fn message(context: Context, payload: Payload) -> Result<(), EventError> {
    Ok(context.emit("message-back", payload)?)
}

/// Acknowledges with the same payload.
async fn message_with_ack(_: Context, payload: Payload) -> Reply {
    Reply::Acknowledge(payload)
}

/// Sends back the payload of CONNECT.
async fn connected(context: Context, auth: Payload) -> Result<(), EventError> {
    Ok(context.emit("auth", auth)?)
}

fn events() -> Events {
    let echo = |namespace: Namespace| {
        namespace.open().on_connect(connected).on("message", message).on("message-with-ack", message_with_ack)
    };
    Events::default().main(echo).namespace(echo(Namespace::new("/custom")))
}

/// Engine.IO without Socket.IO and without a sign-in: sends every message back.
struct Echo {
    engine: Handle,
    /// When to ping, and when a silent client is given up.
    rules: Session,
}

impl Echo {
    fn tick(&mut self, context: &mut ActorOf<Self>) {
        let now = Clock::System.instant();
        loop {
            match self.rules.tick(now, Unread::default()) {
                Effect::Nothing => break,
                Effect::Ping => self.send(&Packet::Ping(ByteString::new())),
                _ => return context.stop(),
            }
        }
        let next = self.rules.deadline().saturating_duration_since(now);
        context.run_later(next, Self::tick);
    }

    fn send(&self, packet: &Packet) {
        // A client that does not read loses its echo.
        let _ = self.engine.engine().push(|queue| queue.push(packet));
    }
}

impl Actor for Echo {
    type Context = ActorOf<Self>;

    fn started(&mut self, context: &mut ActorOf<Self>) {
        context.add_stream(self.engine.incoming());
        self.tick(context);
    }
}

impl StreamHandler<Incoming> for Echo {
    fn handle(&mut self, incoming: Incoming, context: &mut ActorOf<Self>) {
        self.rules.record_activity(Clock::System.instant());
        match incoming {
            Incoming::Message(text) => self.send(&Packet::Message(text)),
            Incoming::Binary(bytes) => self.send(&Packet::Binary(bytes)),
            Incoming::Activity => {}
            Incoming::Left | Incoming::Refused(_) => context.stop(),
        }
    }
}

struct EchoHandler;

impl EngineHandler for EchoHandler {
    fn enter(&self, _: &HttpRequest) -> Result<Start, ApiError> {
        Ok(Box::new(|engine| {
            let rules = Rules {
                auth_timeout: Duration::from_hours(24),
                heartbeat: PING_INTERVAL,
                pong_timeout: Some(PING_TIMEOUT),
            };
            Echo { engine, rules: Session::new(rules, Clock::System.instant()) }.start();
        }))
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = tempfile::tempdir()?;
    let data_dir = data.path().display().to_string();
    let mut config = Config::from_pairs([
        ("http.listen", LISTEN),
        ("public_url", "http://localhost:3000"),
        ("tcp.listen", "off"),
        ("data_dir", &data_dir),
        // A suite opens more connections at once than unauthenticated clients usually may.
        ("sockets.max_waiting_per_address", "1000"),
    ])?;
    config.sockets.heartbeat = PING_INTERVAL;
    config.sockets.auth_timeout = CONNECT_TIMEOUT;
    config.sockets.max_frame = MAX_PAYLOAD;
    config.socketio.ping_timeout = PING_TIMEOUT;

    let limits = Limits { first_message: MAX_PAYLOAD, message: MAX_PAYLOAD, outbox: 4 * MAX_PAYLOAD };
    let engines = Engines::new(limits);
    let additions = Additions::new(events()).routes(move |table| {
        let endpoint = engineio::Endpoint {
            engines: engines.clone(),
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            handler: Rc::new(EchoHandler),
        };
        engineio::configure(table, "/engine.io/", endpoint);
    });
    let app = Application::build_with(config, Clock::System, additions).await?;
    println!("Listening on http://{}", app.address());
    app.run_until_stopped(async {
        // Without a signal handler the server stops at once.
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}
