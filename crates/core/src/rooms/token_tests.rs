use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const SERVER: &str = "https://id.example.org";
const USER: UserId = UserId(Uuid::from_u128(0xa1));
const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(seconds, 0).unwrap().naive_utc()
}

fn claims() -> Value {
    json!({"sub": USER, "room": "chat:lobby", "iat": NOW, "exp": NOW + 600})
}

fn read(claims: &Value) -> Result<RoomToken, &'static str> {
    let claims: TokenClaims = serde_json::from_value(claims.clone()).map_err(|_| "not claims")?;
    claims.read(SERVER, at(NOW)).map_err(|refusal| {
        assert_eq!(refusal.code, "bad_token");
        refusal.detail
    })
}

fn with(name: &str, value: Value) -> Result<RoomToken, &'static str> {
    let mut claims = claims();
    claims[name] = value;
    read(&claims)
}

#[test]
fn a_token_says_who_where_what_and_until_when() {
    let all = TokenOps { send: true, presence: true };
    let room = TokenRooms::One(RoomName::parse("chat:lobby").unwrap());
    let expected = RoomToken {
        user: USER,
        rooms: room,
        ops: all,
        id: None,
        issued_at: at(NOW),
        expires_at: at(NOW + 600),
    };
    assert_eq!(read(&claims()), Ok(expected.clone()));
    assert_eq!(with("extra", json!({"a": [1]})), Ok(expected.clone()), "what is not known is ignored");
    assert_eq!(with("jti", json!("7")), Ok(RoomToken { id: Some("7".into()), ..expected }));
    let ops = |listed: Value| with("ops", listed).map(|token| (token.ops.send, token.ops.presence));
    assert_eq!(ops(json!([])), Ok((false, false)));
    assert_eq!(ops(json!(["send"])), Ok((true, false)));
    assert_eq!(ops(json!(["presence", "send", "send"])), Ok((true, true)));
    for wrong in [json!(["Send"]), json!(["join"]), json!([""])] {
        assert!(ops(wrong.clone()).unwrap_err().contains("`ops`"), "{wrong}");
    }
}

#[test]
fn each_claim_that_is_missing_or_wrong_is_refused() {
    for name in ["sub", "room", "iat", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(read(&claims), Err("not claims"), "{name}");
    }
    for (name, value, why) in [
        ("sub", json!(7), "not claims"),
        ("sub", json!("ann"), "`sub`"),
        ("sub", json!(USER.0.simple().to_string()), "`sub`"),
        ("sub", json!(USER.to_string().to_uppercase()), "`sub`"),
        ("room", json!(["chat:lobby"]), "not claims"),
        ("room", json!("chat"), "`room`"),
        ("room", json!("*"), "`room`"),
        ("room", json!("chat*"), "`room`"),
        ("ops", json!("send"), "not claims"),
        ("jti", json!(7), "not claims"),
        ("jti", json!(""), "`jti`"),
        ("jti", json!("x".repeat(LONGEST_TOKEN_ID + 1)), "`jti`"),
        ("exp", json!("later"), "not claims"),
        ("exp", json!(NOW + 86_401), "24 hours"),
        ("exp", json!(1e300), "not claims"),
        ("exp", json!(-1e300), "not claims"),
        ("iat", json!(NOW + 6), "not valid yet"),
        ("iat", json!(null), "not claims"),
        ("nbf", json!(NOW + 6), "not valid yet"),
        ("aud", json!("https://other.example.org"), "`aud`"),
        ("aud", json!([]), "`aud`"),
        ("aud", json!(7), "not claims"),
        ("aud", json!(format!("{SERVER}.evil.example")), "`aud`"),
    ] {
        let error = with(name, value.clone()).unwrap_err();
        assert!(error.contains(why), "{name} {value}: {error}");
    }
    for (name, value) in [
        ("exp", json!(NOW + 86_400)),
        ("iat", json!(NOW + 5)),
        ("nbf", json!(NOW + 5)),
        ("nbf", json!(NOW - 500)),
        ("iat", json!(f64::from(1_799_999_999) + 0.9)),
        ("aud", json!(SERVER)),
        ("aud", json!(format!("{SERVER}/"))),
        ("aud", json!(["elsewhere", SERVER])),
        ("jti", json!("x".repeat(LONGEST_TOKEN_ID))),
    ] {
        assert!(with(name, value.clone()).is_ok(), "{name} {value}");
    }
}

#[test]
fn a_prefix_covers_what_begins_with_it_within_one_kind() {
    let covers =
        |rooms: &str, room: &str| TokenRooms::parse(rooms).unwrap().cover(&RoomName::parse(room).unwrap());
    for (rooms, room, is) in [
        ("chat:a", "chat:a", true),
        ("chat:a", "chat:ab", false),
        ("chat:a*", "chat:a", true),
        ("chat:a*", "chat:ab:c", true),
        ("chat:a*", "chat:b", false),
        ("chat:a*", "chat:A", false),
        ("chat:a*", "chat2:a", false),
        ("chat:*", "chat:anything", true),
        ("chat:*", "chatty:anything", false),
        ("order:17:*", "order:17:x", true),
        ("order:17:*", "order:17", false),
        ("order:17:*", "order:170", false),
    ] {
        assert_eq!(covers(rooms, room), is, "{rooms} {room}");
    }
    for wrong in
        ["", "*", ":*", "chat*", "ch*:a", "chat:a*b", "chat:a**", "chat:**", "Chat:*", "chat:é*", "chat:a *"]
    {
        assert_eq!(TokenRooms::parse(wrong), None, "{wrong}");
    }
    let longest = "x".repeat(194);
    assert!(TokenRooms::parse(&format!("chat:{longest}*")).is_some());
    assert!(TokenRooms::parse(&format!("chat:{longest}x*")).is_none(), "it covers no room");
}

#[test]
fn a_token_stays_out_of_logs() {
    assert_eq!(format!("{:?}", TokenText("hunter2")), "TokenText");
}

proptest! {
    #[test]
    fn no_claims_panic_and_what_is_taken_is_bounded(
        room in "\\PC{0,20}|[a-z]{1,3}:[a-c]{0,3}\\*{0,2}", iat in any::<f64>(), life in -100..100_000_i64, text in "\\PC{0,200}",
    ) {
        let _ = serde_json::from_str::<TokenClaims>(&text).map(|claims| claims.read(SERVER, at(NOW)));
        for iat in [iat, 1_800_000_000.0] {
            let exp = iat + f64::from(i32::try_from(life).unwrap());
            if let Ok(token) = read(&json!({"sub": USER, "room": room, "iat": iat, "exp": exp})) {
                prop_assert!(token.expires_at - token.issued_at <= LONGEST_TOKEN_LIFE);
                prop_assert!(token.issued_at <= at(NOW) + LEEWAY);
            }
        }
    }

    /// A token covers rooms of the kind that it names alone, and all that it covers begin with what it says.
    #[test]
    fn rooms_are_covered_as_they_are_named(rooms in "[a-c]{1,2}:?[a-c:]{0,3}\\*?", room in "[a-c]{1,2}:[a-c:]{1,4}") {
        let room = RoomName::parse(&room).unwrap();
        if let Some(parsed) = TokenRooms::parse(&rooms) {
            let expected = match rooms.strip_suffix('*') {
                Some(beginning) => room.as_str().starts_with(beginning),
                None => room.as_str() == rooms,
            };
            prop_assert_eq!(parsed.cover(&room), expected);
            let kind = format!("{}:", room.kind());
            prop_assert!(!expected || rooms.starts_with(&kind));
        }
    }
}
