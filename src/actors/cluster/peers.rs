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

/// Other nodes that are listened to. A further one is passed over until one of these is gone.
pub const MAX_PEERS: usize = 64;

/// Sessions of one node that are believed. Each takes a few hundred bytes.
const MAX_SESSIONS: usize = 262_144;

/// What is to be done about news.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    Add(Listed),
    Remove(Vec<Gone>),
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
    /// When it was last asked, or last said by itself that it will tell: it is not asked again soon, whatever it says.
    asked: Option<Instant>,
}

enum Knowledge {
    /// Something was missed.
    Partial,
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
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&node) {
            // What it has revoked is true all the same; rows say so as well.
            if let News::Ended { logins } = news {
                effects.push(ended(&logins));
            }
            return effects;
        }
        let taken = self.taken(node, &news);
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            last: number.wrapping_sub(1),
            heard: now,
            sessions: HashMap::new(),
            knowledge: Knowledge::Partial,
            asked: None,
        });
        if number != peer.last.wrapping_add(1) {
            peer.knowledge = Knowledge::Partial;
        }
        (peer.last, peer.heard) = (number, now);
        match news {
            News::Hello => {
                // It says its sessions next.
                (peer.knowledge, peer.asked) = (Knowledge::Partial, Some(now));
                effects.push(Effect::SendList);
            }
            News::Ask { of } if of == self.own => effects.push(Effect::SendList),
            News::Ended { logins } => {
                effects.push(ended(&logins));
            }
            News::Sessions { came, went } => {
                for listed in came.into_iter().filter(|listed| !taken.contains(&listed.id)) {
                    peer.add(listed, &mut effects);
                }
                peer.remove(went, &mut effects);
            }
            News::List { part, last, mut sessions } => {
                sessions.retain(|listed| !taken.contains(&listed.id));
                peer.list(part, last, sessions, now, &mut effects);
            }
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
            (peer.knowledge, peer.asked) = (Knowledge::Partial, Some(now));
        }
    }

    /// Sessions that a node calls its own and another one as well: the first one is believed, or what one of them says
    /// of its end would be said of the other's.
    fn taken(&self, node: NodeId, news: &News) -> HashSet<SessionId> {
        let (News::Sessions { came: listed, .. } | News::List { sessions: listed, .. }) = news else {
            return HashSet::new();
        };
        let others = || self.peers.iter().filter(|(other, _)| **other != node);
        let is_taken = |id: SessionId| others().any(|(_, peer)| peer.sessions.contains_key(&id));
        listed.iter().map(|listed| listed.id).filter(|id| is_taken(*id)).collect()
    }

    fn forget(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        let sessions = self.peers.remove(&node).map(|peer| peer.sessions).unwrap_or_default();
        if !sessions.is_empty() {
            let gone = sessions.into_iter().map(|(session, user)| Gone { user, session });
            effects.push(Effect::Remove(gone.collect()));
        }
    }
}

impl Peer {
    fn add(&mut self, listed: Listed, effects: &mut Vec<Effect>) {
        if self.sessions.len() >= MAX_SESSIONS && !self.sessions.contains_key(&listed.id) {
            return;
        }
        if let Knowledge::Listing { so_far, .. } = &mut self.knowledge {
            so_far.insert(listed.id);
        }
        if self.sessions.insert(listed.id, listed.user).is_none() {
            effects.push(Effect::Add(listed));
        }
    }

    fn remove(&mut self, mut gone: Vec<Gone>, effects: &mut Vec<Effect>) {
        // As they were when they came, whatever is said now.
        gone.retain_mut(|gone| match self.sessions.remove(&gone.session) {
            Some(user) => {
                gone.user = user;
                true
            }
            None => false,
        });
        if !gone.is_empty() {
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
            self.remove(gone, effects);
        }
    }

