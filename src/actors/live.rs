//! What of the live sockets the rest of the process needs: the sessions, what was revoked, and the other nodes.

use std::sync::Arc;

use doorward_core::rooms::Kinds;

use super::Sessions;
use super::session::SessionMetrics;
use crate::clock::Clock;
use crate::cluster::{Cluster, Relay};
use crate::config;
use crate::directory::{Directory, Revocations};
use crate::events::Events;
use crate::metrics::{Registry, count};
use crate::rooms::Rooms;

/// The handles that a revocation goes through.
#[derive(Clone)]
pub struct Live {
    pub sessions: Sessions,
    pub revocations: Arc<Revocations>,
    pub cluster: Cluster,
    pub metrics: SessionMetrics,
}

impl Live {
    /// For a process without other nodes.
    #[must_use]
    pub fn alone(limits: &config::Sockets) -> Self {
        let rooms = (Kinds::default(), Arc::default());
        Self::in_cluster(limits, (Cluster::default(), None), rooms, &Clock::System)
    }

    /// For one of several nodes: those to which a user is connected tell each other of the user's sessions.
    #[must_use]
    pub fn in_cluster(
        limits: &config::Sockets,
        (cluster, relay): (Cluster, Option<Relay>),
        (kinds, events): (Kinds, Arc<Events>),
        clock: &Clock,
    ) -> Self {
        let speaker = relay.clone();
        let tell = move |change| {
            if let Some(relay) = &speaker {
                relay.sessions_changed(change);
            }
        };
        let directory = Directory::new(limits, Box::new(tell));
        let revocations = Arc::<Revocations>::default();
        let rooms = Rooms::new(kinds, events, Arc::clone(&revocations), clock.clone());
        if let Some(relay) = relay.clone().filter(|_| rooms.are_on()) {
            rooms.relay_by(relay);
        }
        let sessions = Sessions::new(limits, directory, Arc::clone(&revocations), rooms, relay);
        Self { sessions, revocations, cluster, metrics: SessionMetrics::default() }
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register_metrics(registry);
        self.cluster.register_metrics(registry);
        self.sessions.register_metrics(registry);
        self.sessions.rooms().register_metrics(registry);
        let sessions = self.sessions.clone();
        registry.reading(
            "doorward_sockets",
            "Live sockets, with those that have not signed in yet.",
            move || count(sessions.count()),
        );
        let most = self.sessions.most();
        registry.reading(
            "doorward_sockets_max",
            "How many of them there may be: sockets.max_open.",
            move || count(most),
        );
        let revocations = Arc::clone(&self.revocations);
        registry.readings(
            "doorward_revocation_data_age_seconds",
            "The time since the last successful poll for revocations. Beyond 3 s this node refuses every token.",
            None,
            move || {
                let age = revocations.freshness().age();
                age.map(|age| ("", age.as_secs_f64())).into_iter().collect()
            },
        );
    }
}
