//! Engine.IO packets as WebSocket messages.

use std::ops::ControlFlow;

use actix_http::ws::OpCode;
use doorward_core::protocol::engineio::{Encoded, Queue};

use super::frame;

/// Takes packets from `queue` as WebSocket messages until `out` has more than `enough` bytes. Returns whether there
/// were any.
pub(in crate::transports) fn write_packets(queue: &mut Queue, out: &mut Vec<u8>, enough: usize) -> bool {
    let before = out.len();
    if before <= enough {
        queue.take_packets(|packet| {
            let (opcode, bytes) = match packet {
                Encoded::Text(bytes) => (OpCode::Text, bytes),
                Encoded::Binary(bytes) => (OpCode::Binary, bytes),
            };
            frame::write(out, opcode, |out| out.extend_from_slice(bytes));
            if out.len() <= enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    out.len() > before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_become_messages_a_few_at_a_time() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            queue.text(|out| out.extend_from_slice(b"42[]"));
        }
        let mut out = Vec::new();
        assert!(write_packets(&mut queue, &mut out, 0));
        assert_eq!(&out[..], [&[0x81, 4][..], b"42[]"].concat());
        assert!(write_packets(&mut queue, &mut out, usize::MAX));
        assert_eq!(out.len(), 18);
        assert!(!write_packets(&mut queue, &mut out, usize::MAX));
    }
}
