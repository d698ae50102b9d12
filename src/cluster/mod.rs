//! The other nodes: revocations reach them at once, and each knows who is connected where.
//!
//! Nothing here decides anything: a revocation is a row, which every node polls for once a second, and without Redis
//! that is how it is learned. Redis only carries messages on one channel and keeps nothing, so it may be restarted,
//! emptied or lost, and any node of a Redis Cluster does.
//!
//! | file | contents |
//! |---|---|
//! | `message` | what nodes tell each other |
//! | `bus` | how a message gets there: Redis |
//! | `peers` | what is known of the other nodes; no I/O |
//! | `budget` | how much the others may make this node do |
//! | `node` | the task that ties them together |

mod budget;
mod bus;
pub mod message;
mod node;
pub mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward_core::domain::{LoginId, RevokeReason};
use tokio::sync::{mpsc, oneshot};

use self::bus::Address;
use crate::clock::Clock;
use crate::config;
use crate::directory::Change;

pub use self::node::Node;

/// How often a node says that it is alive.
pub const BEAT: Duration = Duration::from_secs(5);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Messages that may wait to be published. A revocation that does not fit is learned from the rows, the rest with a
/// list.
const QUEUE: usize = 65_536;

/// Tells the other nodes. The default has none to tell.
#[derive(Clone, Debug, Default)]
pub struct Cluster(Option<Handle>);

#[derive(Clone, Debug)]
struct Handle {
    queue: mpsc::Sender<Outgoing>,
    /// Some messages did not fit: the others are sent the whole list.
    lost: Arc<AtomicBool>,
}

/// What this node has to tell.
#[derive(Debug)]
enum Outgoing {
    Revoked(Vec<(LoginId, RevokeReason)>),
    Session(Change),
    Bye(oneshot::Sender<()>),
}

impl Cluster {
    /// The handle, and this node's task for [`Node::run`]. Without a Redis there is no task.
    ///
    /// # Errors
    /// A sentence, if the URL is not one of Redis.
    pub fn new(config: &config::Cluster, clock: &Clock) -> Result<(Self, Option<Node>), String> {
        let Some(url) = &config.redis_url else { return Ok((Self::default(), None)) };
        let address = Address::parse(url.as_str(), format!("{}:nodes", config.prefix))
            .map_err(|error| format!("cluster.redis_url: {error}"))?;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicBool::new(false));
        let node = Node::new(address, clock.new_id(), outgoing, Arc::clone(&lost));
        Ok((Self(Some(Handle { queue, lost })), Some(node)))
    }

    fn send(&self, message: Outgoing) {
        if let Some(handle) = &self.0
            && handle.queue.try_send(message).is_err()
        {
            handle.lost.store(true, Ordering::Release);
        }
    }

    /// These logins were revoked here.
    pub fn revoked(&self, logins: &[(LoginId, RevokeReason)]) {
        if self.0.is_some() && !logins.is_empty() {
            self.send(Outgoing::Revoked(logins.to_vec()));
        }
    }

    /// A session of this node began or ended.
    pub fn session_changed(&self, change: Change) {
        self.send(Outgoing::Session(change));
    }

    /// Says that this node stops.
    pub async fn leave(&self) {
        let (said, is_said) = oneshot::channel();
        self.send(Outgoing::Bye(said));
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        // A node that is not told notices the silence.
        let _ = tokio::time::timeout(GOODBYE, is_said).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "other machines' real pace, whatever a test's clock says")]
fn now() -> Instant {
    Instant::now()
}
