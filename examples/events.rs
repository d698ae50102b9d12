//! The program of docs/EVENTS.md: a server with an event of its own.

use doorward::{Additions, Application, Clock, Config, Context, EventError, Events, Namespace, Payload};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
struct Order {
    item: String,
    count: u32,
}

async fn order(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Order { item, count } = payload.first()?; // or the client gets the error `bad_payload`
    if count > 100 {
        return Err(EventError::new("too_many", "at most 100 at a time"));
    }
    let username = context.access().map(|access| access.username.clone());
    context.emit("order_seen", Payload::new(&username)?)?;
    Ok(json!({ "item": item, "count": count }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let admin = Namespace::new("/admin").on("order", order);
    let events = Events::default().on("order", order).namespace(admin);
    let config = Config::from_pairs([("data_dir", "data")])?;
    let app = Application::build_with(config, Clock::System, Additions::new(events)).await?;
    app.run_until_stopped(async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}
