//! Messages on the nodes' channel, one a line, and the same bytes as they would be read on the channels of rooms and users.
//! Whatever they say of a user's sessions, what is kept is bounded, and this node's sessions are not taken over.
#![no_main]

use std::net::IpAddr;
use std::time::Instant;

use doorward::Config;
use doorward::internals::cluster::{Body, Envelope, Frame, NodeId, Peers, Query, Reply, SessionList};
use doorward::internals::directory::Directory;
use doorward_core::domain::{LoginId, SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

/// The user of the seeds.
const USER: UserId = UserId(Uuid::from_u128(0x0190_f3c4_0000_7000_8000_0000_0000_0001));
const LIMIT: usize = 2;

fn own_session() -> SessionInfo {
    SessionInfo {
        id: SessionId(Uuid::from_u128(0x0190_f3c4_0000_7000_8000_0000_0000_0005)),
        user: USER,
        login: LoginId(Uuid::max()),
        transport: "tcp",
        address: IpAddr::from([127, 0, 0, 1]),
        since: Default::default(),
    }
}

fuzz_target!(|said: &[u8]| {
    let (mut peers, now) = (Peers::new(NodeId(Uuid::max())), Instant::now());
    let config = Config::from_pairs([("sockets.max_per_user", &*LIMIT.to_string())]).unwrap();
    let directory = Directory::new(&config.sockets, Box::new(|_| {}));
    let ticket = directory.admit(own_session(), None);
    for (number, line) in said.split(|byte| *byte == b'\n').enumerate() {
        if let Some(frame) = Frame::read(line) {
            assert_eq!(frame.write(), line);
        }
        if let Ok(envelope) = Envelope::read(line) {
            let written = serde_json::to_vec(&envelope).unwrap();
            assert_eq!(Envelope::read(&written).unwrap(), envelope);
            peers.receive(envelope, now);
            assert!(peers.count() <= 64);
        }
        let Ok(json) = std::str::from_utf8(line) else { continue };
        if let Ok(query) = Query::read(json) {
            assert_eq!(Query::read(&serde_json::to_string(&query).unwrap()).unwrap(), query);
        }
        if let Ok(reply) = Reply::read(json) {
            assert!(reply.into_sessions().count() <= 1000);
        }
        if let Ok(list) = SessionList::read(json) {
            let written = serde_json::to_string(&list).unwrap();
            assert_eq!(SessionList::read(&written).unwrap(), list);
            let node = NodeId(Uuid::from_u128(number as u128 % 3));
            let frame = Frame { node, body: Body::Sessions(json) }.write();
            assert!(Frame::read(&frame).is_some());
            let reaction = directory.hear(node, list.report());
            let own = own_session().id;
            assert!(reaction.excess.iter().all(|excess| *excess == own));
            let known = directory.of_user(USER);
            assert!(known.len() <= 1 + 2 * LIMIT && known.is_sorted_by_key(|info| info.id));
            assert_eq!(known.iter().filter(|info| info.id == own).count(), 1);
        }
    }
    drop(ticket);
    assert!(directory.of_user(USER).is_empty());
});