    fn ask(&mut self, node: NodeId, now: Instant, effects: &mut Vec<Effect>) {
        let is_long_ago = |at: Instant| now.saturating_duration_since(at) > PATIENCE;
        let due = match &self.knowledge {
            Knowledge::Whole => false,
            Knowledge::Partial => self.asked.is_none_or(is_long_ago),
            Knowledge::Listing { since, .. } => is_long_ago(*since),
        };
        if due {
            (self.knowledge, self.asked) = (Knowledge::Partial, Some(now));
            effects.push(Effect::Ask(node));
        }
    }
}

fn ended(logins: &[super::wire::EndedLogin]) -> Effect {
    Effect::End(logins.iter().map(super::wire::EndedLogin::read).collect())
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
                    Effect::Remove(gone) => {
                        for gone in gone {
                            assert!(self.known.remove(&gone.session.0.as_u128()));
                        }
                    }
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

        #[test]
        fn whatever_nodes_say_each_session_comes_once_and_goes_once_and_no_node_is_asked_often(
            said in prop::collection::vec((0_u128..4, any::<u8>(), 0_u128..8, 0_u8..8, 0_u64..3000), 0..200),
        ) {
            let (mut peers, mut now) = (Peers::new(OWN), Clock::System.instant());
            let mut known = HashMap::new();
            let mut asked: HashMap<NodeId, Instant> = HashMap::new();
            for (node, number, session, kind, pause) in said {
                // Often within the same moment.
                now += Duration::from_millis(pause.saturating_sub(2000));
                let news = match kind {
                    0 => News::Hello,
                    1 => News::Bye,
                    2 => News::Ask { of: OWN },
                    3 => News::Sessions { came: vec![], went: vec![gone(session), gone(session)] },
                    4 => News::List { part: 0, last: true, sessions: vec![listed(session)] },
                    5 => News::List { part: u32::from(number % 3), last: false, sessions: vec![listed(session)] },
                    6 => News::Beat,
                    _ => News::Sessions { came: vec![listed(session), listed(session)], went: vec![] },
                };
                let node = NodeId(Uuid::from_u128(10 + node));
                let goes = news == News::Bye;
                let mut effects = peers.receive(Envelope { node, number: number.into(), news }, now);
                effects.append(&mut peers.tick(now));
                if goes {
                    // As a stranger it is asked again.
                    asked.remove(&node);
                }
                asked.retain(|node, _| peers.peers.contains_key(node));
                for effect in effects {
                    match effect {
                        Effect::Add(listed) => prop_assert!(known.insert(listed.id, listed.user).is_none()),
                        Effect::Remove(gone) => {
                            for gone in gone {
                                prop_assert_eq!(known.remove(&gone.session), Some(gone.user));
                            }
                        }
                        Effect::Ask(node) => {
                            let before = asked.insert(node, now);
                            prop_assert!(before.is_none_or(|before| now - before > PATIENCE));
                        }
                        Effect::SendList | Effect::End(_) | Effect::Heard => {}
                    }
                }
            }
            let believed: usize = peers.peers.values().map(|peer| peer.sessions.len()).sum();
            prop_assert_eq!(believed, known.len());
        }
    }

    #[test]
    fn nodes_and_their_sessions_are_bounded() {
        let (mut peers, now) = (Peers::new(OWN), Clock::System.instant());
        for node in 0..1000 {
            let envelope =
                Envelope { node: NodeId(Uuid::from_u128(10 + node)), number: 1, news: News::Hello };
            peers.receive(envelope, now);
        }
        assert_eq!(peers.peers.len(), MAX_PEERS);
        let login = super::super::wire::EndedLogin::new(LoginId(Uuid::nil()), RevokeReason::SignedOut);
        let news = News::Ended { logins: vec![login] };
        let effects = peers.receive(Envelope { node: NodeId(Uuid::max()), number: 1, news }, now);
        assert!(matches!(effects.as_slice(), [Effect::End(_)]), "a revocation counts from whoever it comes");
        let peer = peers.peers.values_mut().next().unwrap();
        let mut effects = Vec::new();
        for session in 0..MAX_SESSIONS + 10 {
            peer.add(listed(session as u128), &mut effects);
        }
        assert_eq!((peer.sessions.len(), effects.len()), (MAX_SESSIONS, MAX_SESSIONS));
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
