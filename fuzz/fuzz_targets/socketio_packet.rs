//! The text of a Socket.IO packet. If its JSON is taken, its head must come back when it is written and read again,
//! and what is handed to a handler must be JSON values with commas between them.
#![no_main]

use doorward_core::protocol::socketio::{Packet, write_head};
use doorward_core::protocol::{NamespaceId, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(packet) = Packet::decode(text) else { return };
    // A binary packet without attachments is written as what it is then.
    let binary = matches!(text.as_bytes().first(), Some(b'5' | b'6'));
    if packet.message(NamespaceId::MAIN, false).is_ok() && (!binary || packet.attachments > 0) {
        let mut out = Vec::new();
        write_head(&mut out, packet.kind, packet.attachments, packet.namespace, packet.ack);
        out.extend_from_slice(packet.data.as_bytes());
        let again = String::from_utf8(out).expect("text of text");
        assert_eq!(Packet::decode(&again[1..]).as_ref(), Ok(&packet));
    }
    for open in [false, true] {
        let Ok(message) = packet.message(NamespaceId::MAIN, open) else { continue };
        if let Request::Event { arguments, .. } | Request::Join { arguments, .. } = message.request {
            let list = format!("[{arguments}]");
            assert!(serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&list).is_ok(), "{list}");
        }
    }
});
