use std::net::IpAddr;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use doorward_core::protocol::SessionInfo;

const OWN: NodeId = NodeId(Uuid::from_u128(1));
const OTHER: NodeId = NodeId(Uuid::from_u128(2));

fn listed(session: u128) -> ListedSession {
    ListedSession::from(&SessionInfo {
        id: SessionId(Uuid::from_u128(session)),
        user: UserId(Uuid::from_u128(session % 3)),
        login: LoginId(Uuid::from_u128(9)),
        transport: "tcp",
        address: IpAddr::from([127, 0, 0, 1]),
        since: Clock::System.now(),
    })
}

fn gone(session: u128) -> SessionKey {
    SessionKey { user: UserId(Uuid::from_u128(session % 3)), session: SessionId(Uuid::from_u128(session)) }
}

/// Two nodes, and a connection between them that may lose messages.
struct Pair {
    peers: Peers,
    number: u64,
    now: Instant,
    /// The other node's sessions, and what this node knows about them.
    theirs: HashSet<u128>,
    known: HashSet<u128>,
}

impl Pair {
    fn new() -> Self {
        Self {
            peers: Peers::new(OWN),
            number: 0,
            now: Clock::System.instant(),
            theirs: HashSet::new(),
            known: HashSet::new(),
        }
    }

    fn say(&mut self, message: NodeMessage, lost: bool) {
        self.number += 1;
        if !lost {
            let envelope = Envelope { node: OTHER, number: self.number, message };
            // Serialized, as it is sent.
            let text = serde_json::to_string(&envelope).unwrap();
            let effects = self.peers.receive(serde_json::from_str(&text).unwrap(), self.now);
            self.apply(effects);
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Add(listed) => assert!(self.known.insert(listed.id.0.as_u128())),
                Effect::Remove(gone) => {
                    for gone in gone {
                        assert!(self.known.remove(&gone.session.0.as_u128()));
                    }
                }
                Effect::RequestList(node) => {
                    assert_eq!(node, OTHER);
                    self.list();
                }
                Effect::SendList
                | Effect::Revoke(..)
                | Effect::ReadAccess
                | Effect::AccessApplied(..)
                | Effect::ReadRooms(_)
                | Effect::RoomsApplied(..)
                | Effect::Echo => {}
            }
        }
    }

    fn list(&mut self) {
        let all: Vec<ListedSession> = self.theirs.iter().map(|session| listed(*session)).collect();
        let half = all.len() / 2;
        self.say(NodeMessage::List { part: 0, last: false, sessions: all[..half].to_vec() }, false);
        self.say(NodeMessage::List { part: 1, last: true, sessions: all[half..].to_vec() }, false);
    }
}

