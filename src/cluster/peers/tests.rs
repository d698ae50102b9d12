use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::Clock;

const OWN: NodeId = NodeId(Uuid::from_u128(1));
const OTHER: NodeId = NodeId(Uuid::from_u128(2));

fn node(number: u128) -> NodeId {
    NodeId(Uuid::from_u128(10 + number))
}

fn from(node: NodeId, message: NodeMessage) -> Envelope {
    Envelope { node, number: 1, message }
}

#[test]
fn nodes_are_bounded_and_what_a_further_one_changed_counts_all_the_same() {
    let (mut peers, now) = (Peers::new(OWN), Clock::System.instant());
    for number in 0..1000 {
        peers.receive(from(node(number), NodeMessage::Beat { sessions: 2 }), now);
    }
    assert_eq!((peers.count(), peers.sessions()), (MAX_PEERS, 2 * MAX_PEERS));
    let further = NodeId(Uuid::max());
    let login = RevokedLogin::new(LoginId(Uuid::nil()), RevokeReason::SignedOut);
    let effects = peers.receive(from(further, NodeMessage::Revoked { logins: vec![login], at: None }), now);
    assert!(matches!(effects.as_slice(), [Effect::Revoke(..)]), "a revocation counts from any node");
    let effects = peers.receive(from(further, NodeMessage::AccessChanged { number: 7 }), now);
    assert_eq!(effects, [Effect::ReadAccess], "a change of roles counts from any node");
    assert_eq!(peers.receive(from(further, NodeMessage::AccessApplied { number: 7 }), now), []);
    assert!(peers.may_be_incomplete(now) && !peers.may_be_incomplete(now + SILENCE * 2));
}

#[test]
fn a_node_that_leaves_or_is_silent_is_not_counted() {
    for says_bye in [true, false] {
        let (mut peers, mut now) = (Peers::new(OWN), Clock::System.instant());
        peers.receive(from(OTHER, NodeMessage::Beat { sessions: 5 }), now);
        peers.receive(from(OTHER, NodeMessage::Hello), now);
        assert_eq!((peers.alive(), peers.sessions()), (vec![OTHER], 5), "other messages do not say how many");
        now += SILENCE;
        peers.tick(now);
        assert_eq!(peers.count(), 1);
        if says_bye {
            peers.receive(from(OTHER, NodeMessage::Bye), now);
        } else {
            now += Duration::from_secs(1);
            peers.tick(now);
        }
        assert_eq!((peers.count(), peers.sessions()), (0, 0));
        assert_eq!(peers.may_be_incomplete(now), !says_bye);
    }
}

#[test]
fn a_node_that_fell_silent_may_be_alive_until_it_returns_leaves_or_was_silent_for_long() {
    let beat = || NodeMessage::Beat { sessions: 0 };
    for (message, after) in
        [(Some(beat()), Duration::ZERO), (Some(NodeMessage::Bye), Duration::ZERO), (None, MISSING)]
    {
        let (mut peers, mut now) = (Peers::new(OWN), Clock::System.instant());
        peers.receive(from(OTHER, beat()), now);
        now += SILENCE * 2;
        peers.tick(now);
        assert!(peers.may_be_incomplete(now));
        if let Some(message) = message {
            peers.receive(from(OTHER, message), now);
        }
        now += after;
        peers.tick(now);
        assert!(!peers.may_be_incomplete(now));
    }
}

#[test]
fn a_hello_is_answered_and_own_messages_that_return_say_that_the_connection_works() {
    let (mut peers, now) = (Peers::new(OWN), Clock::System.instant());
    assert_eq!(peers.receive(from(OTHER, NodeMessage::Beat { sessions: 0 }), now), []);
    assert_eq!(peers.receive(from(OTHER, NodeMessage::Hello), now), [Effect::Beat]);
    assert_eq!(
        peers.receive(from(OTHER, NodeMessage::RoomsChanged { number: 7 }), now),
        [Effect::ReadRooms(7)]
    );
    let applied = from(OTHER, NodeMessage::RoomsApplied { number: 7 });
    assert_eq!(peers.receive(applied, now), [Effect::RoomsApplied(OTHER, 7)]);
    assert_eq!(peers.receive(from(OWN, NodeMessage::Hello), now), [Effect::Echo]);
    let own = from(OWN, NodeMessage::AccessChanged { number: 7 });
    assert_eq!(peers.receive(own, now), [Effect::Echo, Effect::AccessApplied(OWN, 7)]);
    let own = from(OWN, NodeMessage::RoomsChanged { number: 7 });
    assert_eq!(peers.receive(own, now), [Effect::Echo, Effect::RoomsApplied(OWN, 7)]);
    let unknown =
        r#"{"node":"00000000-0000-0000-0000-000000000002","number":12,"news":{"type":"later","x":1}}"#;
    let envelope: Envelope = serde_json::from_str(unknown).unwrap();
    assert_eq!(envelope.message, NodeMessage::Unknown);
    assert_eq!(peers.receive(envelope, now), []);
}

proptest! {
    /// Against a list of who said something when.
    #[test]
    fn exactly_the_nodes_that_have_spoken_lately_are_counted(
        said in prop::collection::vec((0_u128..4, 0_u8..4, 0_u64..9, 0_u32..100), 0..100),
    ) {
        let (mut peers, mut now) = (Peers::new(OWN), Clock::System.instant());
        let mut expected: HashMap<NodeId, (Instant, u32)> = HashMap::new();
        for (number, kind, pause, sessions) in said {
            now += Duration::from_secs(pause);
            let node = node(number);
            let message = match kind {
                0 => NodeMessage::Bye,
                1 => NodeMessage::Hello,
                _ => NodeMessage::Beat { sessions },
            };
            expected.retain(|_, (at, _)| now - *at <= SILENCE);
            peers.tick(now);
            match message {
                NodeMessage::Bye => {
                    expected.remove(&node);
                }
                NodeMessage::Beat { sessions } => {
                    expected.insert(node, (now, sessions));
                }
                _ => expected.entry(node).or_insert((now, 0)).0 = now,
            }
            peers.receive(from(node, message), now);
            let total: u32 = expected.values().map(|(_, sessions)| sessions).sum();
            prop_assert_eq!((peers.count(), peers.sessions()), (expected.len(), total as usize));
        }
    }
}
