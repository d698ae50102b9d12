//! The commands that a user types, and the requests that they become.

use serde_json::{Value, json};

use super::names::Names;

/// The commands that Tab completes, in the order of the help.
pub const WORDS: [&str; 11] =
    ["secret", "sessions", "watch", "ping", "join", "leave", "say", "tell", "rooms", "help", "quit"];

/// Those of them that are followed by the name of a room or a user.
pub const TAKE_A_NAME: [&str; 4] = ["join", "leave", "say", "tell"];

pub const HELP: &str = "\
secret           a sentence for you and a random code
sessions         your live sessions
watch            the same, and again whenever one connects or disconnects
ping             how long the server takes to answer
join ROOM        joins a room, such as chat:lobby; its messages are shown as they come
join ROOM TOKEN  the same with a room token, which is kept out of the history
leave ROOM       leaves it
say ROOM TEXT    sends a message to a room
tell USER TEXT   sends a message to a user: by id, or by name if that user has written to you
rooms            the rooms that you have joined
quit             ends this program, as Ctrl-D does
{...}            sends this JSON object as it is";

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
    /// A room, and the token for it, which is brought again on a further connection.
    pub token: Option<(String, String)>,
}

/// Reads a line. `number` becomes the `id` of the request.
///
/// # Errors
/// A hint for the user: the line is not a command, or not JSON.
pub fn parse(line: &str, number: u64, names: &Names) -> Result<Command, String> {
    let line = line.trim();
    if line.starts_with('{') {
        return raw(line).map(Command::Send);
    }
    let (word, rest) = split(line);
    let (mut message, reply) = match (word, rest) {
        ("", _) => return Ok(Command::Nothing),
        ("help" | "?", "") => return Ok(Command::Help),
        ("quit" | "exit", "") => return Ok(Command::Quit),
        ("secret", "") => (json!({"type": "secret"}), "secret"),
        ("sessions", "") => (json!({"type": "sessions"}), "sessions"),
        ("watch", "") => (json!({"type": "watch_sessions"}), "sessions"),
        ("ping", "") => (json!({"type": "ping"}), "pong"),
        ("rooms", "") => (json!({"type": "rooms"}), "rooms"),
        ("join", rest) => (join(rest)?, "joined"),
        ("leave", room) => (json!({"type": "leave", "room": one(room, "leave ROOM")?}), "left"),
        ("say", rest) => {
            let (room, text) = two(rest, "say ROOM TEXT")?;
            (json!({"type": "send", "room": room, "data": {"text": text}}), "sent")
        }
        ("tell", rest) => {
            let (user, text) = two(rest, "tell USER TEXT")?;
            let id = names.id_of(user).ok_or_else(|| {
                format!("{user} is not the id of a user, nor the name of one who has written to you")
            })?;
            (json!({"type": "send", "user": id, "data": {"text": text}}), "sent")
        }
        (word, rest) if !rest.is_empty() && WORDS.contains(&word) => {
            return Err(format!("`{word}` is a line of its own"));
        }
        (word, _) => return Err(unknown(word)),
    };
    message["id"] = number.into();
    Ok(Command::Send(request(&message, message.to_string(), Some(number.into()), reply)))
}

fn request(message: &Value, text: String, id: Option<Value>, reply: &'static str) -> Request {
    let text_of = |field: &str| message[field].as_str().map(str::to_owned);
    let token = text_of("room").zip(text_of("token")).filter(|_| message["type"] == "join");
    Request { text, id, reply, watches: message["type"] == "watch_sessions", token }
}

fn join(rest: &str) -> Result<Value, String> {
    let usage = "join ROOM` or `join ROOM TOKEN";
    match split(rest) {
        (room, "") => Ok(json!({"type": "join", "room": one(room, usage)?})),
        (room, token) => Ok(json!({"type": "join", "room": room, "token": one(token, usage)?})),
    }
}

/// The first word of a text, and what follows it.
fn split(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// A word that nothing follows.
fn one<'a>(rest: &'a str, usage: &str) -> Result<&'a str, String> {
    match split(rest) {
        (word, "") if !word.is_empty() => Ok(word),
        _ => Err(format!("the command is `{usage}`")),
    }
}

/// A word and the text after it.
fn two<'a>(rest: &'a str, usage: &str) -> Result<(&'a str, &'a str), String> {
    let (word, text) = split(rest);
    if text.is_empty() { Err(format!("the command is `{usage}`")) } else { Ok((word, text)) }
}

fn raw(line: &str) -> Result<Request, String> {
    let message: Value =
        serde_json::from_str(line).map_err(|error| format!("not sent, this is not JSON: {error}"))?;
    let reply = match message["type"].as_str() {
        Some("ping") => "pong",
        Some("secret") => "secret",
        Some("sessions" | "watch_sessions") => "sessions",
        Some("auth") => "authenticated",
        Some("join") => "joined",
        Some("leave") => "left",
        Some("send") => "sent",
        Some("rooms") => "rooms",
        _ => "error",
    };
    let id = message.get("id").filter(|id| id.is_string() || id.is_i64()).cloned();
    Ok(request(&message, line.to_owned(), id, reply))
}

