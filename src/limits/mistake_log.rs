//! Logs mistakes of clients and proxies, so that the operator can help. Each mistake is logged once a minute
//! for a network, and for a few networks at most, so that a flood of mistakes does not flood the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use doorward_core::domain;

/// How long a network's mistake is not logged again.
const PACE: Duration = Duration::from_mins(1);

/// How many networks are logged for one mistake in that time.
const NETWORKS: usize = 32;

/// A mistake that makes a client fail, and that its developer may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// HTTP or plain text at a listener that speaks TLS.
    PlainText,
    /// TLS at a listener that speaks none.
    Tls,
    ProxyHeader,
    /// HTTP/2 from the first byte on.
    Http2,
    /// HTTP at the prompts of the TCP listener.
    HttpAtPrompts,
    /// A WebSocket handshake without the headers that a proxy has to pass on.
    UpgradeLost,
    WebSocketVersion,
    EngineIoVersion,
    /// A Socket.IO client at the plain WebSocket endpoint, the reverse, or a WebSocket anywhere else.
    WrongEndpoint,
    /// A page requests the Socket.IO client.
    ClientFile,
    MisplacedToken,
    /// Subprotocols, none of which is supported.
    Subprotocols,
}

impl Mistake {
    /// The name in the log.
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

    /// What happened and what helps. Repeats nothing that the client sent, which may be a secret.
    const fn advice(self) -> &'static str {
        match self {
            Self::PlainText => {
                "a client sent plain text to a port that speaks TLS: its URL must begin with https://, \
                 wss:// or tls://"
            }
            Self::Tls => {
                "a client spoke TLS to a port without TLS (tls.cert, tls.key): its URL must begin with \
                 http://, ws:// or tcp://, or a proxy must terminate TLS"
            }
            Self::ProxyHeader => {
                "a connection began with a header of the PROXY protocol, which is not supported: turn it off at the \
                 balancer (HAProxy: send-proxy, nginx: proxy_protocol) and pass X-Forwarded-For"
            }
            Self::Http2 => "a client began with HTTP/2, which is not supported: it must use HTTP/1.1",
            Self::HttpAtPrompts => {
                "a client sent HTTP to the TCP listener (tcp.listen): HTTP belongs to the port of http.listen"
            }
            Self::UpgradeLost => {
                "a WebSocket handshake lacks its Upgrade and Connection headers: a proxy in between does not \
                 pass them on (docs/PROXY.md has the lines for nginx and HAProxy)"
            }
            Self::WebSocketVersion => "a WebSocket client uses a version other than 13 (RFC 6455)",
            Self::EngineIoVersion => {
                "a Socket.IO client does not use Engine.IO 4: it needs socket.io-client 3 or later, python-socketio 5 or \
                 later"
            }
            Self::WrongEndpoint => {
                "a client opened a WebSocket at the wrong path: plain WebSockets are at /ws, Socket.IO is at \
                 socketio.path"
            }
            Self::ClientFile => {
                "a page requests the Socket.IO client, which is not served here: npm install socket.io-client, or \
                 use its CDN"
            }
            Self::MisplacedToken => {
                "a client sent its access token to the wrong place: it belongs in Authorization: Bearer, in \
                 the subprotocol bearer.TOKEN, in the first message, or in Socket.IO's auth"
            }
            Self::Subprotocols => {
                "a client offers subprotocols without doorward.v1: a browser will fail the connection"
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

    /// Logs the mistake, unless it was logged for this network in the last minute.
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
    fn a_network_has_one_line_a_minute_for_each_mistake() {
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
    fn many_networks_cause_neither_many_lines_nor_much_memory() {
        let clock = ManualClock::default();
        let mistakes = MistakeLog::new(&Clock::Manual(clock.clone()));
        let flood = || (0..10_000_u32).map(|number| IpAddr::from(number.to_be_bytes()));
        assert_eq!(flood().filter(|client| mistakes.is_due(Mistake::Tls, *client)).count(), NETWORKS);
        // Other mistakes are still logged.
        assert!(mistakes.is_due(Mistake::UpgradeLost, "192.0.2.7".parse().unwrap()));
        assert!(mistakes.0.noted.lock().unwrap().len() <= NETWORKS + 1);
        clock.advance(PACE);
        assert_eq!(flood().filter(|client| mistakes.is_due(Mistake::Tls, *client)).count(), NETWORKS);
    }
}
