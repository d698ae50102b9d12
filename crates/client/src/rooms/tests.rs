use super::*;

/// What is received, one after the other.
struct Received {
    rooms: Rooms,
    now: Instant,
}

impl Received {
    fn new() -> Self {
        Self { rooms: Rooms::default(), now: Instant::now() }
    }

    fn receive(&mut self, message: &Value) -> Vec<Notice> {
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
    let mut received = Received::new();
    assert!(received.rooms.connected().is_empty());
    assert!(is_message(&received.receive(&json!({"type": "joined", "room": "chat:a", "can": []}))));
    let several = json!({"type": "joined", "id": 5, "rooms": [
        {"room": "chat:b", "can": []}, {"room": "staff:all", "error": {"code": "forbidden", "detail": "no"}},
    ]});
    assert!(is_message(&received.receive(&several)), "the program reads the reply");
    received.receive(&json!({"type": "joined", "room": "order:7", "can": [], "by": "app"}));
    assert_eq!(received.joined(), ["chat:a", "chat:b"]);
    let (_, rooms) = Received::asks(&received.rooms.connected());
    assert_eq!(rooms, ["chat:a", "chat:b"]);

    received.rooms.forget("chat:a");
    assert!(is_message(&received.receive(&json!({"type": "left", "room": "chat:b", "code": "left"}))));
    assert!(received.joined().is_empty() && received.rooms.connected().is_empty());
}

#[test]
fn more_rooms_than_one_request_takes_are_asked_for_in_several() {
    let mut received = Received::new();
    for number in 0..250 {
        received.receive(&json!({"type": "joined", "room": format!("chat:{number}"), "can": []}));
    }
    assert_eq!(received.rooms.connected().len(), 3);
    // Tokens take room as well.
    for number in 0..20 {
        let token = "x".repeat(4096);
        received.rooms.tokens.set(&format!("chat:{number}"), Source::Fixed(token));
    }
    let requests = received.rooms.connected();
    assert!(requests.iter().all(|request| request.len() < 40_000));
    assert_eq!(
        requests.iter().map(|request| Received::asks(std::slice::from_ref(request)).1.len()).sum::<usize>(),
        250
    );
}

#[test]
fn a_room_that_cannot_be_joined_again_is_told_once_and_forgotten() {
    let mut received = Received::new();
    for room in ["chat:a", "staff:all"] {
        received.receive(&json!({"type": "joined", "room": room, "can": []}));
    }
    let (id, _) = Received::asks(&received.rooms.connected());
    let reply = json!({"type": "joined", "id": id, "rooms": [
        {"room": "chat:a", "can": []}, {"room": "staff:all", "error": {"code": "forbidden", "detail": "no"}},
    ]});
    let [Notice::Message(_), Notice::RoomLeft(left)] = &received.receive(&reply)[..] else { panic!() };
    assert_eq!((&*left.room, &*left.code, &*left.reason), ("staff:all", "forbidden", "no"));
    assert_eq!((left.rejoin, left.message()), (Reconnect::Never, None));
    assert_eq!(received.joined(), ["chat:a"]);
    // A server that has no rooms any more.
    let (id, _) = Received::asks(&received.rooms.connected());
    let error = json!({"type": "error", "id": id, "code": "unknown_type", "detail": "no"});
    assert!(matches!(&received.receive(&error)[..], [Notice::Message(_), Notice::RoomLeft(_)]));
    assert!(received.joined().is_empty());
    assert!(is_message(&received.receive(&error)), "it is no answer any more");
}

#[test]
fn what_is_refused_for_now_is_asked_for_again_after_a_growing_delay() {
    let mut received = Received::new();
    received.receive(&json!({"type": "joined", "room": "chat:a", "can": []}));
    let (mut id, _) = Received::asks(&received.rooms.connected());
    let mut last = Duration::ZERO;
    for attempt in 0..12 {
        let error = json!({"code": "unavailable", "detail": "later"});
        let reply = json!({"type": "joined", "id": id, "rooms": [{"room": "chat:a", "error": error}]});
        let notices = received.receive(&reply);
        let is_told = matches!(&notices[..], [Notice::Message(_), Notice::RoomLeft(_)]);
        assert!(if attempt == 0 { is_told } else { is_message(&notices) }, "{notices:?}");
        let delay = received.rooms.retry_at().unwrap() - received.now;
        assert!(delay >= last && delay <= LONGEST, "{attempt}: {delay:?} after {last:?}");
        last = delay;
        let (next, rooms) = Received::asks(&received.rooms.retry());
        assert_eq!(rooms, ["chat:a"]);
        assert_eq!(received.rooms.retry_at(), None);
        id = next;
    }
    assert!(is_message(
        &received.receive(&json!({"type": "joined", "id": id, "rooms": [{"room": "chat:a"}]}))
    ));
    assert_eq!(received.joined(), ["chat:a"]);
    // From now on as at first.
    let left =
        json!({"type": "left", "room": "chat:a", "code": "removed", "reason": "no", "rejoin": "backoff"});
    assert!(matches!(&received.receive(&left)[..], [Notice::RoomLeft(_)]));
    assert!(received.rooms.retry_at().unwrap() - received.now < last / 4);
}

#[test]
fn a_room_that_is_left_is_not_joined_by_what_was_under_way() {
    let mut received = Received::new();
    received.receive(&json!({"type": "joined", "room": "chat:a", "can": []}));
    let (again, _) = Received::asks(&received.rooms.connected());
    let leave = received.rooms.leave("chat:a");
    received.receive(&json!({"type": "joined", "id": again, "rooms": [{"room": "chat:a", "can": []}]}));
    received.receive(&json!({"type": "joined", "id": 3, "room": "chat:a", "can": []}));
    assert!(received.joined().is_empty());
    received.receive(&json!({"type": "left", "id": leave, "room": "chat:a", "code": "left"}));
    received.receive(&json!({"type": "joined", "id": 4, "room": "chat:a", "can": []}));
    assert_eq!(received.joined(), ["chat:a"], "asked for after it was left");
    // A request that is refused as a whole is about the rooms that are still wanted.
    let (again, _) = Received::asks(&received.rooms.connected());
    received.rooms.leave("chat:a");
    let error = json!({"type": "error", "id": again, "code": "unavailable", "detail": "later"});
    assert!(is_message(&received.receive(&error)));
    assert_eq!(received.rooms.retry_at(), None);
}

#[test]
fn what_the_application_has_joined_is_not_joined_again_from_here() {
    let mut received = Received::new();
    received.receive(&json!({"type": "joined", "room": "order:7", "can": [], "by": "app"}));
    let left =
        json!({"type": "left", "room": "order:7", "code": "removed", "reason": "no", "rejoin": "backoff"});
    let [Notice::RoomLeft(left)] = &received.receive(&left)[..] else { panic!() };
    assert_eq!((left.rejoin, received.rooms.retry_at()), (Reconnect::Never, None));
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
        let mut received = Received::new();
        received.receive(&json!({"type": "joined", "room": "chat:a", "can": []}));
        let push =
            json!({"type": "left", "room": "chat:a", "code": "closed", "reason": "closed", "rejoin": word});
        let [Notice::RoomLeft(left)] = &received.receive(&push)[..] else { panic!() };
        assert_eq!((left.rejoin, &*left.code), (rejoin, "closed"));
        assert_eq!(left.message().unwrap().as_value(), &push);
        assert_eq!((received.joined().len() == 1, received.rooms.retry_at().is_some()), (stays, stays));
    }
}

