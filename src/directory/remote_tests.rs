use std::net::IpAddr;

use doorward_core::domain::LoginId;

use super::*;
use crate::clock::Clock;

const USER: UserId = UserId(Uuid::from_u128(1));
const NODE: NodeId = NodeId(Uuid::from_u128(70));

fn info(session: u128) -> SessionInfo {
    SessionInfo {
        id: SessionId(Uuid::from_u128(session)),
        user: USER,
        login: LoginId(Uuid::from_u128(3)),
        transport: "websocket",
        address: IpAddr::from([127, 0, 0, 1]),
        since: Clock::System.now(),
    }
}

fn part(version: u64, part: u32, is_last: bool, sessions: &[u128]) -> Report {
    let sessions = sessions.iter().map(|session| info(*session)).collect();
    Report { user: USER, version, part, is_last, sessions }
}

fn ids(remote: &Remote) -> Vec<u128> {
    remote.sessions().map(|info| info.id.0.as_u128()).collect()
}

#[test]
fn a_report_that_is_late_or_repeated_changes_nothing() {
    let mut remote = Remote::default();
    let mut apply = |report| remote.apply(NODE, report, &[], 9);
    assert_eq!(apply(part(5, 0, true, &[1, 2])), Outcome::Changed);
    assert_eq!(apply(part(5, 0, true, &[1, 2])), Outcome::Nothing);
    assert_eq!(apply(part(4, 0, true, &[3])), Outcome::Nothing);
    assert_eq!(apply(part(6, 0, true, &[1, 2])), Outcome::Nothing, "it is the same list");
    assert_eq!(apply(part(9, 0, true, &[])), Outcome::Changed);
    assert_eq!(apply(part(8, 0, true, &[1])), Outcome::Nothing, "the node is remembered without sessions");
    assert_eq!(ids(&remote), [0; 0]);
}

#[test]
fn a_list_in_parts_counts_once_all_have_arrived_and_one_that_is_missing_is_noticed() {
    let mut remote = Remote::default();
    let mut apply = |report| remote.apply(NODE, report, &[], 9);
    assert_eq!(apply(part(1, 0, true, &[7])), Outcome::Changed);
    assert_eq!(apply(part(2, 0, false, &[1])), Outcome::Nothing);
    assert_eq!(apply(part(2, 0, false, &[1])), Outcome::Nothing, "it was sent twice");
    assert_eq!(apply(part(2, 1, false, &[2])), Outcome::Nothing);
    assert_eq!(apply(part(2, 1, false, &[2])), Outcome::Nothing);
    assert_eq!(apply(part(2, 2, true, &[3])), Outcome::Changed);
    assert_eq!(apply(part(3, 0, false, &[1])), Outcome::Nothing);
    assert_eq!(apply(part(3, 2, true, &[3])), Outcome::Gap);
    assert_eq!(apply(part(4, 1, true, &[3])), Outcome::Gap, "the beginning was missed");
    assert_eq!(apply(part(2, 1, false, &[9])), Outcome::Nothing, "it is old");
    assert_eq!(ids(&remote), [1, 2, 3]);
    let mut apply = |report| remote.apply(NODE, report, &[], 9);
    assert_eq!(apply(part(5, 0, true, &[3])), Outcome::Changed, "the next one is whole");
    assert_eq!(ids(&remote), [3]);
}

#[test]
fn nodes_of_a_user_and_sessions_that_they_claim_are_bounded() {
    let mut remote = Remote::default();
    for node in 0..200_u128 {
        let report = part(1, 0, true, &[2 * node, 2 * node + 1]);
        remote.apply(NodeId(Uuid::from_u128(node)), report, &[], 100);
    }
    assert_eq!((remote.0.len(), remote.len()), (MOST_NODES, 2 * MOST_NODES));
    let local = [Arc::new(info(1000))];
    let node = NodeId(Uuid::from_u128(3));
    remote.apply(node, part(2, 0, true, &[1000, 1000, 1, 900, 900]), &local, 500);
    assert_eq!(remote.0[3].sessions.len(), 1, "not this node's, not another's, and each once");
    for version in 3..9 {
        for number in 0..100 {
            let sessions: Vec<u128> =
                (0..100).map(|session| 2000 + 100 * u128::from(number) + session).collect();
            remote.apply(node, part(version, number, false, &sessions), &local, 500);
        }
        assert!(remote.0[3].incoming.as_ref().is_some_and(|incoming| incoming.sessions.len() <= 500));
    }
}

#[test]
fn a_session_is_too_many_if_there_are_as_many_older_ones_as_are_allowed() {
    let local: Vec<_> = [10, 20, 30].map(|session| Arc::new(info(session))).into();
    let mut remote = Remote::default();
    let excess = |remote: &Remote, limit| -> Vec<u128> {
        remote.excess(&local, limit).iter().map(|session| session.0.as_u128()).collect()
    };
    assert_eq!(excess(&remote, 3), [0; 0]);
    remote.apply(NODE, part(1, 0, true, &[15, 25]), &[], 9);
    assert_eq!(excess(&remote, 5), [0; 0]);
    assert_eq!(excess(&remote, 4), [30]);
    assert_eq!(excess(&remote, 3), [30], "25 is the other node's to close");
    assert_eq!(excess(&remote, 2), [20, 30]);
    remote.doubt();
    assert_eq!(excess(&remote, 4), [0; 0], "what may be over closes nothing");
    remote.apply(NODE, part(2, 0, true, &[15, 25]), &[], 9);
    assert_eq!(excess(&remote, 4), [30]);
}
