//! What travels on the channels of rooms and nodes: a byte that says what it is, the 16 bytes of the node that sent it, and
//! its body as UTF-8. The channel's name says which room. A node ignores what it does not know, so that nodes of two versions
//! can run side by side.

use uuid::Uuid;

use super::message::NodeId;

/// Bytes of a frame that is read.
const LARGEST: usize = 2 * 1024 * 1024;

/// A message to a room; its body is JSON.
const MESSAGE: u8 = 1;
/// A sign of life.
const BEAT: u8 = 2;
/// Who is in a room, as the node tells of its sessions; its body is JSON.
const PRESENCE: u8 = 3;
/// The node stops.
const BYE: u8 = 4;
/// A node's sessions of a user; its body is JSON.
const SESSIONS: u8 = 5;
/// A question for sessions; its body is JSON.
const QUERY: u8 = 6;
/// The answer; its body is JSON.
const REPLY: u8 = 7;

const HEADER: usize = 1 + size_of::<Uuid>();

/// A frame that was read, or is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub node: NodeId,
    pub body: Body<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// JSON as its node has written it, or anyone who reaches Redis.
    Message(&'a str),
    Presence(&'a str),
    Sessions(&'a str),
    Query(&'a str),
    Reply(&'a str),
    Beat,
    Bye,
}

impl<'a> Frame<'a> {
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (kind, body) = match self.body {
            Body::Message(json) => (MESSAGE, json),
            Body::Presence(json) => (PRESENCE, json),
            Body::Sessions(json) => (SESSIONS, json),
            Body::Query(json) => (QUERY, json),
            Body::Reply(json) => (REPLY, json),
            Body::Beat => (BEAT, ""),
            Body::Bye => (BYE, ""),
        };
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.push(kind);
        bytes.extend_from_slice(self.node.0.as_bytes());
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    /// None for what no node of this version has written.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > LARGEST {
            return None;
        }
        let (kind, rest) = bytes.split_first()?;
        let (node, body) = rest.split_first_chunk()?;
        let node = NodeId(Uuid::from_bytes(*node));
        let body = match (*kind, std::str::from_utf8(body).ok()?) {
            (MESSAGE, json) => Body::Message(json),
            (PRESENCE, json) => Body::Presence(json),
            (SESSIONS, json) => Body::Sessions(json),
            (QUERY, json) => Body::Query(json),
            (REPLY, json) => Body::Reply(json),
            (BEAT, "") => Body::Beat,
            (BYE, "") => Body::Bye,
            _ => return None,
        };
        Some(Self { node, body })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_node_has_written_is_no_frame() {
        let node = NodeId(Uuid::from_u128(7));
        let good = Frame { node, body: Body::Message("{}") }.write();
        assert!(Frame::read(&good).is_some());
        for end in 0..HEADER {
            assert_eq!(Frame::read(&good[..end]), None);
        }
        let with = |kind: u8, body: &[u8]| [&[kind], node.0.as_bytes().as_slice(), body].concat();
        for bad in [
            with(0, b"{}"),
            with(8, b"{}"),
            with(BEAT, b"x"),
            with(BYE, b"x"),
            with(MESSAGE, b"\xff"),
            b"{}".to_vec(),
        ] {
            assert_eq!(Frame::read(&bad), None, "{bad:?}");
        }
        assert_eq!(Frame::read(&with(MESSAGE, &vec![b' '; LARGEST])), None);
    }

    proptest! {
        #[test]
        fn a_frame_is_read_as_it_was_written(node: u128, json: String, kind in 0..7_usize) {
            let with_json =
                [Body::Message, Body::Presence, Body::Sessions, Body::Query, Body::Reply].map(|body| body(&json));
            let body = *with_json.get(kind).unwrap_or(if kind == 5 { &Body::Beat } else { &Body::Bye });
            let frame = Frame { node: NodeId(Uuid::from_u128(node)), body };
            let bytes = frame.write();
            prop_assert_eq!(Frame::read(&bytes), Some(frame));
        }

        #[test]
        fn any_bytes_are_a_frame_that_is_written_alike_or_none(bytes: Vec<u8>) {
            if let Some(frame) = Frame::read(&bytes) {
                prop_assert_eq!(frame.write(), bytes);
            }
        }
    }
}