#[test]
fn messages_name_their_sender() {
    let mut received = Received::new();
    let mut message = json!({"type": "message", "room": "chat:a", "message": "m1", "at": "2026-01-02T03:04:05Z",
        "from": {"user": "7", "username": "ann"}, "event": "say", "data": [1]});
    let [Notice::RoomMessage(read)] = &received.receive(&message)[..] else { panic!() };
    assert_eq!((read.room(), read.id(), read.at()), ("chat:a", "m1", "2026-01-02T03:04:05Z"));
    assert_eq!((read.event(), read.key(), read.data()), (Some("say"), None, &json!([1])));
    assert_eq!(read.sender(), Sender::User { id: "7", username: "ann" });
    message["from"] = json!({"app": "orders"});
    let [Notice::RoomMessage(read)] = &received.receive(&message)[..] else { panic!() };
    assert_eq!(read.sender(), Sender::App { name: "orders" });
    message["from"] = json!("ann");
    assert!(is_message(&received.receive(&message)), "an application's own message");
}

/// A provider that is never asked: tests say what was fetched.
fn provider() -> Source {
    Source::Provider(TokenProvider::new(|_| async { None }))
}

/// The one token that is wanted.
fn wanted(received: &mut Received) -> Wanted {
    let mut all = received.rooms.take_wanted();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

impl Received {
    /// The request that brings a token, or what the program is told.
    fn fetched(&mut self, wanted: Wanted, token: Option<&str>) -> (Option<Value>, Vec<Notice>) {
        let mut notices = VecDeque::new();
        let token = token.map(str::to_owned);
        let request = self.rooms.fetched(wanted, token, self.now, || 0.5, &mut notices);
        (request.map(|request| serde_json::from_str(&request).unwrap()), notices.into())
    }

    fn join_with_provider(&mut self, room: &str) {
        self.rooms.set_token(room, provider());
        let (id, request) = self.rooms.join_by_token(room);
        assert_eq!(request, None, "it has no token yet");
        let wanted = wanted(self);
        let (request, notices) = self.fetched(wanted, Some("one"));
        assert_eq!(request, Some(json!({"type": "join", "id": id, "room": room, "token": "one"})));
        assert!(notices.is_empty());
        self.receive(&json!({"type": "joined", "id": id, "room": room, "can": []}));
    }
}

#[test]
fn a_room_that_is_left_and_joined_at_once_keeps_its_new_provider() {
    let mut received = Received::new();
    received.join_with_provider("order:7");
    let leaving = received.rooms.leave("order:7");
    received.rooms.set_token("order:7", provider());
    let (joining, _) = received.rooms.join_by_token("order:7");
    // The answer to the first request comes while the token for the second is being fetched.
    let left = json!({"type": "left", "id": leaving, "room": "order:7", "code": "left"});
    assert!(is_message(&received.receive(&left)));
    let wanted = wanted(&mut received);
    let (request, _) = received.fetched(wanted, Some("two"));
    assert_eq!(request, Some(json!({"type": "join", "id": joining, "room": "order:7", "token": "two"})));
    received.receive(&json!({"type": "joined", "id": joining, "room": "order:7", "can": []}));
    assert_eq!(received.joined(), ["order:7"]);
}

#[test]
fn a_fixed_token_is_brought_again() {
    let mut received = Received::new();
    received.rooms.set_token("order:7", Source::Fixed("one".to_owned()));
    let (id, request) = received.rooms.join_by_token("order:7");
    let request: Value = serde_json::from_str(&request.unwrap()).unwrap();
    assert_eq!(request, json!({"type": "join", "id": id, "room": "order:7", "token": "one"}));
    received.receive(&json!({"type": "joined", "id": id, "room": "order:7", "can": []}));
    received.receive(&json!({"type": "expiring", "room": "order:7", "at": "2027-01-01T00:00:00Z"}));
    assert!(received.rooms.take_wanted().is_empty());
    let again: Value = serde_json::from_str(&received.rooms.connected()[0]).unwrap();
    assert_eq!(again["rooms"], json!([{"room": "order:7", "token": "one"}]));
    let error = json!({"code": "token_expired", "detail": "no"});
    let reply = json!({"type": "joined", "id": again["id"], "rooms": [{"room": "order:7", "error": error}]});
    let [Notice::Message(_), Notice::RoomLeft(left)] = &received.receive(&reply)[..] else { panic!() };
    assert_eq!((left.rejoin, received.joined().len()), (Reconnect::NewToken, 0));
    // One that was refused at once is not kept.
    received.rooms.set_token("order:8", Source::Fixed("bad".to_owned()));
    let (id, _) = received.rooms.join_by_token("order:8");
    received.receive(&json!({"type": "error", "id": id, "code": "bad_token", "detail": "no"}));
    received.receive(&json!({"type": "joined", "room": "order:8", "can": []}));
    let again: Value = serde_json::from_str(&received.rooms.connected()[0]).unwrap();
    assert_eq!(again["rooms"], json!([{"room": "order:8"}]));
}

#[test]
fn a_provider_is_asked_for_each_join_and_before_a_token_expires() {
    let mut received = Received::new();
    received.receive(&json!({"type": "joined", "room": "chat:a", "can": []}));
    received.join_with_provider("order:7");
    received.receive(&json!({"type": "expiring", "expires_at": "2027-01-01T00:00:00Z"}));
    received.receive(&json!({"type": "expiring", "room": "chat:a", "at": "2027-01-01T00:00:00Z"}));
    assert!(received.rooms.take_wanted().is_empty());
    let expiring = json!({"type": "expiring", "room": "order:7", "at": "2027-01-01T00:00:00Z"});
    for (code, tries_again) in [("bad_token", false), ("unavailable", true), ("token_expired", true)] {
        assert!(is_message(&received.receive(&expiring)));
        let newer = wanted(&mut received);
        let (request, _) = received.fetched(newer, Some("two"));
        let id = request.unwrap()["id"].clone();
        assert!(is_message(
            &received.receive(&json!({"type": "error", "id": id, "code": code, "detail": "no"}))
        ));
        assert_eq!(received.rooms.retry_at().is_some(), tries_again, "{code}");
        assert_eq!(received.joined(), ["chat:a", "order:7"], "as long as the last token lasts");
        if tries_again {
            assert!(received.rooms.retry().is_empty());
            let again = wanted(&mut received);
            let (request, _) = received.fetched(again, Some("three"));
            let id = request.unwrap()["id"].clone();
            received.receive(&json!({"type": "joined", "id": id, "room": "order:7", "can": []}));
        }
    }
    // On the next connection, together with the rooms that need none.
    let (_, rooms) = Received::asks(&received.rooms.connected());
    assert_eq!(rooms, ["chat:a"]);
    let again = wanted(&mut received);
    let (request, notices) = received.fetched(again, None);
    assert_eq!(request, None);
    let [Notice::RoomLeft(left)] = &notices[..] else { panic!() };
    assert_eq!((&*left.code, left.rejoin), ("no_token", Reconnect::Backoff));
    received.rooms.retry();
    let again = wanted(&mut received);
    assert!(received.fetched(again, None).1.is_empty(), "told once");
    // Left while the token was fetched.
    received.rooms.retry();
    let late = wanted(&mut received);
    received.rooms.leave("order:7");
    assert_eq!(received.fetched(late, Some("late")).0, None);
    assert_eq!(received.joined(), ["chat:a"]);
}

#[test]
fn a_room_that_wants_a_new_token_is_joined_again_if_there_is_a_provider() {
    let mut received = Received::new();
    received.join_with_provider("order:7");
    let left =
        json!({"type": "left", "room": "order:7", "code": "revoked", "reason": "no", "rejoin": "new_token"});
    let [Notice::RoomLeft(told)] = &received.receive(&left)[..] else { panic!() };
    assert_eq!((told.rejoin, received.joined()), (Reconnect::NewToken, vec!["order:7"]));
    assert!(received.rooms.retry_at().is_some() && received.rooms.retry().is_empty());
    let again = wanted(&mut received);
    let (request, _) = received.fetched(again, Some("two"));
    let error = json!({"type": "error", "id": request.unwrap()["id"], "code": "bad_token", "detail": "no"});
    let [Notice::Message(_), Notice::RoomLeft(told)] = &received.receive(&error)[..] else { panic!() };
    assert_eq!((&*told.code, told.rejoin, received.joined().len()), ("bad_token", Reconnect::Never, 0));
    // A first join without a token.
    received.rooms.set_token("order:8", provider());
    assert_eq!(received.rooms.join_by_token("order:8").1, None);
    let first = wanted(&mut received);
    let (request, notices) = received.fetched(first, None);
    let [Notice::RoomLeft(told)] = &notices[..] else { panic!() };
    assert_eq!((request, &*told.code, told.rejoin), (None, "no_token", Reconnect::Never));
    assert_eq!(received.rooms.retry_at(), None);
}
