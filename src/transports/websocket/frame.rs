//! Frames as a server sends them: whole and unmasked (RFC 6455 section 5.1).

use actix_http::ws::OpCode;

/// The mark of a message's last fragment.
const FIN: u8 = 0x80;

/// Lengths up to here fit the header's second byte; these numbers there say that more bytes follow (section 5.2).
const SHORT: usize = 125;
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// Appends a frame whose payload `write` appends. The payload is written in place: only a long one has to make room
/// for its header.
pub fn write(out: &mut Vec<u8>, opcode: OpCode, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let payload = start + 2;
    out.extend([FIN | u8::from(opcode), 0]);
    write(out);
    let length = out.len() - payload;
    if length <= SHORT {
        out[start + 1] = u8::try_from(length).unwrap_or_default();
    } else if let Ok(length) = u16::try_from(length) {
        out[start + 1] = TWO_BYTES;
        insert(out, payload, &length.to_be_bytes());
    } else {
        out[start + 1] = EIGHT_BYTES;
        insert(out, payload, &(length as u64).to_be_bytes());
    }
}

fn insert(out: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = out.len();
    out.extend_from_slice(bytes);
    out.copy_within(at..end, at + bytes.len());
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use actix_http::ws::Parser;
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn frames_are_those_of_another_implementation_at_every_length_of_a_header() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = vec![b'x'; length];
            for opcode in [OpCode::Text, OpCode::Binary, OpCode::Ping, OpCode::Close] {
                let mut expected = BytesMut::from(&b"before"[..]);
                Parser::write_message(&mut expected, &payload, opcode, true, false);
                let mut out = b"before".to_vec();
                write(&mut out, opcode, |out| out.extend_from_slice(&payload));
                assert!(out == expected, "{length} bytes of {opcode:?}");
            }
        }
    }
}
