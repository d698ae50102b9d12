//! A chat: `cargo run --example chat`, then open <http://localhost:8080>. Another port: `cargo run --example chat 9000`.
//!
//! It is a program that embeds Doorward: the page is served beside Doorward's own routes, and the accounts, the sockets and
//! the rooms are Doorward's. docs/CHAT.md builds a smaller one step by step, without Rust.

use std::path::Path;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use doorward::{
    Additions, Application, Clock, Config, Context, EventError, Events, Payload, RoomAction, RoomQuestion,
    RoomVerdict, UserId,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The rooms of the list: name, title, topic.
const ROOMS: [(&str, &str, &str); 3] = [
    ("lobby", "Lobby", "Say hello"),
    ("music", "Music", "What are you listening to?"),
    ("help", "Help", "Questions about this chat"),
];

pub const SETTINGS: [(&str, &str); 13] = [
    // What is written.
    ("rooms.chat.join", "anyone"),
    ("rooms.chat.send", "joined"),
    ("rooms.chat.max_data", "8KiB"),
    ("rooms.chat.rate", "5/1s"),
    ("rooms.chat.burst", "10"),
    ("rooms.chat.presence", "users"),
    // That a user is typing: worth nothing a moment later, so a client that reads slowly may miss it.
    ("rooms.typing.join", "anyone"),
    ("rooms.typing.send", "joined"),
    ("rooms.typing.max_data", "16B"),
    ("rooms.typing.rate", "2/1s"),
    ("rooms.typing.lossy", "true"),
    // Direct messages.
    ("rooms.user.send", "anyone"),
    ("rooms.user.max_data", "8KiB"),
];

/// `chat_rooms`: the list.
async fn chat_rooms(_: Context, _: Payload) -> Value {
    let rooms = ROOMS.map(|(name, title, topic)| json!({"name": name, "title": title, "topic": topic}));
    json!({ "rooms": rooms })
}

#[derive(Deserialize)]
struct Removal {
    room: String,
    message: uuid::Uuid,
}

/// `remove_message`: a moderator has everyone's page hide a message. In the application's name, which no client can use.
async fn remove_message(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Removal { room, message } = payload.first()?;
    if !context.has_role("moderator") {
        return Err(EventError::new("forbidden", "only moderators remove messages"));
    }
    if !room.starts_with("chat:") {
        return Err(EventError::new("bad_room", "messages of this room cannot be removed"));
    }
    let removed = json!({"message": message, "by": context.access().map(|access| &access.username)});
    context.publisher("chat").publish(&room, Some("removed"), &removed)?;
    Ok(json!({ "message": message }))
}

#[derive(Deserialize)]
struct Ban {
    room: String,
    user: UserId,
}

/// How long a moderator bans.
const BANNED_FOR: Duration = Duration::from_hours(1);

/// `ban`: a moderator has a user leave a room and stay away for an hour, on every node at once.
async fn ban(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Ban { room, user } = payload.first()?;
    if !context.has_role("moderator") {
        return Err(EventError::new("forbidden", "only moderators ban"));
    }
    let Some(name) = room.strip_prefix("chat:") else {
        return Err(EventError::new("bad_room", "only rooms of the list have bans"));
    };
    for room in [&room, &format!("typing:{name}")] {
        context.room_rights().ban(room, user, Some(BANNED_FOR)).await?;
    }
    // Those who are still there see why.
    let banned = json!({"user": user, "by": context.access().map(|access| &access.username)});
    context.publisher("chat").publish(&room, Some("banned"), &banned)?;
    Ok(json!({ "user": user }))
}

/// The rooms of the list are there, and no others.
fn only_listed(question: RoomQuestion<'_>) -> RoomVerdict {
    let is_listed = ROOMS.iter().any(|(name, ..)| *name == question.rest);
    match question.action {
        RoomAction::Join if !is_listed => RoomVerdict::No,
        _ => RoomVerdict::AsConfigured,
    }
}

/// The page is complete in itself: it loads nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(kind: &'static str, text: &'static str) -> actix_web::Route {
    web::get().to(move || async move {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, kind))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .body(text)
    })
}

fn pages(table: &mut ServiceConfig) {
    table
        .route("/", file("text/html; charset=utf-8", include_str!("index.html")))
        .route("/chat.css", file("text/css; charset=utf-8", include_str!("chat.css")))
        .route("/chat.js", file("text/javascript; charset=utf-8", include_str!("chat.js")))
        .route("/view.js", file("text/javascript; charset=utf-8", include_str!("view.js")));
}

pub fn additions() -> Additions {
    let events =
        Events::default().on("chat_rooms", chat_rooms).on("remove_message", remove_message).on("ban", ban);
    Additions::new(events).routes(pages).room_rule("chat", only_listed).room_rule("typing", only_listed)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Accounts are kept here, relative to the working directory.
    let data = "target/chat-data";
    let port: u16 = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse())?;
    let listen = format!("127.0.0.1:{port}");
    let own = [("http.listen", &*listen), ("tcp.listen", "off"), ("data_dir", data)];
    std::fs::create_dir_all(Path::new(data))?;
    let config = Config::from_pairs(SETTINGS.into_iter().chain(own))?;
    let app = Application::build_with(config, Clock::System, additions()).await?;
    println!("The chat is at http://localhost:{port}. Open it in two windows; Ctrl-C ends it.");
    println!("A moderator: cargo run -- --set data_dir={data} user roles NAME --add moderator");
    app.run_until_stopped(async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}
