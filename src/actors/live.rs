//! What of the live sockets the rest of the process needs: the sessions, what was revoked, and the other nodes.

use std::sync::Arc;

use super::Sessions;
use crate::cluster::Cluster;
use crate::config;
use crate::directory::{Directory, Revocations};

/// The handles that a revocation goes through.
#[derive(Clone)]
pub struct Live {
    pub sessions: Sessions,
    pub revocations: Arc<Revocations>,
    pub cluster: Cluster,
}

impl Live {
    /// For a process without other nodes.
    #[must_use]
    pub fn alone(limits: &config::Sockets) -> Self {
        Self::in_cluster(limits, Cluster::default())
    }

    /// For one of several nodes: the others are told which sessions begin and end here.
    #[must_use]
    pub fn in_cluster(limits: &config::Sockets, cluster: Cluster) -> Self {
        let speaker = cluster.clone();
        let directory = Directory::new(limits, Box::new(move |change| speaker.session_changed(change)));
        let revocations = Arc::<Revocations>::default();
        Self { sessions: Sessions::new(limits, directory, Arc::clone(&revocations)), revocations, cluster }
    }
}
