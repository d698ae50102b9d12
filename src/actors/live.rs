//! What of the live sockets the rest of the process needs: the sessions, what was revoked, and the other nodes.

use std::sync::Arc;

use doorward_core::rooms::Kinds;

use super::Sessions;
use super::session::SessionMetrics;
use crate::clock::Clock;
use crate::cluster::Cluster;
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
        Self::in_cluster(limits, Cluster::default(), (Kinds::default(), Arc::default()), &Clock::System)
    }

    /// For one of several nodes: the others are told which sessions begin and end here.
    #[must_use]
    pub fn in_cluster(
        limits: &config::Sockets,
        cluster: Cluster,
        (kinds, events): (Kinds, Arc<Events>),
        clock: &Clock,
    ) -> Self {
        let speaker = cluster.clone();
        let directory = Directory::new(limits, Box::new(move |change| speaker.session_changed(change)));
        let revocations = Arc::<Revocations>::default();
        let rooms = Rooms::new(kinds, events, Arc::clone(&revocations), clock.clone());
        let sessions = Sessions::new(limits, directory, Arc::clone(&revocations), rooms);
        Self { sessions, revocations, cluster, metrics: SessionMetrics::default() }
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register_metrics(registry);
        self.cluster.register_metrics(registry);
        self.sessions.directory().register_metrics(registry);
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
