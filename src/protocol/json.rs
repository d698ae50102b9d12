//! The JSON dialect: one object a message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ClientMessage, Request, RequestId, ServerMessage};

/// What came is no JSON object, or names a member twice. The session ends with 4400.
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
}

/// Reads one message. Unknown members are ignored.
///
/// # Errors
/// [`NotAnObject`].
pub fn decode(text: &str) -> Result<ClientMessage<'_>, NotAnObject> {
    // Serde reads a struct from an array as well; the protocol does not.
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(NotAnObject);
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|_| NotAnObject)?;
    let id = match members.id.map(decode_id) {
        None => None,
        Some(Ok(id)) => id,
        Some(Err(invalid)) => return Ok(ClientMessage { id: None, request: invalid }),
    };
    let request = match members.kind.and_then(decode_str) {
        None => Request::Invalid { code: "missing_type", detail: "`type` must be a string" },
        Some(name) if name == "auth" => match members.token.and_then(decode_str) {
            Some(token) => Request::Auth { token },
            None => Request::Invalid { code: "missing_token", detail: "`token` must be a string" },
        },
        Some(name) => Request::Event { name },
    };
    Ok(ClientMessage { id, request })
}

fn decode_str(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    // A string without escapes is borrowed as it stands.
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        _ => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
    }
}

fn decode_id(raw: &RawValue) -> Result<Option<RequestId>, Request<'static>> {
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

/// Writes one message, appended to `out`.
pub fn encode(message: &ServerMessage, out: &mut Vec<u8>) {
    // Fails only if a map has keys that are no strings or the writer fails: there are no maps, and a
    // Vec takes everything.
    let written = serde_json::to_writer(out, message);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(name: &str, id: Option<RequestId>) -> ClientMessage<'_> {
        ClientMessage { id, request: Request::Event { name: Cow::Borrowed(name) } }
    }

    #[test]
    fn reads_what_the_protocol_shows() {
        assert_eq!(decode(r#"{"type":"ping"}"#), Ok(event("ping", None)));
        assert_eq!(
            decode(r#" {"id":7,"type":"ping","x":[1]}"#),
            Ok(event("ping", Some(RequestId::Number(7))))
        );
        assert_eq!(
            decode(r#"{"id":"a\"b","type":"ping"}"#),
            Ok(event("ping", Some(RequestId::Text("a\"b".into()))))
        );
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
        // A member that nobody reads is passed over, however deep: without recursion.
        assert!(decode(&format!(r#"{{"x":{deep}}}"#)).is_ok());
        for text in
            ["", " ", "null", "5", "[]", r#"["ping"]"#, r#""x""#, "{", "{}x", r#"{"id":1,"id":2}"#, &deep]
        {
            assert_eq!(decode(text), Err(NotAnObject), "{}", text.get(..20).unwrap_or(text));
        }
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
            prop_assert_eq!(decode(&text), Ok(event(&name, Some(RequestId::Number(id)))));
        }

        #[test]
        fn an_id_comes_back_as_it_was(id in ".{0,64}") {
            let text = serde_json::json!({"id": id, "type": "ping"}).to_string();
            let message = decode(&text).unwrap();
            let mut out = Vec::new();
            encode(&ServerMessage::Pong { id: message.id }, &mut out);
            let reply: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(reply["id"].as_str(), Some(id.as_str()));
        }
    }
}
