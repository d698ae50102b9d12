//! What a node knows of the others: pure, no I/O.
//!
//! Redis keeps nothing of ours. Each node says what changes among its sessions, and all of them to whoever asks:
//! who has missed something sees it by the numbers, and asks. A node that is silent for long is gone.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::wire::{Envelope, Gone, Listed, News, NodeId};
use crate::auth::revocation::RevokeReason;
use crate::domain::{LoginId, SessionId, UserId};

/// How long a node may be silent; it says something every [`super::BEAT`].
const SILENCE: Duration = Duration::from_secs(15);

/// How long an answer may take before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is to be done about news.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    Add(Listed),
    Remove(Gone),
    End(Vec<(LoginId, RevokeReason)>),
    /// Say all our sessions.
    SendList,
    Ask(NodeId),
    /// What we said has come back: the way there and back is open.
    Heard,
}

/// All other nodes.
pub struct Peers {
    own: NodeId,
    peers: HashMap<NodeId, Peer>,
}

struct Peer {
    last: u64,
    heard: Instant,
    sessions: HashMap<SessionId, UserId>,
    knowledge: Knowledge,
}

enum Knowledge {
    /// Something was missed, and asked for at that moment if it was.
    Partial {
        asked: Option<Instant>,
    },
    /// It is saying all its sessions: the next part, and those so far.
    Listing {
        next: u32,
        so_far: HashSet<SessionId>,
        since: Instant,
    },
    Whole,
}

impl Peers {
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self { own, peers: HashMap::new() }
    }

    pub fn receive(&mut self, envelope: Envelope, now: Instant) -> Vec<Effect> {
        let Envelope { node, number, news } = envelope;
        if node == self.own {
            return vec![Effect::Heard];
        }
        let mut effects = Vec::new();
        if news == News::Bye {
            self.forget(node, &mut effects);
            return effects;
        }
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            last: number.wrapping_sub(1),
            heard: now,
            sessions: HashMap::new(),
            // Whoever says hello says its sessions next.
            knowledge: Knowledge::Partial { asked: (news == News::Hello).then_some(now) },
        });
        if number != peer.last.wrapping_add(1) {
            peer.knowledge = Knowledge::Partial { asked: None };
        }
        (peer.last, peer.heard) = (number, now);
        match news {
            News::Hello => {
                peer.knowledge = Knowledge::Partial { asked: Some(now) };
                effects.push(Effect::SendList);
            }
            News::Ask { of } if of == self.own => effects.push(Effect::SendList),
            News::Ended { logins } => {
                effects.push(Effect::End(logins.iter().map(super::wire::EndedLogin::read).collect()));
            }
            News::Sessions { came, went } => {
                for listed in came {
                    peer.add(listed, &mut effects);
                }
                for gone in went {
                    peer.remove(gone, &mut effects);
                }
            }
            News::List { part, last, sessions } => peer.list(part, last, sessions, now, &mut effects),
            News::Ask { .. } | News::Beat | News::Bye | News::Unknown => {}
        }
        peer.ask(node, now, &mut effects);
        effects
    }

    /// Once a second or so.
    pub fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let silent = |peer: &Peer| now.saturating_duration_since(peer.heard) > SILENCE;
        let gone: Vec<NodeId> =
            self.peers.iter().filter(|(_, peer)| silent(peer)).map(|(node, _)| *node).collect();
        for node in gone {
            self.forget(node, &mut effects);
        }
        for (node, peer) in &mut self.peers {
            peer.ask(*node, now, &mut effects);
        }
        effects
    }

    /// Nothing was heard for a while: whatever was said meanwhile was missed. We are about to say hello.
    pub fn lost(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.knowledge = Knowledge::Partial { asked: Some(now) };
        }
    }

    fn forget(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        let sessions = self.peers.remove(&node).map(|peer| peer.sessions).unwrap_or_default();
        effects.extend(sessions.into_iter().map(|(session, user)| Effect::Remove(Gone { user, session })));
    }
}

impl Peer {
    fn add(&mut self, listed: Listed, effects: &mut Vec<Effect>) {
        if let Knowledge::Listing { so_far, .. } = &mut self.knowledge {
            so_far.insert(listed.id);
        }
        if self.sessions.insert(listed.id, listed.user).is_none() {
            effects.push(Effect::Add(listed));
        }
    }

    fn remove(&mut self, gone: Gone, effects: &mut Vec<Effect>) {
        if self.sessions.remove(&gone.session).is_some() {
            effects.push(Effect::Remove(gone));
        }
    }

    fn list(
        &mut self,
        part: u32,
        last: bool,
        sessions: Vec<Listed>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if part == 0 {
            self.knowledge = Knowledge::Listing { next: 0, so_far: HashSet::new(), since: now };
        }
        match &mut self.knowledge {
            Knowledge::Listing { next, since, .. } if *next == part => (*next, *since) = (part + 1, now),
            // A part of one whose beginning was missed.
            _ => return,
        }
        for listed in sessions {
            self.add(listed, effects);
        }
        if last
            && let Knowledge::Listing { so_far, .. } =
                std::mem::replace(&mut self.knowledge, Knowledge::Whole)
        {
            let gone: Vec<Gone> = self
                .sessions
                .iter()
                .filter(|(session, _)| !so_far.contains(*session))
                .map(|(session, user)| Gone { user: *user, session: *session })
                .collect();
            for gone in gone {
                self.remove(gone, effects);
            }
        }
    }