proptest! {
    #[test]
    fn lost_changes_are_recovered(
        steps in prop::collection::vec((0_u128..12, any::<bool>(), 0_u8..4), 0..60),
    ) {
        let mut pair = Pair::new();
        for (session, comes, lost) in steps {
            let (connected, disconnected) = if comes {
                pair.theirs.insert(session);
                (vec![listed(session)], vec![])
            } else {
                pair.theirs.remove(&session);
                (vec![], vec![gone(session)])
            };
            pair.say(NodeMessage::Sessions { connected, disconnected }, lost == 0);
        }
        pair.say(NodeMessage::Beat, false);
        pair.now += LIST_TIMEOUT * 2;
        let effects = pair.peers.tick(pair.now);
        pair.apply(effects);
        prop_assert_eq!(&pair.known, &pair.theirs);
    }

    #[test]
    fn each_session_is_added_and_removed_once_and_lists_are_rarely_requested(
        said in prop::collection::vec((0_u128..4, any::<u8>(), 0_u128..8, 0_u8..8, 0_u64..3000), 0..200),
    ) {
        let (mut peers, mut now) = (Peers::new(OWN), Clock::System.instant());
        let mut known = HashMap::new();
        let mut asked: HashMap<NodeId, Instant> = HashMap::new();
        for (node, number, session, kind, pause) in said {
            // Often at the same moment.
            now += Duration::from_millis(pause.saturating_sub(2000));
            let message = match kind {
                0 => NodeMessage::Hello,
                1 => NodeMessage::Bye,
                2 => NodeMessage::Ask { of: OWN },
                3 => NodeMessage::Sessions { connected: vec![], disconnected: vec![gone(session), gone(session)] },
                4 => NodeMessage::List { part: 0, last: true, sessions: vec![listed(session)] },
                5 => NodeMessage::List { part: u32::from(number % 3), last: false, sessions: vec![listed(session)] },
                6 => NodeMessage::Beat,
                _ => NodeMessage::Sessions { connected: vec![listed(session), listed(session)], disconnected: vec![] },
            };
            let node = NodeId(Uuid::from_u128(10 + node));
            let goes = message == NodeMessage::Bye;
            let mut effects = peers.receive(Envelope { node, number: number.into(), message }, now);
            effects.append(&mut peers.tick(now));
            if goes {
                // An unknown node's list is requested again.
                asked.remove(&node);
            }
            asked.retain(|node, _| peers.tracked.contains_key(node));
            for effect in effects {
                match effect {
                    Effect::Add(listed) => prop_assert!(known.insert(listed.id, listed.user).is_none()),
                    Effect::Remove(gone) => {
                        for gone in gone {
                            prop_assert_eq!(known.remove(&gone.session), Some(gone.user));
                        }
                    }
                    Effect::RequestList(node) => {
                        let before = asked.insert(node, now);
                        prop_assert!(before.is_none_or(|before| now - before > LIST_TIMEOUT));
                    }
                    Effect::SendList
                | Effect::Revoke(..)
                | Effect::ReadAccess
                | Effect::AccessApplied(..)
                | Effect::ReadRooms(_)
                | Effect::RoomsApplied(..)
                | Effect::Echo => {}
                }
            }
        }
        let believed: usize = peers.tracked.values().map(|peer| peer.sessions.len()).sum();
        prop_assert_eq!(believed, known.len());
    }
}

#[test]
fn nodes_and_their_sessions_are_bounded() {
    let (mut peers, now) = (Peers::new(OWN), Clock::System.instant());
    for node in 0..1000 {
        let envelope =
            Envelope { node: NodeId(Uuid::from_u128(10 + node)), number: 1, message: NodeMessage::Hello };
        peers.receive(envelope, now);
    }
    assert_eq!(peers.tracked.len(), MAX_PEERS);
    let login = super::super::message::RevokedLogin::new(LoginId(Uuid::nil()), RevokeReason::SignedOut);
    let message = NodeMessage::Revoked { logins: vec![login], at: None };
    let effects = peers.receive(Envelope { node: NodeId(Uuid::max()), number: 1, message }, now);
    assert!(matches!(effects.as_slice(), [Effect::Revoke(..)]), "a revocation counts from any node");
    let message = NodeMessage::AccessChanged { number: 7 };
    let effects = peers.receive(Envelope { node: NodeId(Uuid::max()), number: 2, message }, now);
    assert_eq!(effects, [Effect::ReadAccess], "a change of roles counts from any node");
    assert!(peers.may_be_incomplete(now) && !peers.may_be_incomplete(now + SILENCE * 2));
    let peer = peers.tracked.values_mut().next().unwrap();
    let mut effects = Vec::new();
    for session in 0..MAX_SESSIONS + 10 {
        peer.add(listed(session as u128), &mut effects);
    }
    assert_eq!((peer.sessions.len(), effects.len()), (MAX_SESSIONS, MAX_SESSIONS));
}

