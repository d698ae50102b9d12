//! Engine.IO, revision 4 (<https://socket.io/docs/v4/engine-io-protocol/>): packets, and the payloads in which
//! HTTP long-polling carries several of them. Over WebSocket each packet is a message of its own.

use std::ops::ControlFlow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use bytestring::ByteString;

/// Between the packets of a payload.
const SEPARATOR: char = '\u{1e}';

/// One packet, of the kinds that a server can receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Close,
    /// In revision 4 the server pings; a client does it to probe a new connection.
    Ping(ByteString),
    Pong(ByteString),
    Message(ByteString),
    Binary(Bytes),
    /// The client goes on over the connection that it probed.
    Upgrade,
    Noop,
}

/// The text is not a valid packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl Packet {
    /// Reads the text of one WebSocket frame.
    ///
    /// # Errors
    /// [`Malformed`] if its type is not one of Engine.IO's, or has another form.
    pub fn from_text(text: &ByteString) -> Result<Self, Malformed> {
        Self::decode(text, text)
    }

    /// Reads one packet, which is a part of `whole`: nothing is copied.
    fn decode(whole: &ByteString, text: &str) -> Result<Self, Malformed> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(Malformed)?;
        let rest = rest.as_str();
        match (kind, rest.is_empty()) {
            ('1', true) => Ok(Self::Close),
            ('2', _) => Ok(Self::Ping(whole.slice_ref(rest))),
            ('3', _) => Ok(Self::Pong(whole.slice_ref(rest))),
            ('4', _) => Ok(Self::Message(whole.slice_ref(rest))),
            ('5', true) => Ok(Self::Upgrade),
            ('6', true) => Ok(Self::Noop),
            _ => Err(Malformed),
        }
    }
}

/// Reads the body of a POST: packets in their order, up to the first that is none.
pub fn decode_payload(body: &ByteString) -> impl Iterator<Item = Result<Packet, Malformed>> {
    body.split(SEPARATOR).map(|text| match text.strip_prefix('b') {
        Some(base64) => {
            BASE64_STANDARD.decode(base64).map(|bytes| Packet::Binary(bytes.into())).map_err(|_| Malformed)
        }
        None => Packet::decode(body, text),
    })
}

/// Packets that wait to be sent, one behind the other in one buffer: each has a byte for its kind and four
/// for its length. Whether they become frames or a payload is decided when they are taken, because that can
/// change while they wait.
#[derive(Debug, Default)]
pub struct Queue {
    bytes: Vec<u8>,
    /// What was taken already.
    start: usize,
}

