//! Messages as a user reads them. Text from the server is escaped, because a terminal obeys control characters.

pub use doorward_core::domain::escape_display_controls as escape;
use serde_json::Value;

pub use crate::cli::output::escape_json as json_line;

use super::rooms;
use super::view::Ink;
pub use super::view::View;

/// A message as a user reads it.
pub fn pretty(message: &Value, view: View<'_>) -> String {
    let text = |field: &str| escape(message[field].as_str().unwrap_or_default());
    match message["type"].as_str() {
        Some("welcome") => {
            let user = escape(message["user"]["username"].as_str().unwrap_or_default());
            view.ink(Ink::Green, &format!("Signed in as {user} until {}.", time(&message["expires_at"])))
        }
        Some("authenticated") => {
            view.ink(Ink::Dim, &format!("Signed in until {}.", time(&message["expires_at"])))
        }
        Some("expiring") => {
            view.ink(Ink::Dim, &format!("The access token expires at {}.", time(&message["expires_at"])))
        }
        Some("pong") => match view.took {
            Some(took) => format!("pong after {took:.1?}"),
            None => "pong".to_owned(),
        },
        Some("secret") => format!("{}\n{}", text("message"), view.ink(Ink::Bold, &text("code"))),
        Some("sessions") => sessions(message, view),
        Some("error") => view.ink(Ink::Red, &format!("error {}: {}", text("code"), text("detail"))),
        _ => rooms::pretty(message, view).unwrap_or_else(|| escape(&message.to_string())),
    }
}

/// A time to the second, in UTC.
fn time(value: &Value) -> String {
    let text = escape(value.as_str().unwrap_or_default());
    match (text.get(..10), text.get(10..11), text.get(11..19)) {
        (Some(date), Some("T"), Some(time)) => format!("{date} {time} UTC"),
        _ => text,
    }
}

fn sessions(message: &Value, view: View<'_>) -> String {
    let none = Vec::new();
    let sessions = message["sessions"].as_array().unwrap_or(&none);
    let mut rows = vec![["transport", "address", "since", "login"].map(str::to_owned)];
    rows.extend(sessions.iter().map(|session| {
        let text = |field: &str| escape(session[field].as_str().unwrap_or_default());
        [text("carrier"), text("address"), time(&session["since"]), text("login")]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3].map(width);
    let mut lines = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let this = number > 0 && sessions[number - 1]["id"].as_str() == Some(view.session);
        lines.push(match number {
            0 => view.ink(Ink::Bold, line.trim_end()),
            _ if this => format!("{line}  {}", view.ink(Ink::Green, "this one")),
            _ => line.trim_end().to_owned(),
        });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use doorward_core::domain::is_display_control;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "a\x1b[2J\u{9b}31m\r\n\x07\u{7f}\u{202e}b";

    #[test]
    fn a_table_is_aligned_and_marks_this_session() {
        let message = json!({"type": "sessions", "sessions": [
            {"id": "1", "login": "l1", "carrier": "tcp", "address": "127.0.0.1", "since": "2026-01-02T03:04:05.678Z"},
            {"id": "2", "login": "l22", "carrier": "websocket", "address": "::1", "since": "2026-01-02T03:04:06Z"},
        ]});
        let view = View { session: "2", ..View::default() };
        assert_eq!(
            pretty(&message, view),
            "transport  address    since                    login\n\
             tcp        127.0.0.1  2026-01-02 03:04:05 UTC  l1\n\
             websocket  ::1        2026-01-02 03:04:06 UTC  l22    this one"
        );
        assert!(pretty(&message, View { colour: true, ..view }).contains("\x1b[32mthis one\x1b[0m"));
    }

    #[test]
    fn nothing_that_a_server_sends_controls_the_terminal() {
        let all = [
            json!({"type": "welcome", "user": {"username": HOSTILE}, "expires_at": HOSTILE}),
            json!({"type": "authenticated", "expires_at": HOSTILE}),
            json!({"type": "expiring", "expires_at": format!("2026-01-02T{HOSTILE}{HOSTILE}")}),
            json!({"type": "pong"}),
            json!({"type": "secret", "message": HOSTILE, "code": HOSTILE}),
            json!({"type": "error", "code": HOSTILE, "detail": HOSTILE}),
            json!({"type": "sessions", "sessions": [
                {"id": HOSTILE, "login": HOSTILE, "carrier": HOSTILE, "address": HOSTILE, "since": HOSTILE}, 5
            ]}),
            json!({"type": "sessions", "sessions": 5}),
            json!({"type": "message", "room": HOSTILE, "from": {"username": HOSTILE}, "event": HOSTILE, "data": HOSTILE}),
            json!({"type": "message", "room": HOSTILE, "from": {"app": HOSTILE}, "data": {"text": HOSTILE}}),
            json!({"type": "message", "room": HOSTILE, "from": {}, "data": {HOSTILE: HOSTILE}}),
            json!({"type": "message", "room": HOSTILE}),
            json!({"type": "joined", "room": HOSTILE}),
            json!({"type": "joined", "rooms": [{"room": HOSTILE, "error": {"code": HOSTILE, "detail": HOSTILE}}, 5]}),
            json!({"type": "left", "room": HOSTILE, "code": "left"}),
            json!({"type": "left", "room": HOSTILE, "code": HOSTILE, "reason": HOSTILE}),
            json!({"type": "sent", "room": HOSTILE}),
            json!({"type": "rooms", "rooms": [HOSTILE, 5]}),
            json!({"type": HOSTILE, HOSTILE: HOSTILE}),
            json!({"type": 5}),
        ];
        for message in all {
            let text = pretty(&message, View::default());
            assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
            assert!(text.lines().count() <= 2, "{text}");
            let line = json_line(&message.to_string());
            assert!(!line.contains(is_display_control), "{line:?}");
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), message);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_harmless_when_escaped(text in any::<String>()) {
            prop_assert!(!escape(&text).contains(is_display_control));
            prop_assert!(!json_line(&text).contains(is_display_control));
        }
    }
}