#[test]
fn a_session_that_is_listed_again_with_another_user_is_removed_as_it_was_added() {
    let (mut peers, now) = (Peers::new(OWN), Clock::System.instant());
    let (first, mut other) = (listed(5), listed(5));
    other.user = UserId(Uuid::from_u128(7));
    let mut say = |number, message| peers.receive(Envelope { node: OTHER, number, message }, now);
    let connected = vec![first.clone()];
    let effects = say(1, NodeMessage::Sessions { connected, disconnected: Vec::new() });
    assert!(effects.contains(&Effect::Add(first)), "{effects:?}");
    assert_eq!(say(2, NodeMessage::List { part: 0, last: true, sessions: vec![other] }), []);
    assert_eq!(say(3, NodeMessage::Bye), [Effect::Remove(vec![gone(5)])]);
}

#[test]
fn a_node_that_leaves_or_is_silent_has_no_sessions() {
    for says_bye in [true, false] {
        let mut pair = Pair::new();
        pair.say(NodeMessage::Hello, false);
        pair.theirs.insert(5);
        pair.list();
        assert_eq!(pair.known.len(), 1);
        pair.now += SILENCE;
        let effects = pair.peers.tick(pair.now);
        assert_eq!(effects, []);
        if says_bye {
            pair.say(NodeMessage::Bye, false);
        } else {
            pair.now += Duration::from_secs(1);
            let effects = pair.peers.tick(pair.now);
            pair.apply(effects);
        }
        assert!(pair.known.is_empty() && pair.peers.tracked.is_empty());
        assert_eq!(pair.peers.may_be_incomplete(pair.now), !says_bye);
    }
}

#[test]
fn a_node_that_fell_silent_may_be_alive_until_it_returns_leaves_or_was_silent_for_long() {
    for (message, after) in
        [(Some(NodeMessage::Beat), Duration::ZERO), (Some(NodeMessage::Bye), Duration::ZERO), (None, MISSING)]
    {
        let mut pair = Pair::new();
        pair.say(NodeMessage::Hello, false);
        pair.now += SILENCE * 2;
        let _ = pair.peers.tick(pair.now);
        assert!(pair.peers.may_be_incomplete(pair.now));
        if let Some(message) = message {
            pair.say(message, false);
        }
        pair.now += after;
        let _ = pair.peers.tick(pair.now);
        assert!(!pair.peers.may_be_incomplete(pair.now));
    }
}

#[test]
fn an_unknown_node_is_asked_once_and_a_hello_is_answered() {
    let mut peers = Peers::new(OWN);
    let now = Clock::System.instant();
    let from = |number, message| Envelope { node: OTHER, number, message };
    assert_eq!(peers.receive(from(7, NodeMessage::Beat), now), [Effect::RequestList(OTHER)]);
    assert_eq!(peers.receive(from(8, NodeMessage::Beat), now), []);
    assert_eq!(peers.receive(from(9, NodeMessage::Hello), now), [Effect::SendList]);
    assert_eq!(peers.receive(from(10, NodeMessage::Ask { of: OWN }), now), [Effect::SendList]);
    assert_eq!(peers.receive(from(11, NodeMessage::Ask { of: OTHER }), now), []);
    assert_eq!(peers.tick(now + LIST_TIMEOUT * 2), [Effect::RequestList(OTHER)]);
    let own = Envelope { node: OWN, number: 1, message: NodeMessage::Hello };
    assert_eq!(peers.receive(own, now), [Effect::Echo]);
    let own = Envelope { node: OWN, number: 2, message: NodeMessage::AccessChanged { number: 7 } };
    assert_eq!(peers.receive(own, now), [Effect::Echo, Effect::AccessApplied(OWN, 7)]);
    let own = Envelope { node: OWN, number: 3, message: NodeMessage::RoomsChanged { number: 7 } };
    assert_eq!(peers.receive(own, now), [Effect::Echo, Effect::RoomsApplied(OWN, 7)]);
    let unknown =
        r#"{"node":"00000000-0000-0000-0000-000000000002","number":12,"news":{"type":"later","x":1}}"#;
    let envelope: Envelope = serde_json::from_str(unknown).unwrap();
    assert_eq!(envelope.message, NodeMessage::Unknown);
}
