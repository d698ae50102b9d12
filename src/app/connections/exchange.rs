//! Tracks the requests and responses of one HTTP connection, one after the other, and how long each part may
//! take. No I/O and no clock: the caller passes times in milliseconds.

use std::sync::Arc;
use std::time::Duration;

use super::framing::{Framer, Kind};
use super::table::{Mark, NEVER, Phase};

/// How long each part of a connection may take, from its start. A byte now and then extends none of them.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Silence of the client during a TLS handshake.
    pub silence: Duration,
    /// The whole TLS handshake.
    pub handshake: Duration,
    /// A request's head.
    pub head: Duration,
    /// A request's body, plus one second for each 16 kB of it. Handlers have a shorter limit of their own;
    /// this one is for bodies that no handler waits for.
    pub body: Duration,
    /// How long a response may wait for the client to read, plus one second for each 16 kB read.
    pub response: Duration,
    /// The wait for the next request.
    pub idle: Duration,
    /// Closing a connection.
    pub closing: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(1),
            handshake: Duration::from_secs(3),
            head: Duration::from_secs(5),
            body: Duration::from_secs(15),
            response: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            closing: Duration::from_secs(5),
        }
    }
}

/// Bytes per millisecond for which a body or a response gets more time.
const RATE: u64 = 16;

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// No request is being served.
    None,
    Awaited,
    /// Complete, but the connection may still have part of it buffered.
    Encoded,
}

/// The requests of one connection. Its methods return the connection's new mark, if it changes.
#[derive(Debug)]
pub struct Exchange {
    deadlines: Arc<Deadlines>,
    framer: Framer,
    answer: Answer,
    /// The next head has begun.
    heading: bool,
    began: u64,
    /// Bytes of this request's body and of its response.
    received: u64,
    written: u64,
    /// Since when the client has not been reading, and for how long it had not been before, within this
    /// response.
    blocked: Option<u64>,
    spent: u64,
    /// The mark while the client reads.
    mark: Mark,
}

