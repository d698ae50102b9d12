//! The JSON dialect: one object a message.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ClientMessage, NamespaceId, Payload, ReplyTo, Request, RequestId, ServerMessage};
use crate::domain::without_bom;

/// The message is not a JSON object, or names a member twice. The session ends with 4400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnObject;

// Members are kept raw at first: one of the wrong type is an error that the session survives, unlike text
// that is no JSON object.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
}

/// Reads one message; `namespace` finds one by its name. Unknown members are ignored. What an event brings is
/// the list `args`, if there is one, or else the object itself.
///
/// # Errors
/// [`NotAnObject`] if it is anything but one JSON object.
pub fn decode(
    text: &str,
    namespace: impl FnOnce(&str) -> Option<NamespaceId>,
) -> Result<ClientMessage<'_>, NotAnObject> {
    // Some clients put a byte order mark before a text (RFC 8259 section 8.1).
    let text = without_bom(text);
    // Serde reads a struct from an array as well; the protocol does not.
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(NotAnObject);
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|_| NotAnObject)?;
    let mut to = ReplyTo::default();
    match members.id.map(decode_id) {
        None => {}
        Some(Ok(id)) => to.id = id,
        Some(Err(invalid)) => return Ok(ClientMessage { to, request: invalid }),
    }
    if let Some(name) = members.namespace {
        match decode_str(name).and_then(|name| namespace(&name)) {
            Some(namespace) => to.namespace = namespace,
            None => return Ok(ClientMessage { to, request: UNKNOWN_NAMESPACE }),
        }
    }
    let request = match members.kind.and_then(decode_str) {
        None => Request::Invalid { code: "missing_type", detail: "`type` must be a string" },
        Some(name) => {
            Request::named(name, || members.token.and_then(decode_str), || arguments(text, members.args))
        }
    };
    Ok(ClientMessage { to, request })
}

const UNKNOWN_NAMESPACE: Request<'static> =
    Request::Invalid { code: "unknown_namespace", detail: "this server has no such `namespace`" };

fn arguments<'a>(text: &'a str, args: Option<&'a RawValue>) -> &'a str {
    let inner = args.and_then(|args| args.get().strip_prefix('[')?.strip_suffix(']'));
    inner.unwrap_or(text).trim()
}

pub(super) fn decode_str(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    // A string without escapes is borrowed as it stands.
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        _ => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
    }
}

pub(super) fn decode_id(raw: &RawValue) -> Result<Option<RequestId>, Request<'static>> {
    let id = match raw.get().as_bytes().first() {
        Some(b'n') => return Ok(None),
        Some(b'"') => decode_str(raw)
            .filter(|text| text.chars().count() <= RequestId::MAX_CHARS)
            .map(|text| RequestId::Text(text.into_owned())),
        _ => serde_json::from_str(raw.get()).ok().map(RequestId::Number),
    };
    id.map(Some).ok_or(Request::Invalid {
        code: "bad_id",
        detail: "`id` must be an integer or a string of at most 64 characters",
    })
}

/// Whether the dialect has anything to say for a message. It has no acknowledgements: an answer without arguments goes
/// to clients that gave their request an `id` alone.
#[must_use]
pub const fn says(message: &ServerMessage) -> bool {
    !matches!(message, ServerMessage::Acknowledge { to, .. } if to.id.is_none())
}

/// Writes one message, appended to `out`; `namespace` names one.
pub fn encode<'a>(
    message: &ServerMessage,
    namespace: impl FnOnce(NamespaceId) -> &'a str,
    out: &mut Vec<u8>,
) {
    match message {
        ServerMessage::Reply { to, name, payload } => event(name, to, payload, namespace, out),
        ServerMessage::Acknowledge { to, name, payload } if to.id.is_some() => {
            event(name, to, payload, namespace, out);
        }
        ServerMessage::Acknowledge { .. } => {}
        ServerMessage::Event { namespace: of, name, payload } => {
            event(name, &ReplyTo::namespace(*of), payload, namespace, out);
        }
        message => write(message, out),
    }
}

/// Anything of ours is JSON: no map in it has keys that are no strings, and a Vec takes everything.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok());
}