fn unknown(word: &str) -> String {
    // Typing errors are rarely in the first letters: the command that shares the most of them is the likeliest.
    let agreement = |known: &str| known.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    match WORDS.iter().max_by_key(|known| agreement(known)).filter(|known| agreement(known) > 1) {
        Some(near) => format!("unknown command: did you mean `{near}`? `help` lists them"),
        None => "unknown command: `help` lists them".to_owned(),
    }
}

/// Whether a line may be kept in the history: it has no secret in it.
pub fn is_harmless(line: &str) -> bool {
    // Every JWT begins with this, which is `{"` in base64.
    const JWT: &str = "eyJ";
    let (word, rest) = split(line.trim());
    let brings_token = word == "join" && !split(rest).1.is_empty();
    !brings_token && ![JWT, "token", "password"].iter().any(|secret| line.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        let mut names = Names::default();
        names.add("0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708", "bob");
        parse(line, 7, &names)
    }

    /// The message that a line becomes.
    #[track_caller]
    fn sent(line: &str) -> (Value, &'static str) {
        let Ok(Command::Send(request)) = read(line) else { panic!("{line}") };
        assert_eq!(request.id, Some(json!(7)));
        (serde_json::from_str(&request.text).unwrap(), request.reply)
    }

    #[test]
    fn commands_become_requests() {
        let Ok(Command::Send(request)) = read(" watch ") else { panic!() };
        assert_eq!(
            serde_json::from_str::<Value>(&request.text).unwrap(),
            json!({"type": "watch_sessions", "id": 7})
        );
        assert_eq!((request.id, request.reply, request.watches), (Some(json!(7)), "sessions", true));
        assert_eq!(read(""), Ok(Command::Nothing));
        assert_eq!(read("quit"), Ok(Command::Quit));
        for word in WORDS {
            let line = if TAKE_A_NAME.contains(&word) { format!("{word} bob x") } else { word.to_owned() };
            assert!(!read(&line).is_err_and(|error| error.contains("unknown")), "{word}");
        }
    }

    #[test]
    fn rooms_are_joined_left_and_spoken_to() {
        assert_eq!(
            sent("join chat:lobby"),
            (json!({"type": "join", "id": 7, "room": "chat:lobby"}), "joined")
        );
        assert_eq!(
            sent("leave  chat:lobby "),
            (json!({"type": "leave", "id": 7, "room": "chat:lobby"}), "left")
        );
        let say = json!({"type": "send", "id": 7, "room": "chat:lobby", "data": {"text": "a  \"b\" {c}"}});
        assert_eq!(sent("say chat:lobby   a  \"b\" {c} "), (say, "sent"));
        let id = "0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";
        let tell = json!({"type": "send", "id": 7, "user": id, "data": {"text": "psst"}});
        assert_eq!(sent(&format!("tell {id} psst")), (tell.clone(), "sent"));
        assert_eq!(sent("tell bob psst"), (tell, "sent"));
        assert_eq!(sent("rooms"), (json!({"type": "rooms", "id": 7}), "rooms"));
        for (line, words) in [
            ("join", "`join ROOM` or `join ROOM TOKEN`"),
            ("join a:b c d", "`join ROOM` or `join ROOM TOKEN`"),
            ("say chat:lobby", "`say ROOM TEXT`"),
            ("say", "`say ROOM TEXT`"),
            ("tell bob", "`tell USER TEXT`"),
            ("tell carl hello", "nor the name of one"),
            ("rooms all", "a line of its own"),
        ] {
            assert!(read(line).unwrap_err().contains(words), "{line}");
        }
    }

    #[test]
    fn a_room_token_is_brought_again_and_stays_out_of_the_history() {
        let line = "join order:7 eyJhbGciOiJFZERTQSJ9.x.y";
        let token = "eyJhbGciOiJFZERTQSJ9.x.y";
        let expected = json!({"type": "join", "id": 7, "room": "order:7", "token": token});
        assert_eq!(sent(line), (expected.clone(), "joined"));
        for line in [line, &*expected.to_string()] {
            let Ok(Command::Send(request)) = read(line) else { panic!("{line}") };
            assert_eq!(request.token, Some(("order:7".to_owned(), token.to_owned())));
        }
        for (line, is) in [
            (line, false),
            ("  join order:7  x", false),
            ("jion order:7 eyJhbGciOiJFZERTQSJ9.x.y", false),
            (r#"{"type":"auth","token":"x"}"#, false),
            ("join order:7", true),
            ("say chat:lobby hello", true),
        ] {
            assert_eq!(is_harmless(line), is, "{line}");
        }
    }

    #[test]
    fn json_is_sent_as_it_is_and_anything_else_gets_a_hint() {
        let text = r#"{ "type" : "secret", "id":"a" }"#;
        let (id, text_of_it) = (Some(json!("a")), text.to_owned());
        let request = Request { text: text_of_it, id, reply: "secret", watches: false, token: None };
        assert_eq!(read(text), Ok(Command::Send(request)));
        assert!(read("{nonsense").unwrap_err().contains("not JSON"));
        assert!(read("sesions").unwrap_err().contains("`sessions`"));
        assert!(read("é").unwrap_err().contains("help"));
        assert!(read("éé \u{1b}").unwrap_err().contains("help"));
    }
}