/// A packet as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoded<'a> {
    /// UTF-8, its kind included.
    Text(&'a [u8]),
    Binary(&'a [u8]),
}

const HEAD: usize = 5;
const TEXT: u8 = 0;
const BINARY: u8 = 1;

impl Queue {
    /// Bytes that wait, the heads among them.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn push(&mut self, packet: &Packet) {
        let (kind, text) = match packet {
            Packet::Binary(bytes) => return self.binary(bytes),
            Packet::Close => (b'1', ""),
            Packet::Ping(text) => (b'2', &**text),
            Packet::Pong(text) => (b'3', &**text),
            Packet::Message(text) => (b'4', &**text),
            Packet::Upgrade => (b'5', ""),
            Packet::Noop => (b'6', ""),
        };
        self.text(|out| {
            out.push(kind);
            out.extend_from_slice(text.as_bytes());
        });
    }

    /// A packet of text that `write` appends, its kind included.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let head = self.bytes.len();
        self.bytes.extend_from_slice(&[TEXT, 0, 0, 0, 0]);
        write(&mut self.bytes);
        self.set_length(head);
    }

    pub fn binary(&mut self, bytes: &[u8]) {
        let head = self.bytes.len();
        self.bytes.extend_from_slice(&[BINARY, 0, 0, 0, 0]);
        self.bytes.extend_from_slice(bytes);
        self.set_length(head);
    }

    fn set_length(&mut self, head: usize) {
        // What waits is bounded far below four gibibytes.
        let length = u32::try_from(self.bytes.len() - head - HEAD).unwrap_or(u32::MAX);
        self.bytes[head + 1..head + HEAD].copy_from_slice(&length.to_le_bytes());
    }

    fn pop(&mut self) -> Option<(u8, &[u8])> {
        let waiting = &self.bytes[self.start..];
        let kind = *waiting.first()?;
        let length = u32::from_le_bytes(waiting.get(1..HEAD)?.try_into().ok()?);
        let end = HEAD + usize::try_from(length).ok()?;
        self.start += end;
        Some((kind, &self.bytes[self.start - end + HEAD..self.start]))
    }

    /// Hands each packet to `write` until that answers that it has enough.
    pub fn take_packets(&mut self, mut write: impl FnMut(Encoded<'_>) -> ControlFlow<()>) {
        while let Some((kind, packet)) = self.pop() {
            let packet = if kind == TEXT { Encoded::Text(packet) } else { Encoded::Binary(packet) };
            if write(packet).is_break() {
                break;
            }
        }
        self.forget();
    }

    /// Takes all packets as one payload.
    pub fn take_payload(&mut self) -> String {
        let mut payload = String::with_capacity(self.len());
        while let Some((kind, packet)) = self.pop() {
            if !payload.is_empty() {
                payload.push(SEPARATOR);
            }
            if kind == TEXT {
                // It was written as text.
                payload.push_str(&String::from_utf8_lossy(packet));
            } else {
                payload.push('b');
                BASE64_STANDARD.encode_string(packet, &mut payload);
            }
        }
        self.forget();
        payload
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// An idle connection keeps no buffer, and one that is never idle does not keep what has left.
    fn forget(&mut self) {
        if self.is_empty() {
            self.clear();
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packets(body: &str) -> Vec<Result<Packet, Malformed>> {
        decode_payload(&body.into()).collect()
    }

    #[test]
    fn a_payload_is_read_as_the_protocol_shows_it() {
        assert_eq!(
            packets("4hello\u{1e}2\u{1e}4world\u{1e}bAQIDBA=="),
            [
                Ok(Packet::Message("hello".into())),
                Ok(Packet::Ping("".into())),
                Ok(Packet::Message("world".into())),
                Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))),
            ]
        );
        for bad in ["", "abc", "0", "7", "1x", "5x", "é", "b!", "\u{1e}", "4a\u{1e}"] {
            assert!(packets(bad).contains(&Err(Malformed)), "{bad:?}");
        }
    }

    #[test]
    fn a_queue_that_was_emptied_keeps_no_buffer() {
        let mut queue = Queue::default();
        queue.text(|out| out.extend_from_slice(b"4hello"));
        queue.binary(&[1, 2, 3, 4]);
        assert_eq!(queue.take_payload(), "4hello\u{1e}bAQIDBA==");
        assert!(queue.is_empty());
        assert_eq!(queue.bytes.capacity(), 0);
    }

    #[test]
    fn packets_are_taken_a_few_at_a_time() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.text(|out| out.extend_from_slice(b"42[]"));
        }
        let take = |queue: &mut Queue, most: usize| {
            let mut taken = 0;
            queue.take_packets(|packet| {
                assert_eq!(packet, Encoded::Text(b"42[]"));
                taken += 1;
                if taken < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            taken
        };
        assert_eq!(take(&mut queue, 1), 1);
        assert_eq!(take(&mut queue, usize::MAX), 2);
        assert_eq!(take(&mut queue, usize::MAX), 0);
    }

    #[test]
    fn a_queue_that_is_never_empty_keeps_nothing_that_has_left() {
        let mut queue = Queue::default();
        let packet = vec![b'4'; 1000];
        queue.text(|out| out.extend_from_slice(&packet));
        for _ in 0..10_000 {
            queue.text(|out| out.extend_from_slice(&packet));
            queue.take_packets(|packet| {
                assert!(matches!(packet, Encoded::Text(text) if text.len() == 1000));
                ControlFlow::Break(())
            });
            assert!(!queue.is_empty());
        }
        assert!(queue.bytes.capacity() < 20_000, "{}", queue.bytes.capacity());
    }

    fn packet() -> impl Strategy<Value = Packet> {
        let text = "[^\u{1e}]{0,20}";
        prop_oneof![
            Just(Packet::Close),
            Just(Packet::Upgrade),
            Just(Packet::Noop),
            text.prop_map(|text| Packet::Ping(text.into())),
            text.prop_map(|text| Packet::Pong(text.into())),
            text.prop_map(|text| Packet::Message(text.into())),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| Packet::Binary(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn packets_come_back_from_a_payload(packets in prop::collection::vec(packet(), 1..8)) {
            let mut queue = Queue::default();
            for packet in &packets {
                queue.push(packet);
            }
            let back: Result<Vec<_>, _> = decode_payload(&queue.take_payload().into()).collect();
            prop_assert_eq!(back, Ok(packets));
        }

        #[test]
        fn any_body_is_read_or_refused(body in ".{0,200}") {
            let _ = packets(&body);
        }
    }
}
