//! Messages about rooms as a user reads them.

use std::borrow::Cow;

use doorward_core::domain::escape_display_controls as escape;
use serde_json::Value;

use super::view::{Ink, View};

/// None if it is not a message about rooms.
pub fn pretty(message: &Value, view: View<'_>) -> Option<String> {
    let text = |field: &str| escape(message[field].as_str().unwrap_or_default());
    Some(match message["type"].as_str()? {
        "message" if message["from"].is_object() => said(message, view),
        "joined" => joined(message, view),
        "left" if message["code"] == "left" => format!("Left {}.", text("room")),
        "left" => {
            let line =
                format!("You are no longer in {}: {} ({})", text("room"), text("reason"), text("code"));
            view.ink(Ink::Red, &line)
        }
        "sent" if text("room").starts_with("user:") => view.ink(Ink::Dim, "sent to the user"),
        "sent" => view.ink(Ink::Dim, &format!("sent to {}", text("room"))),
        "rooms" => match message["rooms"].as_array().map(Vec::as_slice).unwrap_or_default() {
            [] => "You have joined no room.".to_owned(),
            rooms => {
                let rooms = rooms.iter().map(|room| escape(room.as_str().unwrap_or_default()));
                rooms.collect::<Vec<_>>().join("\n")
            }
        },
        _ => return None,
    })
}

/// `chat:lobby  ann: hello`
fn said(message: &Value, view: View<'_>) -> String {
    let room = message["room"].as_str().unwrap_or_default();
    let from = &message["from"];
    let who = escape(from["username"].as_str().or(from["app"].as_str()).unwrap_or_default());
    let event = message["event"].as_str().map(|event| format!(" ({})", escape(event)));
    let data = &message["data"];
    let text = match data["text"].as_str().or(data.as_str()) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(data.to_string()),
    };
    // The only room of this kind that a session is sent is its own user's.
    let place = if room.starts_with("user:") { "direct".to_owned() } else { escape(room) };
    let place = view.ink(Ink::Dim, &place);
    format!("{place}  {}{}: {}", view.ink(Ink::Bold, &who), event.unwrap_or_default(), escape(&text))
}

/// One room, or an outcome for each of several.
fn joined(message: &Value, view: View<'_>) -> String {
    let one = std::slice::from_ref(message);
    let lines = message["rooms"].as_array().map_or(one, Vec::as_slice).iter().map(|outcome| {
        let room = escape(outcome["room"].as_str().unwrap_or_default());
        let error = &outcome["error"];
        let text = |field: &str| escape(error[field].as_str().unwrap_or_default());
        let can_send = outcome["can"].as_array().is_some_and(|can| can.iter().any(|can| can == "send"));
        match (error.is_null(), can_send) {
            (false, _) => view.ink(Ink::Red, &format!("{room}: error {}: {}", text("code"), text("detail"))),
            (true, true) => format!("Joined {room}."),
            (true, false) => format!("Joined {room}, to read."),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_message_is_a_readable_line() {
        let ann = json!({"user": "7", "username": "ann"});
        for (message, line) in [
            (
                json!({"type": "message", "room": "chat:a", "from": ann, "data": {"text": "hi\nyou"}}),
                "chat:a  ann: hi\\u{a}you",
            ),
            (
                json!({"type": "message", "room": "user:8", "from": ann, "event": "x", "data": "psst"}),
                "direct  ann (x): psst",
            ),
            (
                json!({"type": "message", "room": "chat:a", "from": {"app": "shop"}, "data": [1]}),
                "chat:a  shop: [1]",
            ),
            (json!({"type": "joined", "room": "chat:a", "can": ["send"]}), "Joined chat:a."),
            (json!({"type": "joined", "room": "news:a", "can": []}), "Joined news:a, to read."),
            (
                json!({"type": "joined", "rooms": [
                    {"room": "chat:a", "can": ["send"]},
                    {"room": "b:c", "error": {"code": "forbidden", "detail": "no"}},
                ]}),
                "Joined chat:a.\nb:c: error forbidden: no",
            ),
            (json!({"type": "left", "room": "chat:a", "code": "left"}), "Left chat:a."),
            (
                json!({"type": "left", "room": "chat:a", "code": "policy", "reason": "roles"}),
                "You are no longer in chat:a: roles (policy)",
            ),
            (json!({"type": "sent", "room": "chat:a"}), "sent to chat:a"),
            (json!({"type": "sent", "room": "user:8"}), "sent to the user"),
            (json!({"type": "rooms", "rooms": ["a:b", "c:d"]}), "a:b\nc:d"),
            (json!({"type": "rooms", "rooms": []}), "You have joined no room."),
        ] {
            assert_eq!(pretty(&message, View::default()).as_deref(), Some(line));
        }
        assert_eq!(pretty(&json!({"type": "message", "text": "own"}), View::default()), None);
        assert_eq!(pretty(&json!({"type": 5}), View::default()), None);
    }
}
