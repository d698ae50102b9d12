use std::collections::HashSet;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

fn room(name: &str) -> RoomName {
    RoomName::parse(&format!("chat:{name}")).unwrap()
}

fn names(rooms: &[RoomName]) -> Vec<&str> {
    rooms.iter().map(RoomName::rest).collect()
}

fn connected() -> (Interest, Instant) {
    let mut interest = Interest::default();
    interest.connect();
    (interest, Clock::System.instant())
}

#[test]
fn a_session_that_joins_waits_until_its_room_is_confirmed() {
    let (mut interest, _) = connected();
    let lobby = room("lobby");
    interest.join(&lobby);
    let (mut one, mut two) =
        (interest.until_confirmed(&lobby).unwrap(), interest.until_confirmed(&lobby).unwrap());
    assert_eq!(names(&interest.take_wanted()), ["lobby"]);
    assert!((&mut one).now_or_never().is_none(), "asked for, not confirmed");
    interest.confirm(std::slice::from_ref(&lobby));
    assert!((&mut one).now_or_never().is_some() && (&mut two).now_or_never().is_some());
    assert!(interest.until_confirmed(&lobby).is_none());
    assert_eq!(interest.take_wanted(), []);
}

#[test]
fn without_a_connection_nothing_is_waited_for_and_a_new_one_asks_for_all_rooms() {
    let mut interest = Interest::default();
    interest.join(&room("a"));
    assert!(interest.until_confirmed(&room("a")).is_none());
    assert_eq!(interest.take_wanted(), []);
    interest.connect();
    assert!(!interest.is_complete());
    let mut waits = interest.until_confirmed(&room("a")).unwrap();
    interest.join(&room("b"));
    assert_eq!(names(&interest.take_wanted()), ["b", "a"], "what was just joined comes first");
    interest.confirm(&[room("b")]);
    assert!(interest.is_complete());
    interest.disconnect();
    assert!((&mut waits).now_or_never().is_some(), "it has nothing to wait for any more");
    assert!(!interest.is_complete() && interest.until_confirmed(&room("b")).is_none());
    interest.connect();
    let mut all = interest.take_wanted();
    all.sort();
    assert_eq!(names(&all), ["a", "b"]);
}

#[test]
fn a_room_that_is_left_without_a_connection_is_not_asked_for_again() {
    let (mut interest, now) = connected();
    for name in ["before", "while", "stays"] {
        interest.join(&room(name));
    }
    let batch = interest.take_wanted();
    interest.confirm(&batch);
    interest.leave(&room("before"), now);
    interest.disconnect();
    interest.leave(&room("while"), now);
    assert_eq!(interest.len(), 1);
    interest.connect();
    assert_eq!(names(&interest.take_wanted()), ["stays"]);
    assert!(!interest.is_complete(), "asked for, not confirmed");
    interest.confirm(&[room("stays")]);
    assert!(interest.is_complete());
    assert_eq!(interest.take_given_up(now + LINGER), []);
}

#[test]
fn a_room_is_given_up_a_while_after_its_last_session_and_not_if_one_comes_back() {
    let (mut interest, now) = connected();
    for name in ["gone", "back", "again", "never"] {
        interest.join(&room(name));
    }
    interest.leave(&room("never"), now);
    assert_eq!(interest.take_given_up(now + LINGER), [], "it was never subscribed to");
    let batch = interest.take_wanted();
    assert_eq!(names(&batch), ["gone", "back", "again"]);
    interest.confirm(&batch);
    for name in ["gone", "back", "again"] {
        interest.leave(&room(name), now);
    }
    interest.join(&room("back"));
    interest.join(&room("again"));
    interest.leave(&room("again"), now + LINGER / 2);
    assert_eq!(interest.take_given_up(now + LINGER / 2), []);
    assert_eq!(names(&interest.take_given_up(now + LINGER)), ["gone"]);
    assert_eq!(names(&interest.take_given_up(now + LINGER * 2)), ["again"]);
    assert_eq!((interest.len(), interest.left.len()), (1, 0));
}