/// A payload that is one object gives its members to the message; any other becomes the list `args`.
fn event<'a>(
    name: &str,
    to: &ReplyTo,
    payload: &Payload,
    namespace: impl FnOnce(NamespaceId) -> &'a str,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"type":"#);
    write(name, out);
    if let Some(id) = &to.id {
        out.extend_from_slice(br#","id":"#);
        write(id, out);
    }
    if to.namespace != NamespaceId::MAIN {
        out.extend_from_slice(br#","namespace":"#);
        write(namespace(to.namespace), out);
    }
    // What was read before is written again: it is JSON.
    let arguments = payload.inlined().unwrap_or_default();
    match members(&arguments) {
        Some("") => {}
        Some(members) => {
            out.push(b',');
            out.extend_from_slice(members.as_bytes());
        }
        None => {
            out.extend_from_slice(br#","args":["#);
            out.extend_from_slice(arguments.as_bytes());
            out.push(b']');
        }
    }
    out.push(b'}');
}

/// What is between the braces of arguments that are one object which names none of the message's own members.
fn members(arguments: &str) -> Option<&str> {
    if arguments.is_empty() {
        return Some("");
    }
    let inner = arguments.strip_prefix('{')?.strip_suffix('}')?;
    let Members { id: None, kind: None, namespace: None, args: None, .. } =
        serde_json::from_str(arguments).ok()?
    else {
        return None;
    };
    Some(inner.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> Result<ClientMessage<'_>, NotAnObject> {
        super::decode(text, |name| (name == "/other").then_some(NamespaceId(3)))
    }

    fn event<'a>(name: &'a str, id: Option<RequestId>, text: &'a str) -> ClientMessage<'a> {
        let request = Request::Event { name: Cow::Borrowed(name), arguments: text.trim() };
        ClientMessage { to: ReplyTo::id(id), request }
    }

    fn encoded(message: &ServerMessage) -> String {
        let mut out = Vec::new();
        encode(message, |_| "/other", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reads_what_the_protocol_shows() {
        for (text, id) in [
            (r#"{"type":"say"}"#, None),
            (r#" {"id":7,"type":"say","x":[1]}"#, Some(RequestId::Number(7))),
            (r#"{"id":"a\"b","type":"say"}"#, Some(RequestId::Text("a\"b".into()))),
        ] {
            assert_eq!(decode(text), Ok(event("say", id, text)));
        }
        for (name, request) in [
            ("ping", Request::Ping),
            ("pong", Request::Pong),
            ("sessions", Request::Sessions),
            ("watch_sessions", Request::WatchSessions),
        ] {
            assert_eq!(decode(&format!(r#"{{"type":"{name}","x":[1]}}"#)).unwrap().request, request);
        }
        assert_eq!(
            decode(r#"{"type":"auth","token":"abc"}"#).unwrap().request,
            Request::Auth { token: Cow::Borrowed("abc") }
        );
    }

    #[test]
    fn a_bad_member_is_an_error_and_no_end() {
        for (text, code) in [
            ("{}", "missing_type"),
            (r#"{"type":5}"#, "missing_type"),
            (r#"{"type":"auth"}"#, "missing_token"),
            (r#"{"type":"auth","token":null}"#, "missing_token"),
            (r#"{"type":"ping","id":1.5}"#, "bad_id"),
            (r#"{"type":"ping","id":{}}"#, "bad_id"),
        ] {
            let Request::Invalid { code: got, .. } = decode(text).unwrap().request else {
                panic!("{text} was taken")
            };
            assert_eq!(got, code, "{text}");
        }
        let long = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(65));
        assert!(matches!(decode(&long).unwrap().request, Request::Invalid { code: "bad_id", .. }));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        // A member that is not read is skipped without recursion, however deep it is.
        assert!(decode(&format!(r#"{{"x":{deep}}}"#)).is_ok());
        for text in
            ["", " ", "null", "5", "[]", r#"["ping"]"#, r#""x""#, "{", "{}x", r#"{"id":1,"id":2}"#, &deep]
        {
            assert_eq!(decode(text), Err(NotAnObject), "{}", text.get(..20).unwrap_or(text));
        }
    }

    #[test]
    fn an_event_brings_its_list_or_itself_and_is_answered_alike() {
        let message = decode(r#"{"type":"x","namespace":"/other","args":[1, "2"]}"#).unwrap();
        assert_eq!(message.to.namespace, NamespaceId(3));
        assert!(matches!(message.request, Request::Event { arguments: r#"1, "2""#, .. }));
        let nowhere = decode(r#"{"type":"x","namespace":"/nowhere"}"#).unwrap().request;
        assert!(matches!(nowhere, Request::Invalid { code: "unknown_namespace", .. }));

        let to = ReplyTo { id: Some(RequestId::Number(7)), namespace: NamespaceId(3), ack: None };
        for (payload, expected) in [
            (Payload::empty(), r#"{"type":"x","id":7,"namespace":"/other"}"#),
            (
                Payload::new(&serde_json::json!({"a": 1})).unwrap(),
                r#"{"type":"x","id":7,"namespace":"/other","a":1}"#,
            ),
            (Payload::list(&(1, "2")).unwrap(), r#"{"type":"x","id":7,"namespace":"/other","args":[1,"2"]}"#),
            // Its own `id` would be a second one.
            (
                Payload::new(&serde_json::json!({"id": 1})).unwrap(),
                r#"{"type":"x","id":7,"namespace":"/other","args":[{"id":1}]}"#,
            ),
        ] {
            let message = ServerMessage::Reply { to: to.clone(), name: "x".into(), payload };
            assert_eq!(encoded(&message), expected);
        }
        let event = ServerMessage::Event {
            namespace: NamespaceId::MAIN,
            name: "x".into(),
            payload: Payload::new("y").unwrap(),
        };
        assert_eq!(encoded(&event), r#"{"type":"x","args":["y"]}"#);
        let unasked = ServerMessage::Acknowledge {
            to: ReplyTo::default(),
            name: "x".into(),
            payload: Payload::empty(),
        };
        assert_eq!(encoded(&unasked), "");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = decode(&text);
        }

        #[test]
        fn any_object_is_read(id in any::<i64>(), name in "[a-z_]{1,20}") {
            prop_assume!(name != "auth");
            let text = serde_json::json!({"id": id, "type": name, "more": {"id": 5}}).to_string();
            prop_assert_eq!(decode(&text), Ok(event(&name, Some(RequestId::Number(id)), &text)));
        }

        #[test]
        fn an_id_comes_back_as_it_was(id in ".{0,64}") {
            let text = serde_json::json!({"id": id, "type": "ping"}).to_string();
            let message = decode(&text).unwrap();
            let reply = encoded(&ServerMessage::Pong { to: message.to });
            let reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
            prop_assert_eq!(reply["id"].as_str(), Some(id.as_str()));
        }
    }
}
