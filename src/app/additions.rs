//! What an application that embeds Doorward adds to it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use doorward_core::rooms::{RoomQuestion, RoomVerdict, Rule};

use crate::accounts::poll::PACE;
use crate::events::Events;

/// What an application that embeds Doorward adds to it.
#[derive(Clone)]
pub struct Additions {
    pub events: Arc<Events>,
    pub(super) routes: Option<Arc<Routes>>,
    /// By the name of a kind of rooms.
    pub(super) room_rules: Vec<(String, Rule)>,
    pub(super) shares_database: bool,
    pub(super) poll_pace: Duration,
}

/// Called on each worker.
type Routes = dyn Fn(&mut ServiceConfig) + Send + Sync;

impl Default for Additions {
    fn default() -> Self {
        Self::new(Events::default())
    }
}

impl Additions {
    #[must_use]
    pub fn new(events: Events) -> Self {
        Self {
            events: Arc::new(events),
            routes: None,
            room_rules: Vec::new(),
            shares_database: false,
            poll_pace: PACE,
        }
    }

    /// Routes of its own, beside Doorward's.
    #[must_use]
    pub fn routes(self, routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self { routes: Some(Arc::new(routes)), ..self }
    }

    /// Decides who may join the rooms of a kind and send to them, before the entries that are configured are asked. One
    /// rule for each kind: the last.
    ///
    /// The rule is asked at each `join` and `send`, and about joined sessions whenever what their users may do has changed,
    /// before a message is handed to them. It runs on a thread that serves many sessions, and must not wait for anything;
    /// a decision that takes longer belongs into a handler, which calls [`Context::join`](crate::Context::join).
    #[must_use]
    pub fn room_rule(
        mut self,
        kind: &str,
        rule: impl Fn(RoomQuestion<'_>) -> RoomVerdict + Send + Sync + 'static,
    ) -> Self {
        self.room_rules.push((kind.to_owned(), Rule::new(rule)));
        self
    }
}

/// What tests of several nodes change.
pub trait TestAdditions {
    /// Lets further servers use the same SQLite database.
    #[must_use]
    fn sharing_database(self) -> Self;

    /// Polls for revocations at another pace, for tests of what does not wait for a poll.
    #[must_use]
    fn polling_every(self, poll_pace: Duration) -> Self;
}

impl TestAdditions for Additions {
    fn sharing_database(self) -> Self {
        Self { shares_database: true, ..self }
    }

    fn polling_every(self, poll_pace: Duration) -> Self {
        Self { poll_pace, ..self }
    }
}
