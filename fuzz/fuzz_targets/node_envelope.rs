//! Messages on the nodes' channel, one a line. Whatever they say, each session connects once and disconnects once. The same
//! bytes as they would be read on a room's channel.
#![no_main]

use std::collections::HashMap;
use std::time::Instant;

use doorward::internals::cluster::{Effect, Envelope, Frame, NodeId, Peers};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|said: &[u8]| {
    let (mut peers, now) = (Peers::new(NodeId(Uuid::max())), Instant::now());
    let mut known = HashMap::new();
    for line in said.split(|byte| *byte == b'\n') {
        if let Some(frame) = Frame::read(line) {
            assert_eq!(frame.write(), line);
        }
        let Ok(envelope) = Envelope::read(line) else { continue };
        let written = serde_json::to_vec(&envelope).unwrap();
        assert_eq!(Envelope::read(&written).unwrap(), envelope);
        for effect in peers.receive(envelope, now) {
            match effect {
                Effect::Add(listed) => assert!(known.insert(listed.id, listed.user).is_none()),
                Effect::Remove(gone) => {
                    for gone in gone {
                        assert_eq!(known.remove(&gone.session), Some(gone.user));
                    }
                }
                Effect::Revoke(..)
                | Effect::SendList
                | Effect::RequestList(_)
                | Effect::ReadAccess
                | Effect::AccessApplied(..)
                | Effect::ReadRooms(_)
                | Effect::RoomsApplied(..)
                | Effect::Echo => {}
            }
        }
    }
});
