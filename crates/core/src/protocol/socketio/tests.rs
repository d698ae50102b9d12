use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn packet(kind: Kind, data: &str) -> Packet<'_> {
    Packet { kind, attachments: 0, namespace: "/", ack: None, data }
}

#[test]
fn packets_are_read_as_the_protocol_shows_them() {
    for (text, expected) in [
        ("0", packet(Kind::Connect, "")),
        (r#"0/admin,{"sid":"x"}"#, Packet { namespace: "/admin", ..packet(Kind::Connect, r#"{"sid":"x"}"#) }),
        ("0/custom", Packet { namespace: "/custom", ..packet(Kind::Connect, "") }),
        (r#"2["foo"]"#, packet(Kind::Event, r#"["foo"]"#)),
        (r#"2/admin,["bar"]"#, Packet { namespace: "/admin", ..packet(Kind::Event, r#"["bar"]"#) }),
        (r#"212["foo"]"#, Packet { ack: Some(12), ..packet(Kind::Event, r#"["foo"]"#) }),
        (
            r#"3/admin,13["bar"]"#,
            Packet { namespace: "/admin", ack: Some(13), ..packet(Kind::Ack, r#"["bar"]"#) },
        ),
        ("1/admin,", Packet { namespace: "/admin", ..packet(Kind::Disconnect, "") }),
        (
            r#"52-/admin,7["baz"]"#,
            Packet { attachments: 2, namespace: "/admin", ack: Some(7), ..packet(Kind::Event, r#"["baz"]"#) },
        ),
    ] {
        assert_eq!(Packet::decode(text), Ok(expected), "{text}");
    }
    for text in ["", "abc", "7", "5[\"x\"]", "5-[\"x\"]", "511-[\"x\"]", "5x-[]", "299999999999999999999[]"] {
        assert_eq!(Packet::decode(text), Err(Malformed), "{text}");
    }
}

fn read(text: &str) -> Result<ClientMessage<'_>, Malformed> {
    Packet::decode(text)?.message(NamespaceId::MAIN, false)
}

#[test]
fn events_have_a_name_and_arguments() {
    for (text, name, arguments) in [
        (r#"2["secret"]"#, "secret", ""),
        (r#"2["message",1,"2",{"3":[true]}]"#, "message", r#"1,"2",{"3":[true]}"#),
        ("2[ \"message\" , 1 , 2 ] ", "message", " 1 , 2 "),
        (r#"2["a\"b",null]"#, "a\"b", "null"),
    ] {
        let message = read(text).unwrap();
        assert_eq!(message.request, Request::Event { name: Cow::Borrowed(name), arguments }, "{text}");
    }
    let message = read(r#"2["ping",{"id":"x"}]"#).unwrap();
    assert_eq!(message.to.id, Some(super::super::RequestId::Text("x".to_owned())));
    let auth = read(r#"2["auth",{"token":"abc"}]"#).unwrap();
    assert_eq!(auth.request, Request::Auth { token: Cow::Borrowed("abc") });
}

#[test]
fn a_mistake_is_told_apart_from_what_is_no_packet() {
    for (text, code) in
        [(r#"2["auth",{}]"#, "missing_token"), (r#"2["ping",{"id":{}}]"#, "bad_id"), ("2[5]", "missing_type")]
    {
        assert!(
            matches!(read(text).unwrap().request, Request::Invalid { code: found, .. } if found == code),
            "{text}"
        );
    }
    for text in [
        "2",
        "2{}",
        "2[]",
        "2[{}]",
        "2[[\"ping\"]]",
        "2[true]",
        "2[\"x\"",
        "2[\"x\"]y",
        "2abc[\"x\"]",
        "0[]",
        "0\"x\"",
        "1{}",
        "3[]",
        "31{}",
        "4{}",
    ] {
        assert_eq!(read(text), Err(Malformed), "{text}");
    }
}

#[test]
fn a_connect_may_bring_a_token() {
    for (text, expected) in
        [("0", None), ("0{}", None), (r#"0{"token":"abc"}"#, Some("abc")), (r#"0{"token":5}"#, Some(""))]
    {
        let Request::Join { token, .. } = read(text).unwrap().request else { panic!("{text}") };
        assert_eq!(token.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_message_is_written_as_an_event_or_as_its_fields() {
    let id = Some(super::super::RequestId::Number(7));
    for (message, event, fields) in [
        (ServerMessage::Pong { to: ReplyTo::default() }, r#""pong",{}"#, "{}"),
        (ServerMessage::Pong { to: ReplyTo::id(id) }, r#""pong",{"id":7}"#, r#"{"id":7}"#),
    ] {
        for (name, expected) in [(true, event), (false, fields)] {
            let mut out = b"42[".to_vec();
            write_fields(&mut out, &message, name);
            assert_eq!(String::from_utf8(out).unwrap(), format!("42[{expected}"));
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[0-6]?([0-9]{0,3}-)?(/[a-z]{0,5},)?[0-9]{0,3}.{0,60}") {
        if let Ok(packet) = Packet::decode(&text) {
            let _ = packet.message(NamespaceId::MAIN, false);
        }
    }

    #[test]
    fn a_head_comes_back(
        kind in prop::sample::select(vec![Kind::Connect, Kind::Disconnect, Kind::Event, Kind::Ack]),
        attachments in 0..=MAX_ATTACHMENTS,
        namespace in "/[a-z]{0,6}",
        ack in prop::option::of(0..=MAX_ACK),
    ) {
        let attachments = if matches!(kind, Kind::Event | Kind::Ack) { attachments } else { 0 };
        let mut out = Vec::new();
        write_head(&mut out, kind, attachments, &namespace, ack);
        out.extend_from_slice(b"[]");
        let text = String::from_utf8(out).unwrap();
        let expected = Packet { kind, attachments, namespace: &namespace, ack, data: "[]" };
        prop_assert_eq!(Packet::decode(&text[1..]), Ok(expected));
    }

    #[test]
    fn arguments_come_back_as_they_were(
        name in "[a-z]{1,8}",
        values in prop::collection::vec(any::<i32>(), 0..5),
    ) {
        prop_assume!(name != "auth");
        let mut list = vec![serde_json::json!(name)];
        list.extend(values.iter().map(|value| serde_json::json!(value)));
        let text = format!("2{}", serde_json::to_string(&list).unwrap());
        let message = read(&text).unwrap();
        let Request::Event { arguments, .. } = message.request else { panic!("{text}") };
        let back: Vec<i32> = serde_json::from_str(&format!("[{arguments}]")).unwrap();
        prop_assert_eq!(back, values);
    }
}
