//! Where requests find their session.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;

use super::{Engine, EngineTransport, Incoming, Limits, Phase, Polls, State};
use crate::auth::secret;
use doorward_core::protocol::engineio::Queue;

/// Characters of an id that tell its process.
const TAG: usize = 8;

/// Every Engine.IO session of one endpoint, by its id.
#[derive(Debug, Clone)]
pub struct Engines {
    limits: Limits,
    /// Begins the ids of this process' sessions, so that another one knows that they are not its own.
    tag: Arc<str>,
    /// A request for another process' session has come.
    strayed: Arc<AtomicBool>,
    all: Arc<Mutex<HashMap<String, Arc<Engine>>>>,
}

impl Engines {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let tag = format!("{}.", &secret::random_token()[..TAG]).into();
        Self { limits, tag, strayed: Arc::default(), all: Arc::default() }
    }

    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Engine>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session, for its actor to have.
    #[must_use]
    pub fn start(&self, transport: EngineTransport) -> Handle {
        let engine = Arc::new(Engine {
            id: self.new_id(),
            limits: self.limits,
            state: Mutex::new(State {
                out: Queue::default(),
                drained: 0,
                inbox: VecDeque::new(),
                transport,
                phase: Phase::Open,
                cut: false,
                polls: Polls::None,
                posting: false,
                posts_while_probing: 0,
                hold: false,
                message_limit: self.limits.first_message,
                actor: None,
                sender: None,
                waiting: Vec::new(),
            }),
        });
        // A session that begins over WebSocket has no requests that could name it.
        let engines = (transport == EngineTransport::Polling).then(|| self.clone());
        if let Some(engines) = &engines {
            engines.all().insert(engine.id.clone(), Arc::clone(&engine));
        }
        Handle { engine, engines }
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Engine>> {
        self.all().get(id).cloned()
    }

    /// 256 random bits, like every secret of ours, behind what tells this process' ids.
    #[must_use]
    pub fn new_id(&self) -> String {
        format!("{}{}", self.tag, secret::random_token())
    }

    /// Whether a session of that name could be another process'.
    #[must_use]
    pub fn is_foreign(&self, id: &str) -> bool {
        id.as_bytes().get(TAG) == Some(&b'.') && !id.starts_with(&*self.tag)
    }

    /// Whether this is the first request for another process' session.
    #[must_use]
    pub fn is_first_stray(&self) -> bool {
        !self.strayed.swap(true, Ordering::Relaxed)
    }

    pub fn forget(&self, id: &str) {
        self.all().remove(id);
    }
}

/// The session as its actor has it. Dropped, it ends, however the actor did.
pub struct Handle {
    engine: Arc<Engine>,
    engines: Option<Engines>,
}

impl Handle {
    #[must_use]
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What comes from the client.
    #[must_use]
    pub fn incoming(&self) -> Inbox {
        Inbox(Arc::clone(&self.engine))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.engine.end(false);
        if let Some(engines) = &self.engines
            // If the client left, the code that noticed it is about to remove the entry.
            && self.engine.state().phase != Phase::Left
        {
            engines.forget(&self.engine.id);
        }
    }
}

/// What comes from the client, as a stream for its actor.
pub struct Inbox(Arc<Engine>);

impl Stream for Inbox {
    type Item = Incoming;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.0.poll_incoming(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_another_process_is_recognized_and_reported_once() {
        let limits = Limits { first_message: 10, message: 10, outbox: 10 };
        let (here, elsewhere) = (Engines::new(limits), Engines::new(limits));
        assert!(here.is_foreign(&elsewhere.new_id()));
        assert!(!here.is_foreign(&here.new_id()) && !here.is_foreign("x"));
        assert!(here.is_first_stray() && !here.is_first_stray());
    }
}