    fn ask(&mut self, node: NodeId, now: Instant, effects: &mut Vec<Effect>) {
        let due = match &self.knowledge {
            Knowledge::Whole => false,
            Knowledge::Partial { asked: None } => true,
            Knowledge::Partial { asked: Some(at) } | Knowledge::Listing { since: at, .. } => {
                now.saturating_duration_since(*at) > PATIENCE
            }
        };
        if due {
            self.knowledge = Knowledge::Partial { asked: Some(now) };
            effects.push(Effect::Ask(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;
    use crate::protocol::SessionInfo;

    const OWN: NodeId = NodeId(Uuid::from_u128(1));
    const OTHER: NodeId = NodeId(Uuid::from_u128(2));

    fn listed(session: u128) -> Listed {
        Listed::from(&SessionInfo {
            id: SessionId(Uuid::from_u128(session)),
            user: UserId(Uuid::from_u128(session % 3)),
            login: LoginId(Uuid::from_u128(9)),
            carrier: "tcp",
            address: IpAddr::from([127, 0, 0, 1]),
            since: Clock::System.now(),
        })
    }

    fn gone(session: u128) -> Gone {
        Gone { user: UserId(Uuid::from_u128(session % 3)), session: SessionId(Uuid::from_u128(session)) }
    }

    /// Two nodes and a way between them that may lose things.
    struct Pair {
        peers: Peers,
        number: u64,
        now: Instant,
        /// What the other has, and what we think so.
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

        fn say(&mut self, news: News, lost: bool) {
            self.number += 1;
            if !lost {
                let envelope = Envelope { node: OTHER, number: self.number, news };
                // As it travels.
                let text = serde_json::to_string(&envelope).unwrap();
                let effects = self.peers.receive(serde_json::from_str(&text).unwrap(), self.now);
                self.carry_out(effects);
            }
        }

        fn carry_out(&mut self, effects: Vec<Effect>) {
            for effect in effects {
                match effect {
                    Effect::Add(listed) => assert!(self.known.insert(listed.id.0.as_u128())),
                    Effect::Remove(gone) => assert!(self.known.remove(&gone.session.0.as_u128())),
                    Effect::Ask(node) => {
                        assert_eq!(node, OTHER);
                        self.list();
                    }
                    Effect::SendList | Effect::End(_) | Effect::Heard => {}
                }
            }
        }

        fn list(&mut self) {
            let all: Vec<Listed> = self.theirs.iter().map(|session| listed(*session)).collect();
            let half = all.len() / 2;
            self.say(News::List { part: 0, last: false, sessions: all[..half].to_vec() }, false);
            self.say(News::List { part: 1, last: true, sessions: all[half..].to_vec() }, false);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_lost_is_learned_again(
            steps in prop::collection::vec((0_u128..12, any::<bool>(), 0_u8..4), 0..60),
        ) {
            let mut pair = Pair::new();
            for (session, comes, lost) in steps {
                let (came, went) = if comes {
                    pair.theirs.insert(session);
                    (vec![listed(session)], vec![])
                } else {
                    pair.theirs.remove(&session);
                    (vec![], vec![gone(session)])
                };
                pair.say(News::Sessions { came, went }, lost == 0);
            }
            pair.say(News::Beat, false);
            pair.now += PATIENCE * 2;
            let effects = pair.peers.tick(pair.now);
            pair.carry_out(effects);
            prop_assert_eq!(&pair.known, &pair.theirs);
        }
    }

    #[test]
    fn who_leaves_or_is_silent_has_no_sessions() {
        for says_bye in [true, false] {
            let mut pair = Pair::new();
            pair.say(News::Hello, false);
            pair.theirs.insert(5);
            pair.list();
            assert_eq!(pair.known.len(), 1);
            pair.now += SILENCE;
            let effects = pair.peers.tick(pair.now);
            assert_eq!(effects, []);
            if says_bye {
                pair.say(News::Bye, false);
            } else {
                pair.now += Duration::from_secs(1);
                let effects = pair.peers.tick(pair.now);
                pair.carry_out(effects);
            }
            assert!(pair.known.is_empty() && pair.peers.peers.is_empty());
        }
    }

    #[test]
    fn a_stranger_is_asked_once_and_whoever_says_hello_is_told() {
        let mut peers = Peers::new(OWN);
        let now = Clock::System.instant();
        let from = |number, news| Envelope { node: OTHER, number, news };
        assert_eq!(peers.receive(from(7, News::Beat), now), [Effect::Ask(OTHER)]);
        assert_eq!(peers.receive(from(8, News::Beat), now), []);
        assert_eq!(peers.receive(from(9, News::Hello), now), [Effect::SendList]);
        assert_eq!(peers.receive(from(10, News::Ask { of: OWN }), now), [Effect::SendList]);
        assert_eq!(peers.receive(from(11, News::Ask { of: OTHER }), now), []);
        assert_eq!(peers.tick(now + PATIENCE * 2), [Effect::Ask(OTHER)]);
        let own = Envelope { node: OWN, number: 1, news: News::Hello };
        assert_eq!(peers.receive(own, now), [Effect::Heard]);
        let unknown =
            r#"{"node":"00000000-0000-0000-0000-000000000002","number":12,"news":{"type":"later","x":1}}"#;
        let envelope: Envelope = serde_json::from_str(unknown).unwrap();
        assert_eq!(envelope.news, News::Unknown);
    }
}
