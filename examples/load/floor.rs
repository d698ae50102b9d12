//! `floor`: a server that does nothing but what a WebSocket costs the kernel: one thread, epoll, framing by hand, one
//! `recv` and one `send` a wake-up, and the same reply to every message. It knows no token, no JSON, no timer, and no limit,
//! so it is what other servers are compared with.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::Result;

/// As long as a reply of Doorward to `secret`.
const REPLY: &str = "{\"type\":\"secret\",\"id\":100000,\"message\":\"bench-00042, every door you open today was closed \
                     yesterday.\",\"code\":\"23456789\"}";

/// The most bytes that are read at once; a longer frame closes the connection.
const INPUT: usize = 64 * 1024;

/// Events that are fetched at once.
const EVENTS: usize = 1024;

/// The listener's key; that of a connection is its descriptor.
const LISTENER: u64 = u64::MAX;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct Floor {
    listener: TcpListener,
    epoll: OwnedFd,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    input: Box<[u8]>,
    output: Vec<u8>,
    reply: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    is_open: bool,
    /// The start of a frame whose end has not arrived.
    rest: Vec<u8>,
}

/// Serves until the process is killed. Prints its port first.
pub fn run() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    println!("{}", listener.local_addr()?.port());
    let floor = Floor {
        listener,
        epoll,
        connections: Vec::new(),
        input: vec![0; INPUT].into(),
        output: Vec::new(),
        reply: short_text(REPLY),
    };
    floor.serve()
}

impl Floor {
    fn serve(mut self) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    key => self.serve_connection(usize::try_from(key)?),
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(stream) => TcpStream::from(stream),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let key = usize::try_from(stream.as_raw_fd())?;
            epoll::add(&self.epoll, &stream, EventData::new_u64(key as u64), EventFlags::IN)?;
            if self.connections.len() <= key {
                self.connections.resize_with(key + 1, || None);
            }
            self.connections[key] = Some(Connection { stream, is_open: false, rest: Vec::new() });
        }
    }

    fn serve_connection(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let is_served = connection.as_mut().is_some_and(|connection| {
            connection.serve(&mut self.input, &mut self.output, &self.reply).is_some()
        });
        if !is_served {
            *connection = None;
        }
    }
}

impl Connection {
    /// Reads once and writes once. `None` if the connection has ended or must end.
    fn serve(&mut self, input: &mut [u8], output: &mut Vec<u8>, reply: &[u8]) -> Option<()> {
        let have = self.rest.len();
        input[..have].copy_from_slice(&self.rest);
        let count = match self.stream.read(&mut input[have..]) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
            Err(_) => return None,
        };
        let bytes = &mut input[..have + count];
        output.clear();
        if self.is_open {
            let used = answer(bytes, reply, output)?;
            self.rest = bytes[used..].to_vec();
        } else {
            output.extend_from_slice(shake_hands(bytes)?.as_bytes());
            self.is_open = true;
        }
        let sent = if output.is_empty() { 0 } else { self.stream.write(output).ok()? };
        (sent == output.len()).then_some(())
    }
}

/// The answer to a handshake that arrived in one piece.
fn shake_hands(request: &[u8]) -> Option<String> {
    let request = std::str::from_utf8(request).ok()?.strip_suffix("\r\n\r\n")?;
    let (_, key) = request
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{}{GUID}", key.trim()).as_bytes());
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(accept)
    ))
}

/// Unmasks each complete frame, and adds a reply to each message. Returns how many bytes the frames have; `None` after a
/// close frame, and for a frame that is too long.
fn answer(bytes: &mut [u8], reply: &[u8], output: &mut Vec<u8>) -> Option<usize> {
    let mut used = 0;
    loop {
        let frame = &mut bytes[used..];
        let [first, second, rest @ ..] = &*frame else { return Some(used) };
        let (opcode, header, length) = match second & 0x7f {
            127 => return None,
            126 => match rest.first_chunk() {
                Some(length) => (first & 0x0f, 8, usize::from(u16::from_be_bytes(*length))),
                None => return Some(used),
            },
            length => (first & 0x0f, 6, usize::from(length)),
        };
        let Some(frame) = frame.get_mut(..header + length) else {
            // With what is there of it, the frame must fit into the buffer.
            return (header + length <= INPUT).then_some(used);
        };
        let (header, payload) = frame.split_at_mut(header);
        let mask: [u8; 4] = *header.last_chunk()?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        used += header.len() + payload.len();
        match opcode {
            1 | 2 => output.extend_from_slice(reply),
            8 => return None,
            _ => {}
        }
    }
}

/// A text frame as a server sends it, of at most 125 bytes.
fn short_text(payload: &str) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    [&[0x81, length], payload.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{REPLY, answer, shake_hands, short_text};
    use crate::websocket::text;

    #[test]
    fn the_handshake_of_rfc_6455_gets_its_answer() {
        let request = "GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let answer = shake_hands(request.as_bytes()).unwrap();
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        assert!(shake_hands(b"GET / HTTP/1.1\r\n\r\n").is_none());
    }

    #[test]
    fn each_complete_message_is_answered() {
        let (short, long) = (text("one"), text(&"two".repeat(100)));
        let mut bytes = [short.as_slice(), &long, &short[..4]].concat();
        let (complete, mut output) = (short.len() + long.len(), Vec::new());
        assert_eq!(answer(&mut bytes, b"reply", &mut output), Some(complete));
        assert_eq!(output, b"replyreply");
        assert_eq!(&bytes[6..short.len()], b"one");
    }

    #[test]
    fn the_reply_has_the_short_header() {
        assert_eq!(short_text("one"), b"\x81\x03one");
        assert!(REPLY.len() < 126, "{}", REPLY.len());
    }

    #[test]
    fn a_close_frame_and_a_giant_one_end_the_connection() {
        let mut output = Vec::new();
        assert_eq!(answer(&mut [0x88, 0x80, 1, 2, 3, 4], b"reply", &mut output), None);
        assert_eq!(answer(&mut [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], b"reply", &mut output), None);
        assert!(output.is_empty());
    }
}
