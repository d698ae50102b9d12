use super::*;

/// What is received, one after the other.
struct Heard {
    rooms: Rooms,
    now: Instant,
}

impl Heard {
    fn new() -> Self {
        Self { rooms: Rooms::default(), now: Instant::now() }
    }

    fn hears(&mut self, message: &Value) -> Vec<Notice> {
        let mut notices = VecDeque::new();
        self.rooms.receive(message.to_string().into(), self.now, || 0.5, &mut notices);
        notices.into()
    }

    fn joined(&self) -> Vec<&str> {
        self.rooms.joined().collect()
    }

    /// The one request to join again: its id and rooms.
    fn asks(requests: &[String]) -> (String, Vec<String>) {
        let [request] = requests else { panic!("{requests:?}") };
        let request: Value = serde_json::from_str(request).unwrap();
        assert_eq!(request["type"], "join");
        let rooms = request["rooms"].as_array().unwrap().iter();
        let rooms = rooms.map(|room| room["room"].as_str().unwrap().to_owned());
        (request["id"].as_str().unwrap().to_owned(), rooms.collect())
    }
}

fn is_message(notices: &[Notice]) -> bool {
    matches!(notices, [Notice::Message(_)])
}

#[test]
fn what_was_joined_is_joined_again_on_each_connection() {
    let mut heard = Heard::new();
    assert!(heard.rooms.connected().is_empty());
    assert!(is_message(&heard.hears(&json!({"type": "joined", "room": "chat:a", "can": []}))));
    let several = json!({"type": "joined", "id": 5, "rooms": [
        {"room": "chat:b", "can": []}, {"room": "staff:all", "error": {"code": "forbidden", "detail": "no"}},
    ]});
    assert!(is_message(&heard.hears(&several)), "the program reads the reply");
    heard.hears(&json!({"type": "joined", "room": "order:7", "can": [], "by": "app"}));
    assert_eq!(heard.joined(), ["chat:a", "chat:b"]);
    let (_, rooms) = Heard::asks(&heard.rooms.connected());
    assert_eq!(rooms, ["chat:a", "chat:b"]);

    heard.rooms.forget("chat:a");
    assert!(is_message(&heard.hears(&json!({"type": "left", "room": "chat:b", "code": "left"}))));
    assert!(heard.joined().is_empty() && heard.rooms.connected().is_empty());
}

#[test]
fn more_rooms_than_one_request_takes_are_asked_for_in_several() {
    let mut heard = Heard::new();
    for number in 0..250 {
        heard.hears(&json!({"type": "joined", "room": format!("chat:{number}"), "can": []}));
    }
    assert_eq!(heard.rooms.connected().len(), 3);
}

#[test]
fn a_room_that_cannot_be_joined_again_is_told_once_and_forgotten() {
    let mut heard = Heard::new();
    for room in ["chat:a", "staff:all"] {
        heard.hears(&json!({"type": "joined", "room": room, "can": []}));
    }
    let (id, _) = Heard::asks(&heard.rooms.connected());
    let reply = json!({"type": "joined", "id": id, "rooms": [
        {"room": "chat:a", "can": []}, {"room": "staff:all", "error": {"code": "forbidden", "detail": "no"}},
    ]});
    let [Notice::Message(_), Notice::RoomLeft(left)] = &heard.hears(&reply)[..] else { panic!() };
    assert_eq!((&*left.room, &*left.code, &*left.reason), ("staff:all", "forbidden", "no"));
    assert_eq!((left.rejoin, left.message()), (Reconnect::Never, None));
    assert_eq!(heard.joined(), ["chat:a"]);
    // A server that has no rooms any more.
    let (id, _) = Heard::asks(&heard.rooms.connected());
    let error = json!({"type": "error", "id": id, "code": "unknown_type", "detail": "no"});
    assert!(matches!(&heard.hears(&error)[..], [Notice::Message(_), Notice::RoomLeft(_)]));
    assert!(heard.joined().is_empty());
    assert!(is_message(&heard.hears(&error)), "it is no answer any more");
}

#[test]
fn what_is_refused_for_now_is_asked_for_again_after_a_growing_delay() {
    let mut heard = Heard::new();
    heard.hears(&json!({"type": "joined", "room": "chat:a", "can": []}));
    let (mut id, _) = Heard::asks(&heard.rooms.connected());
    let mut last = Duration::ZERO;
    for attempt in 0..12 {
        let error = json!({"code": "unavailable", "detail": "later"});
        let reply = json!({"type": "joined", "id": id, "rooms": [{"room": "chat:a", "error": error}]});
        let notices = heard.hears(&reply);
        assert!(matches!(&notices[..], [Notice::Message(_), Notice::RoomLeft(_)]), "{notices:?}");
        let delay = heard.rooms.retry_at().unwrap() - heard.now;
        assert!(delay >= last && delay <= LONGEST, "{attempt}: {delay:?} after {last:?}");
        last = delay;
        let (next, rooms) = Heard::asks(&heard.rooms.retry());
        assert_eq!(rooms, ["chat:a"]);
        assert_eq!(heard.rooms.retry_at(), None);
        id = next;
    }
    assert!(is_message(&heard.hears(&json!({"type": "joined", "id": id, "rooms": [{"room": "chat:a"}]}))));
    assert_eq!(heard.joined(), ["chat:a"]);
}

#[test]
fn a_push_says_whether_the_room_is_joined_again() {
    for (word, rejoin, stays) in [
        (json!("never"), Reconnect::Never, false),
        (json!("new_token"), Reconnect::NewToken, false),
        (json!("backoff"), Reconnect::Backoff, true),
        (json!("a later version's word"), Reconnect::Never, false),
        (json!(null), Reconnect::Never, false),
    ] {
        let mut heard = Heard::new();
        heard.hears(&json!({"type": "joined", "room": "chat:a", "can": []}));
        let push =
            json!({"type": "left", "room": "chat:a", "code": "closed", "reason": "closed", "rejoin": word});
        let [Notice::RoomLeft(left)] = &heard.hears(&push)[..] else { panic!() };
        assert_eq!((left.rejoin, &*left.code), (rejoin, "closed"));
        assert_eq!(left.message().unwrap().as_value(), &push);
        assert_eq!((heard.joined().len() == 1, heard.rooms.retry_at().is_some()), (stays, stays));
    }
}

#[test]
fn messages_name_their_sender() {
    let mut heard = Heard::new();
    let mut message = json!({"type": "message", "room": "chat:a", "message": "m1", "at": "2026-01-02T03:04:05Z",
        "from": {"user": "7", "username": "ann"}, "event": "say", "data": [1]});
    let [Notice::RoomMessage(read)] = &heard.hears(&message)[..] else { panic!() };
    assert_eq!((read.room(), read.id(), read.at()), ("chat:a", "m1", "2026-01-02T03:04:05Z"));
    assert_eq!((read.event(), read.key(), read.data()), (Some("say"), None, &json!([1])));
    assert_eq!(read.sender(), Sender::User { id: "7", username: "ann" });
    message["from"] = json!({"app": "orders"});
    let [Notice::RoomMessage(read)] = &heard.hears(&message)[..] else { panic!() };
    assert_eq!(read.sender(), Sender::App { name: "orders" });
    message["from"] = json!("ann");
    assert!(is_message(&heard.hears(&message)), "an application's own message");
}
