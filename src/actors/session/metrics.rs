//! What is counted of live sessions.

use chrono::TimeDelta;
use doorward_core::protocol::CloseReason;

use super::Admission;
use crate::metrics::{Counter, Histogram, HistogramOf, LONG, Registry};

/// A revocation that seems to be older, or so much in the future, says that a clock is wrong, or a message.
const OLDEST: TimeDelta = TimeDelta::hours(1);
const AHEAD: TimeDelta = TimeDelta::seconds(5);

const TRANSPORTS: [&str; 3] = ["websocket", "socketio", "tcp"];
const OUTCOMES: [&str; 5] = ["signed_in", "waiting", "bad_token", "refused", "left"];

/// Clones count together.
#[derive(Debug, Clone)]
pub struct SessionMetrics {
    handshakes: Counter<2>,
    closes: Counter<2>,
    revocations: Histogram<0>,
    /// The histogram's only series.
    revocation: HistogramOf,
}

impl Default for SessionMetrics {
    fn default() -> Self {
        let revocations = Histogram::new([], LONG);
        let revocation = revocations.of([]);
        Self {
            handshakes: Counter::new(["transport", "outcome"]).starting(
                TRANSPORTS.into_iter().flat_map(|transport| OUTCOMES.map(|outcome| [transport, outcome])),
            ),
            closes: Counter::new(["transport", "reason"]).starting(
                TRANSPORTS.into_iter().flat_map(|transport| {
                    CloseReason::ALL.iter().map(move |reason| [transport, reason.name()])
                }),
            ),
            revocations,
            revocation,
        }
    }
}

impl SessionMetrics {
    /// A handshake that led to a session, though perhaps only to be told why it is refused.
    pub(super) fn admitted(&self, transport: &'static str, admission: &Admission) {
        let outcome = match admission {
            Admission::SignedIn(_) => "signed_in",
            Admission::Pending(_) => "waiting",
            Admission::BadToken(_) => "bad_token",
            Admission::Refused(_) => "refused",
        };
        self.handshakes.add([transport, outcome], 1);
    }

    /// A handshake that led to no session: `bad_token`, `refused`, or `left`.
    pub fn not_admitted(&self, transport: &'static str, outcome: &'static str) {
        self.handshakes.add([transport, outcome], 1);
    }

    pub(super) fn closed(&self, transport: &'static str, reason: CloseReason) {
        self.closes.add([transport, reason.name()], 1);
    }

    /// A session is closed because its login was revoked so long ago.
    pub(super) fn revoked(&self, ago: TimeDelta) {
        if (-AHEAD..OLDEST).contains(&ago) {
            // The clock of the node that revoked it may be ahead.
            self.revocation.observe(ago.to_std().unwrap_or_default());
        }
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_handshakes_total",
            "Live connections that clients opened: signed_in, waiting for their first message, bad_token, refused for \
             another reason, or left before they signed in.",
            &self.handshakes,
        );
        registry.counter("doorward_session_ends_total", "Sessions that ended, by the reason.", &self.closes);
        registry.histogram(
            "doorward_revocation_seconds",
            "From the revocation of a login to the close of a session of it.",
            &self.revocations,
        );
    }
}
