//! What clients and proxies get wrong, for the log: the operator can then help. Of each mistake a network
//! has one line a minute, and few networks have one, so that a flood of mistakes is no flood of lines.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use doorward_core::domain;

/// How long a network has no further line of the same mistake.
const PACE: Duration = Duration::from_mins(1);

/// Networks that have a line of one mistake in that time.
const NETWORKS: usize = 32;

/// Something that cannot work, and that its maker may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// HTTP or plain text at a listener that speaks TLS.
    PlainText,
    /// TLS at a listener that speaks none.
    Tls,
    ProxyHeader,
    /// HTTP/2 from its first byte on.
    Http2,
    /// HTTP at the prompts of the TCP listener.
    HttpAtPrompts,
    /// A handshake of a WebSocket without the headers that a proxy has to pass on.
    UpgradeLost,
    WebSocketVersion,
    EngineIoVersion,
    /// A Socket.IO client at the plain WebSocket, the reverse, or a WebSocket anywhere else.
    WrongEndpoint,
    /// A page asks for the client of Socket.IO.
    ClientFile,
    MisplacedToken,
    /// Subprotocols of which none is spoken here.
    Subprotocols,
}

impl Mistake {
    /// The word in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlainText => "plain_text",
            Self::Tls => "tls",
            Self::ProxyHeader => "proxy_header",
            Self::Http2 => "http2",
            Self::HttpAtPrompts => "http_at_prompts",
            Self::UpgradeLost => "upgrade_lost",
            Self::WebSocketVersion => "websocket_version",
            Self::EngineIoVersion => "engine_io_version",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::ClientFile => "client_file",
            Self::MisplacedToken => "misplaced_token",
            Self::Subprotocols => "subprotocols",
        }
    }

    /// What happened and what helps. It repeats nothing that the client sent, which may be a secret.
    const fn advice(self) -> &'static str {
        match self {
            Self::PlainText => {
                "a client spoke plain text to a port that speaks TLS: its address has to begin with https://, \
                 wss:// or tls://"
            }
            Self::Tls => {
                "a client spoke TLS to a port that does not (tls.cert, tls.key): its address has to begin with \
                 http://, ws:// or tcp://, or a proxy has to decrypt"
            }
            Self::ProxyHeader => {
                "a connection began with a header of the PROXY protocol, which is not read here: turn it off at the \
                 balancer (HAProxy: send-proxy, nginx: proxy_protocol) and pass X-Forwarded-For"
            }
            Self::Http2 => "a client began with HTTP/2, which is not spoken here: it has to use HTTP/1.1",
            Self::HttpAtPrompts => {
                "a client sent HTTP to the port of the prompts (tcp.listen): the port of http.listen is for that"
            }
            Self::UpgradeLost => {
                "a WebSocket handshake came without its Upgrade and Connection headers: a proxy in between does not \
                 pass them on (docs/PROXY.md has the lines for nginx and HAProxy)"
            }
            Self::WebSocketVersion => "a WebSocket client speaks another version than 13 (RFC 6455)",
            Self::EngineIoVersion => {
                "a Socket.IO client does not ask for Engine.IO 4: socket.io-client 3 or later, python-socketio 5 or \
                 later"
            }
            Self::WrongEndpoint => {
                "a client opened a WebSocket where its kind has none: plain ones are at /ws, those of Socket.IO at \
                 socketio.path"
            }
            Self::ClientFile => {
                "a page asks for the Socket.IO client, which is not served here: npm install socket.io-client, or \
                 its CDN"
            }
            Self::MisplacedToken => {
                "a client sent its access token where it is not looked for: it belongs in Authorization: Bearer, in \
                 the subprotocol bearer.TOKEN, in the first message, or in Socket.IO's auth"
            }
            Self::Subprotocols => {
                "a client offers subprotocols without doorward.v1: a browser will not go on"
            }
        }
    }
}

/// The mistakes of the last minute. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct MistakeLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    noted: Mutex<HashMap<(Mistake, IpAddr), Instant>>,
}

impl MistakeLog {
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self(Arc::new(Inner { clock: clock.clone(), noted: Mutex::default() }))
    }

    /// Logs it, unless that was done a moment ago.
    pub fn note(&self, mistake: Mistake, address: IpAddr) {
        let client = domain::network(address);
        if self.is_due(mistake, client) {
            tracing::warn!(mistake = mistake.name(), %client, "{}", mistake.advice());
        }
    }

    fn is_due(&self, mistake: Mistake, client: IpAddr) -> bool {
        let now = self.0.clock.instant();
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < PACE;
        let mut noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&(mistake, client)).is_some_and(is_recent) {
            return false;
        }
        noted.retain(|_, at| is_recent(at));
        if noted.keys().filter(|(noted, _)| *noted == mistake).count() >= NETWORKS {
            return false;
        }
        noted.insert((mistake, client), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_network_has_a_line_a_minute_of_each_mistake() {
        let clock = ManualClock::default();
        let mistakes = MistakeLog::new(&Clock::Manual(clock.clone()));
        let ann = "192.0.2.7".parse().unwrap();
        assert!(mistakes.is_due(Mistake::Tls, ann));
        assert!(!mistakes.is_due(Mistake::Tls, ann));
        assert!(mistakes.is_due(Mistake::PlainText, ann));
        assert!(mistakes.is_due(Mistake::Tls, "192.0.2.8".parse().unwrap()));
        clock.advance(PACE);
        assert!(mistakes.is_due(Mistake::Tls, ann));
    }

    #[test]
    fn many_networks_are_neither_many_lines_nor_much_memory() {
        let clock = ManualClock::default();
        let mistakes = MistakeLog::new(&Clock::Manual(clock.clone()));
        let flood = || (0..10_000_u32).map(|number| IpAddr::from(number.to_be_bytes()));
        assert_eq!(flood().filter(|client| mistakes.is_due(Mistake::Tls, *client)).count(), NETWORKS);
        // What else goes wrong is still told.
        assert!(mistakes.is_due(Mistake::UpgradeLost, "192.0.2.7".parse().unwrap()));
        assert!(mistakes.0.noted.lock().unwrap().len() <= NETWORKS + 1);
        clock.advance(PACE);
        assert_eq!(flood().filter(|client| mistakes.is_due(Mistake::Tls, *client)).count(), NETWORKS);
    }
}