#[test]
fn a_users_room_is_kept_while_its_messages_or_its_sessions_are_wanted() {
    let (mut interest, now) = connected();
    let ann = room("ann");
    assert!(!interest.join(&ann) && !interest.join(&ann), "it is not confirmed yet");
    assert_eq!(names(&interest.take_wanted()), ["ann"], "once");
    interest.confirm(std::slice::from_ref(&ann));
    interest.leave(&ann, now);
    assert_eq!(interest.take_given_up(now + LINGER), []);
    assert!(interest.join(&ann), "it is confirmed");
    interest.leave(&ann, now);
    interest.leave(&ann, now);
    assert!(interest.join(&ann), "it is kept for a while");
    interest.leave(&ann, now);
    assert_eq!(names(&interest.take_given_up(now + LINGER)), ["ann"]);
    interest.disconnect();
    interest.join(&ann);
    interest.join(&ann);
    interest.leave(&ann, now);
    assert_eq!(interest.len(), 1);
    interest.leave(&ann, now);
    assert_eq!(interest.len(), 0);
}

#[test]
fn rooms_that_are_kept_for_a_while_are_bounded() {
    let (mut interest, now) = connected();
    let all: Vec<_> = (0..MOST_LINGERING + 2 * BATCH).map(|number| room(&number.to_string())).collect();
    for room in &all {
        interest.join(room);
    }
    loop {
        let batch = interest.take_wanted();
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() <= BATCH);
        interest.confirm(&batch);
    }
    for room in &all {
        interest.leave(room, now);
    }
    assert_eq!(interest.take_given_up(now).len(), BATCH);
    assert_eq!(interest.take_given_up(now).len(), BATCH);
    assert_eq!(interest.take_given_up(now).len(), 0);
    assert_eq!(interest.len(), MOST_LINGERING);
}

/// What happens to the rooms of a node.
#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Leave(u8),
    Subscribe,
    Unsubscribe(u8),
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4u8).prop_map(Step::Join),
        (0..4u8).prop_map(Step::Leave),
        Just(Step::Subscribe),
        (0..7u8).prop_map(Step::Unsubscribe),
        Just(Step::Reconnect),
    ]
}

proptest! {
    /// Against a Redis that does as it is told: no room is lost while a session is there, none is kept for ever, and
    /// a session waits for a room exactly while it is not subscribed to.
    #[test]
    fn redis_knows_exactly_the_rooms_that_are_joined(steps in prop::collection::vec(step(), 1..80)) {
        let (mut interest, mut now) = connected();
        let (mut joined, mut redis) = (HashSet::new(), HashSet::new());
        for step in steps {
            match step {
                Step::Join(name) => {
                    let room = room(&name.to_string());
                    if joined.insert(room.clone()) {
                        interest.join(&room);
                    }
                    prop_assert_eq!(interest.until_confirmed(&room).is_none(), redis.contains(&room));
                }
                Step::Leave(name) => {
                    let room = room(&name.to_string());
                    if joined.remove(&room) {
                        interest.leave(&room, now);
                    }
                }
                Step::Subscribe => {
                    let batch = interest.take_wanted();
                    redis.extend(batch.iter().cloned());
                    interest.confirm(&batch);
                    prop_assert!(joined.is_subset(&redis));
                }
                Step::Unsubscribe(seconds) => {
                    now += Duration::from_secs(u64::from(seconds));
                    for room in interest.take_given_up(now) {
                        prop_assert!(redis.remove(&room) && !joined.contains(&room));
                    }
                }
                Step::Reconnect => {
                    redis.clear();
                    interest.disconnect();
                    interest.connect();
                }
            }
        }
        let batch = interest.take_wanted();
        redis.extend(batch.iter().cloned());
        interest.confirm(&batch);
        for room in interest.take_given_up(now + LINGER) {
            redis.remove(&room);
        }
        prop_assert_eq!(&redis, &joined);
        prop_assert_eq!(interest.len(), joined.len());
    }
}
