//! The body of a POST to the Socket.IO door. What is read must come back when it is written and read again.
#![no_main]

use bytestring::ByteString;
use doorward_core::protocol::engineio::{Queue, decode_payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    let packets: Vec<_> = decode_payload(&ByteString::from(body)).filter_map(Result::ok).collect();
    if packets.is_empty() {
        return;
    }
    let mut queue = Queue::default();
    for packet in &packets {
        queue.push(packet);
    }
    let written = ByteString::from(queue.take_payload());
    let again: Result<Vec<_>, _> = decode_payload(&written).collect();
    assert_eq!(again.as_ref(), Ok(&packets));
    assert!(queue.is_empty());
});
