use std::net::IpAddr;

use doorward_core::domain::LoginId;
use uuid::Uuid;

use super::super::addresses::{Addresses, Counts};
use super::*;
use crate::clock::Clock;

pub(super) fn users(limit: usize) -> Arc<Users> {
    Arc::new(Users::new(limit, Box::new(|_| {})))
}

pub(super) fn info(user: u128, session: u128) -> SessionInfo {
    SessionInfo {
        id: SessionId(Uuid::from_u128(session)),
        user: UserId(Uuid::from_u128(user)),
        login: LoginId(Uuid::from_u128(3)),
        transport: "websocket",
        address: IpAddr::from([127, 0, 0, 1]),
        since: Clock::System.now(),
    }
}

pub(super) fn admit(users: &Arc<Users>, user: u128, session: u128) -> Option<Ticket> {
    let addresses = Arc::new(Addresses::new(Counts { open: 9, pending: 9 }));
    let info = info(user, session);
    let place = Addresses::admit(&addresses, info.address).unwrap();
    Users::admit(users, info, place)
}

#[test]
fn places_are_bounded_and_given_back() {
    let users = users(2);
    let first = admit(&users, 1, 1).unwrap();
    let second = admit(&users, 1, 2).unwrap();
    assert!(admit(&users, 1, 3).is_none());
    assert!(admit(&users, 2, 4).is_some(), "another user has places of its own");
    drop(first);
    assert_eq!(users.of(user(1)).len(), 1);
    assert!(admit(&users, 1, 3).is_some());
    drop(second);
    assert!(users.shards().all(|shard| shard.is_empty()));
}

#[test]
fn a_watcher_sees_each_change_until_the_last_session_ends() {
    let users = users(9);
    let user = UserId(Uuid::from_u128(1));
    assert!(users.updates(user).is_none(), "nothing is kept for a user who is not connected");
    let first = admit(&users, 1, 1).unwrap();
    let mut updates = users.updates(user).unwrap();
    assert!(!updates.has_changed().unwrap(), "what was there before is no change");
    let second = admit(&users, 1, 2).unwrap();
    assert!(updates.has_changed().unwrap());
    assert_eq!(users.latest(user, &mut updates).len(), 2);
    assert!(!updates.has_changed().unwrap(), "it is signalled once");
    drop(admit(&users, 2, 3));
    assert!(!updates.has_changed().unwrap(), "another user's sessions are no change");
    drop(second);
    assert!(updates.has_changed().unwrap());
    drop(first);
    assert!(updates.has_changed().is_err());
}

#[test]
fn a_users_sessions_are_in_the_order_of_their_ids_however_they_come_and_go() {
    let users = users(9);
    let ids = || -> Vec<u128> {
        users.of(UserId(Uuid::from_u128(1))).iter().map(|info| info.id.0.as_u128()).collect()
    };
    let mut tickets: Vec<_> = [5, 1, 9, 3, 7].map(|id| admit(&users, 1, id).unwrap()).into();
    assert_eq!(ids(), [1, 3, 5, 7, 9]);
    drop(tickets.remove(0));
    drop(tickets.remove(1));
    assert_eq!(ids(), [1, 3, 7]);
    tickets.clear();
    assert_eq!(ids(), []);
}

pub(super) fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn report(of: u128, version: u64, sessions: impl IntoIterator<Item = u128>) -> Report {
    let sessions = sessions.into_iter().map(|session| info(of, session)).collect();
    Report { user: user(of), version, part: 0, is_last: true, sessions }
}

const OTHER: NodeId = NodeId(Uuid::from_u128(70));
const THIRD: NodeId = NodeId(Uuid::from_u128(71));

#[test]
fn changes_are_emitted_in_order() {
    let emitted = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&emitted);
    let users = Arc::new(Users::new(9, Box::new(move |change| sink.lock().unwrap().push(change))));
    let first = admit(&users, 1, 1);
    drop(admit(&users, 1, 2));
    drop(first);
    let (first, changed, last) = (Change::First(user(1)), Change::Changed(user(1)), Change::Last(user(1)));
    assert_eq!(*emitted.lock().unwrap(), [first, changed, changed, last]);
}

#[test]
fn sessions_of_other_nodes_are_known_while_their_user_is_connected_here() {
    let users = users(3);
    assert_eq!(users.hear(OTHER, report(1, 1, [2])), Reaction::default());
    assert!(users.of(user(1)).is_empty(), "nothing is kept of a user who is not connected");
    let first = admit(&users, 1, 5).unwrap();
    let mut updates = users.updates(user(1)).unwrap();
    users.hear(OTHER, report(1, 2, [9, 2]));
    assert!(updates.has_changed().unwrap());
    let ids: Vec<_> = users.latest(user(1), &mut updates).iter().map(|info| info.id.0.as_u128()).collect();
    assert_eq!(ids, [2, 5, 9], "the oldest first");
    users.hear(OTHER, report(1, 3, [2, 9]));
    assert!(!updates.has_changed().unwrap(), "nothing has changed");
    assert!(admit(&users, 1, 10).is_none(), "they count towards the bound");
    assert_eq!((users.here.load(Ordering::Relaxed), users.remote.load(Ordering::Relaxed)), (1, 2));
    assert_eq!(users.page(None, 9).len(), 1, "a page is of this node alone");
    drop(first);
    assert_eq!((users.here.load(Ordering::Relaxed), users.remote.load(Ordering::Relaxed)), (0, 0));
    assert!(users.shards().all(|shard| shard.is_empty()));
}

#[test]
fn sessions_of_other_nodes_are_bounded_and_go_with_their_node() {
    let users = users(2);
    let _first = admit(&users, 1, 500).unwrap();
    users.hear(OTHER, report(1, 1, 0..100));
    users.hear(THIRD, report(1, 1, 100..200));
    let of = || -> Vec<u128> { users.of(user(1)).iter().map(|info| info.id.0.as_u128()).collect() };
    assert_eq!(of(), [0, 1, 100, 101, 500], "of each node the oldest, as many as are allowed");
    users.hear(OTHER, report(1, 2, [7]));
    users.hear(THIRD, report(1, 2, [7, 8]));
    assert_eq!(of(), [7, 8, 500], "another node's session is not taken over");
    let mut updates = users.updates(user(1)).unwrap();
    users.forget(&[OTHER]);
    assert!(updates.has_changed().unwrap());
    assert_eq!(users.latest(user(1), &mut updates).len(), 2);
    users.forget(&[OTHER]);
    assert!(!updates.has_changed().unwrap());
    assert_eq!(users.remote.load(Ordering::Relaxed), 1);
}

#[test]
fn what_a_node_does_not_confirm_after_reports_were_missed_is_forgotten_in_the_end() {
    let users = users(9);
    let _first = admit(&users, 1, 500).unwrap();
    users.hear(OTHER, report(1, 1, [1]));
    users.hear(THIRD, report(1, 1, [2]));
    users.doubt();
    assert_eq!(users.of(user(1)).len(), 3);
    users.hear(THIRD, report(1, 2, [2]));
    users.settle();
    assert_eq!(users.of(user(1)).iter().map(|info| info.id.0.as_u128()).collect::<Vec<_>>(), [2, 500]);
}
