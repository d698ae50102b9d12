//! How the application sends to rooms.

use std::fmt;
use std::sync::Arc;

use doorward_core::domain::SessionId;
use doorward_core::rooms::{Author, LONGEST_APP_NAME};
use serde::Serialize;
use uuid::Uuid;

use super::Error;

/// A message to a room.
pub struct RoomPost<'a> {
    pub room: &'a str,
    pub from: Author<'a>,
    pub event: Option<&'a str>,
    /// JSON.
    pub data: &'a str,
    /// The session that it is from, which is not sent it.
    pub except: Option<SessionId>,
}

/// Takes messages to rooms. What does so is above this module.
pub trait Publish: Send + Sync {
    /// Answers the message's id.
    fn publish(self: Arc<Self>, post: RoomPost<'_>) -> Result<Uuid, Error>;
}

/// Sends to rooms under the application's name, from anywhere in the process and on any thread. Cheap to clone.
///
/// [`Application::publisher`](crate::Application::publisher) makes one, and [`Context::publisher`](super::Context::publisher)
/// for a handler.
#[derive(Clone)]
pub struct Publisher {
    name: Arc<str>,
    rooms: Arc<dyn Publish>,
}

impl Publisher {
    pub(crate) fn new(name: &str, rooms: Arc<dyn Publish>) -> Self {
        let good = (1..=LONGEST_APP_NAME).contains(&name.chars().count());
        assert!(good && !name.contains(char::is_control), "an application's name has 1 to 64 characters");
        Self { name: name.into(), rooms }
    }

    /// Sends to all sessions that have joined a room, on all nodes. `user:` and an id is the room of all of that user's
    /// sessions. Clients are sent a `message` with `"from": {"app": NAME}`. Answers the message's id.
    ///
    /// The kind's policy and pace are for clients, and do not count here; `max_data` does.
    ///
    /// # Errors
    /// With a code that clients know too: `bad_room`, `unknown_room`, `bad_request`
    /// (the event), `too_large`, `bad_data`, and `unavailable` if too many messages are under way.
    pub fn publish<T: Serialize + ?Sized>(
        &self,
        room: &str,
        event: Option<&str>,
        data: &T,
    ) -> Result<Uuid, Error> {
        let from = Author::App { app: &self.name };
        let data = json(data)?;
        Arc::clone(&self.rooms).publish(RoomPost { room, from, event, data: &data, except: None })
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The data as JSON.
pub(super) fn json<T: Serialize + ?Sized>(data: &T) -> Result<String, Error> {
    serde_json::to_string(data).map_err(|error| Error::new("bad_data", error.to_string()))
}