impl Exchange {
    /// The deadline of the first head starts with the connection.
    #[must_use]
    pub fn new(deadlines: Arc<Deadlines>, now: u64) -> Self {
        let head = millis(deadlines.head);
        Self {
            deadlines,
            framer: Framer::default(),
            answer: Answer::None,
            heading: true,
            began: now,
            received: 0,
            written: 0,
            blocked: None,
            spent: 0,
            mark: Mark::new(Phase::Head, now + head),
        }
    }

    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether nothing may pass for now.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.framer.is_held()
    }

    const fn enter(&mut self, phase: Phase, due: u64) -> Option<Mark> {
        self.mark = Mark::new(phase, due);
        // A client that does not read has the more urgent deadline.
        if self.blocked.is_none() { Some(self.mark) } else { None }
    }

    /// How many of the received bytes may pass.
    pub fn pass(&mut self, bytes: &[u8], now: u64) -> (usize, Option<Mark>) {
        let head = self.framer.is_head();
        let passed = self.framer.pass(bytes);
        if passed == 0 || matches!(self.framer, Framer::Stream) {
            return (passed, None);
        }
        if head {
            let first = !std::mem::replace(&mut self.heading, true);
            let due = now + millis(self.deadlines.head);
            return (passed, if first { self.enter(Phase::Head, due) } else { None });
        }
        self.received += passed as u64;
        let mark = match (self.framer.is_held(), self.answer) {
            (true, Answer::None) => self.next(now),
            (true, Answer::Awaited | Answer::Encoded) => self.enter(Phase::Busy, NEVER),
            (false, _) => {
                let due = self.began + millis(self.deadlines.body) + self.received / RATE;
                self.enter(Phase::Body, due)
            }
        };
        (passed, mark)
    }

    /// A head is complete: its request is being served.
    pub fn begin(&mut self, kind: Kind, now: u64) -> Option<Mark> {
        self.framer.begin(kind);
        self.answer = Answer::Awaited;
        self.began = now;
        (self.received, self.written, self.spent) = (0, 0, 0);
        match self.framer {
            Framer::Body { .. } | Framer::Chunked(_) => {
                self.enter(Phase::Body, now + millis(self.deadlines.body))
            }
            Framer::Head(_) | Framer::HandedOver | Framer::Stream => self.enter(Phase::Busy, NEVER),
        }
    }

    /// The response is complete.
    pub fn encoded(&mut self) {
        if self.answer == Answer::Awaited {
            self.answer = Answer::Encoded;
        }
    }

    /// Nothing is left to write.
    pub fn flushed(&mut self, now: u64) -> Option<Mark> {
        let read = self.unblocked(now);
        if self.answer != Answer::Encoded {
            return read;
        }
        self.answer = Answer::None;
        match self.framer {
            Framer::HandedOver => self.next(now),
            // The server closes the connection, except after a chunked body, which it reads to the end.
            Framer::Stream => self.enter(Phase::Closing, now + millis(self.deadlines.closing)),
            Framer::Head(_) | Framer::Body { .. } | Framer::Chunked(_) => read,
        }
    }

    /// Gets ready for the next request.
    fn next(&mut self, now: u64) -> Option<Mark> {
        self.framer = Framer::default();
        self.heading = false;
        self.enter(Phase::Idle, now + millis(self.deadlines.idle))
    }

    /// The client does not read.
    pub fn blocked(&mut self, now: u64) -> Option<Mark> {
        if self.blocked.is_some() {
            return None;
        }
        self.blocked = Some(now);
        let allowed = millis(self.deadlines.response) + self.written / RATE;
        Some(Mark::new(Phase::Response, now + allowed.saturating_sub(self.spent)))
    }

    /// The client has read some.
    pub fn wrote(&mut self, bytes: usize, now: u64) -> Option<Mark> {
        self.written += bytes as u64;
        self.unblocked(now)
    }

    fn unblocked(&mut self, now: u64) -> Option<Mark> {
        let since = self.blocked.take()?;
        self.spent += now.saturating_sub(since);
        Some(self.mark)
    }

    pub fn closing(&mut self, now: u64) -> Option<Mark> {
        if self.mark.phase == Phase::Closing {
            return None;
        }
        self.enter(Phase::Closing, now + millis(self.deadlines.closing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    fn exchange() -> Exchange {
        Exchange::new(Arc::default(), 0)
    }

    /// Serves a request without a body, whose head is received at once.
    fn serve(exchange: &mut Exchange, now: u64) {
        assert_eq!(exchange.pass(HEAD, now).0, HEAD.len());
        assert_eq!(exchange.begin(Kind::Empty, now), Some(Mark::new(Phase::Busy, NEVER)));
        exchange.encoded();
        assert_eq!(exchange.flushed(now), Some(Mark::new(Phase::Idle, now + 75_000)));
    }

    #[test]
    fn each_head_has_its_deadline_from_its_first_byte_however_slow() {
        let mut exchange = exchange();
        assert_eq!(
            exchange.mark(),
            Mark::new(Phase::Head, 5_000),
            "the first one starts with the connection"
        );
        assert_eq!(exchange.pass(b"G", 4_000), (1, None));
        assert_eq!(exchange.pass(&HEAD[1..], 4_500).0, HEAD.len() - 1);
        assert_eq!(exchange.pass(b"G", 4_500), (0, None), "the next one waits");
        exchange.begin(Kind::Empty, 4_500);
        exchange.encoded();
        exchange.flushed(4_600);
        assert_eq!(exchange.pass(b"\r", 50_000), (1, Some(Mark::new(Phase::Head, 55_000))));
        for now in 50_001..50_009 {
            assert_eq!(exchange.pass(b"\n", now), (1, None), "no byte extends it");
        }
        assert_eq!(exchange.pass(HEAD, 51_000), (HEAD.len(), None));
        assert_eq!(exchange.begin(Kind::Empty, 51_000), Some(Mark::new(Phase::Busy, NEVER)));
    }

    #[test]
    fn a_body_has_its_deadline_from_its_start_and_little_more_for_each_byte() {
        let mut exchange = exchange();
        exchange.pass(HEAD, 0);
        assert_eq!(exchange.begin(Kind::Length(40), 1_000), Some(Mark::new(Phase::Body, 16_000)));
        for second in 2..20 {
            let due = exchange.pass(b"x", second * 1000).1.unwrap();
            assert_eq!(due.phase, Phase::Body);
            assert!(due.due <= 16_002, "{due:?}");
        }
        assert_eq!(exchange.pass(&[b'x'; 100], 20_000), (22, Some(Mark::new(Phase::Busy, NEVER))));
        exchange.begin(Kind::Length(1 << 20), 0);
        assert_eq!(exchange.pass(&vec![0; 160_000], 9_000).1, Some(Mark::new(Phase::Body, 25_000)));
    }

    #[test]
    fn a_response_to_a_slow_reader_has_its_deadline_from_the_start() {
        let mut exchange = exchange();
        exchange.pass(HEAD, 0);
        exchange.begin(Kind::Empty, 0);
        assert_eq!(
            exchange.blocked(10_000),
            Some(Mark::new(Phase::Response, 40_000)),
            "none while it is read"
        );
        for second in 11..39 {
            assert_eq!(exchange.wrote(1, second * 1000), Some(Mark::new(Phase::Busy, NEVER)));
            let due = exchange.blocked(second * 1000).unwrap().due;
            assert!((40_000..40_003).contains(&due), "{due}");
        }
        exchange.wrote(160_000, 39_000);
        assert_eq!(exchange.blocked(39_000).unwrap().due, 50_001, "ten seconds for what was read");
        exchange.encoded();
        assert_eq!(exchange.flushed(45_000), Some(Mark::new(Phase::Idle, 120_000)));
        exchange.pass(HEAD, 45_000);
        exchange.begin(Kind::Empty, 45_000);
        assert_eq!(
            exchange.blocked(45_000).unwrap().due,
            75_000,
            "the next response has a deadline of its own"
        );
    }

    #[test]
    fn a_request_waits_for_the_server_without_a_deadline_and_for_the_one_before() {
        let mut exchange = exchange();
        for now in [0, 100_000, 200_000] {
            serve(&mut exchange, now);
        }
        exchange.pass(HEAD, 300_000);
        exchange.begin(Kind::Length(3), 300_000);
        exchange.encoded();
        assert_eq!(exchange.flushed(300_000), None, "its body is still missing");
        assert_eq!(exchange.pass(b"abcGET", 301_000), (3, Some(Mark::new(Phase::Idle, 376_000))));
        assert!(!exchange.is_held());
    }
}
