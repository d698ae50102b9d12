//! The program of docs/ROOMS.md, "With handlers of your own": a shop whose customers follow their orders.

use std::time::Duration;

use doorward::{
    Additions, Application, Clock, Config, Context, EventError, Events, Payload, RoomAction, RoomQuestion,
    RoomVerdict, UserId,
};
use serde_json::{Value, json};

pub const SETTINGS: [(&str, &str); 3] =
    [("rooms.order.join", "app"), ("rooms.order.send", "joined"), ("rooms.news.join", "anyone")];

#[derive(serde::Deserialize)]
struct Order {
    number: u32,
}

/// `order`: takes an order, and lets its customer follow it.
async fn order(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Order { number } = payload.first()?;
    let room = format!("order:{number}");
    // The client need not ask for the room: it is sent `joined`, then what comes there.
    context.join(&room).await?;
    // From the application, to all who follow the order: the customer too.
    context.publisher("shop").publish(&room, Some("received"), &json!({ "number": number }))?;
    Ok(json!({ "room": room }))
}

/// `help`: tells the staff who follows the same order. In the customer's name, as if the client had sent it.
async fn help(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Order { number } = payload.first()?;
    let message = context.publish(&format!("order:{number}"), Some("help"), &"I have a question")?;
    Ok(json!({ "message": message }))
}

/// `done`: the customer follows the order no more.
async fn done(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Order { number } = payload.first()?;
    context.leave(&format!("order:{number}")).await?;
    Ok(json!({ "number": number }))
}

#[derive(serde::Deserialize)]
struct Ban {
    room: String,
    user: UserId,
}

/// `ban`: staff keep a user out of a room for an hour.
async fn ban(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Ban { room, user } = payload.first()?;
    if !context.has_role("staff") {
        return Err(EventError::new("forbidden", "only staff ban"));
    }
    context.room_rights().ban(&room, user, Some(Duration::from_hours(1))).await?;
    Ok(json!({ "user": user }))
}

/// Staff may join every order. An order that is closed takes no messages. Everything else is as configured.
fn rule(question: RoomQuestion<'_>) -> RoomVerdict {
    match question.action {
        RoomAction::Join if question.roles.has("staff") => RoomVerdict::Yes,
        RoomAction::Send if question.rest.ends_with(":closed") => RoomVerdict::No,
        _ => RoomVerdict::AsConfigured,
    }
}

pub fn additions() -> Additions {
    let events = Events::default().on("order", order).on("help", help).on("done", done).on("ban", ban);
    Additions::new(events).room_rule("order", rule)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_pairs(SETTINGS.into_iter().chain([("data_dir", "data")]))?;
    let app = Application::build_with(config, Clock::System, additions()).await?;
    // From anywhere in the process.
    let news = app.publisher("shop");
    actix_web::rt::spawn(async move {
        for number in 1_u32.. {
            Clock::System.sleep(Duration::from_secs(10)).await;
            if let Err(error) = news.publish("news:shop", None, &json!({ "number": number })) {
                eprintln!("{error}");
            }
        }
    });
    app.run_until_stopped(async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}
