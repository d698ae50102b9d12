//! The commands that a user types, and the requests that they become.

use serde_json::{Value, json};

/// The commands that Tab completes, in the order of the help.
pub const WORDS: [&str; 6] = ["secret", "sessions", "watch", "ping", "help", "quit"];

pub const HELP: &str = "\
secret    a sentence for you and a random code
sessions  your live sessions
watch     the same, and again whenever one connects or disconnects
ping      how long the server takes to answer
quit      ends this program, as Ctrl-D does
{...}     sends this JSON object as it is";

#[derive(Debug, PartialEq)]
pub enum Command {
    Nothing,
    Help,
    Quit,
    Send(Request),
}

#[derive(Debug, PartialEq)]
pub struct Request {
    pub text: String,
    /// The reply repeats it.
    pub id: Option<Value>,
    /// The `type` of the reply, unless that is an error.
    pub reply: &'static str,
    /// Whether further messages follow the reply.
    pub watches: bool,
}

/// Reads a line. `number` becomes the `id` of the request.
///
/// # Errors
/// A hint for the user: the line is not a command, or not JSON.
pub fn parse(line: &str, number: u64) -> Result<Command, String> {
    let line = line.trim();
    if line.starts_with('{') {
        return raw(line).map(Command::Send);
    }
    let (kind, reply) = match line {
        "" => return Ok(Command::Nothing),
        "help" | "?" => return Ok(Command::Help),
        "quit" | "exit" => return Ok(Command::Quit),
        "secret" => ("secret", "secret"),
        "sessions" => ("sessions", "sessions"),
        "watch" => ("watch_sessions", "sessions"),
        "ping" => ("ping", "pong"),
        _ => return Err(unknown(line)),
    };
    let text = json!({"type": kind, "id": number}).to_string();
    Ok(Command::Send(Request { text, id: Some(number.into()), reply, watches: kind == "watch_sessions" }))
}

fn raw(line: &str) -> Result<Request, String> {
    let message: Value =
        serde_json::from_str(line).map_err(|error| format!("not sent, this is not JSON: {error}"))?;
    let reply = match message["type"].as_str() {
        Some("ping") => "pong",
        Some("secret") => "secret",
        Some("sessions" | "watch_sessions") => "sessions",
        Some("auth") => "authenticated",
        _ => "error",
    };
    let id = message.get("id").filter(|id| id.is_string() || id.is_i64()).cloned();
    Ok(Request { text: line.to_owned(), id, reply, watches: message["type"] == "watch_sessions" })
}

fn unknown(line: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    // Typing errors are rarely in the first letters: the command that shares the most of them is the likeliest.
    let agreement = |known: &str| known.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    match WORDS.iter().max_by_key(|known| agreement(known)).filter(|known| agreement(known) > 1) {
        Some(near) => format!("unknown command: did you mean `{near}`? `help` lists them"),
        None => "unknown command: `help` lists them".to_owned(),
    }
}

/// Whether a line may be kept in the history: it has no secret in it.
pub fn is_harmless(line: &str) -> bool {
    !line.contains("token") && !line.contains("password")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_become_requests() {
        let Ok(Command::Send(request)) = parse(" watch ", 7) else { panic!() };
        assert_eq!(
            serde_json::from_str::<Value>(&request.text).unwrap(),
            json!({"type": "watch_sessions", "id": 7})
        );
        assert_eq!((request.id, request.reply, request.watches), (Some(json!(7)), "sessions", true));
        assert_eq!(parse("", 1), Ok(Command::Nothing));
        assert_eq!(parse("quit", 1), Ok(Command::Quit));
        for word in WORDS {
            assert!(parse(word, 1).is_ok(), "{word}");
        }
    }

    #[test]
    fn json_is_sent_as_it_is_and_anything_else_gets_a_hint() {
        let text = r#"{ "type" : "secret", "id":"a" }"#;
        let request =
            Request { text: text.to_owned(), id: Some(json!("a")), reply: "secret", watches: false };
        assert_eq!(parse(text, 1), Ok(Command::Send(request)));
        assert!(parse("{nonsense", 1).unwrap_err().contains("not JSON"));
        assert!(parse("sesions", 1).unwrap_err().contains("`sessions`"));
        assert!(parse("é", 1).unwrap_err().contains("help"));
        assert!(parse("éé \u{1b}", 1).unwrap_err().contains("help"));
    }
}
