//! What the embedding application publishes, from its handlers or from anywhere else in the process.

use std::sync::Arc;

use doorward_core::rooms::{Refusal, compact, is_word};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Busy, Content, Inner, Publication, Rooms};
use crate::events::{Error, Publish, RoomPost};

const BAD_USER: Refusal =
    Refusal::new("bad_room", "a user's own room is `user:` and the id, in lower case and with hyphens");
const BAD_EVENT: Refusal = Refusal::new("bad_request", "`event` has 1 to 64 characters");
const TOO_LARGE: Refusal = Refusal::new("too_large", "`data` is larger than rooms of this kind allow");
const BAD_DATA: Refusal = Refusal::new("bad_data", "`data` cannot be read by all clients");

impl Rooms {
    /// For the application's handlers and its other parts.
    #[must_use]
    pub fn publishing(&self) -> Arc<dyn Publish> {
        Arc::clone(&self.0) as Arc<dyn Publish>
    }
}

/// Policies and paces are for clients: the application is trusted as the server is.
impl Publish for Inner {
    fn publish(self: Arc<Self>, post: RoomPost<'_>) -> Result<Uuid, Error> {
        let rooms = Rooms(self);
        let (room, kind) = rooms.kinds().find(post.room)?;
        if room.is_users() && room.user().is_none() {
            return Err(BAD_USER.into());
        }
        if !post.event.is_none_or(is_word) {
            return Err(BAD_EVENT.into());
        }
        let data = compact(post.data)?;
        if data.len() > kind.max_data {
            return Err(TOO_LARGE.into());
        }
        // It was JSON before.
        let data = RawValue::from_string(data).map_err(|_| BAD_DATA)?;
        let (message, at) = (rooms.clock().new_id(), rooms.clock().now());
        let content = Content {
            room: room.as_str(),
            message,
            at,
            from: post.from,
            event: post.event,
            key: None,
            data: &data,
        }
        .write();
        let published = rooms.weigh(content.len()).and_then(|weight| {
            rooms.publish(Publication::new(room, kind, post.except, &content, weight), &content)
        });
        published.map_err(|Busy| {
            rooms.count_refused();
            Error::new("unavailable", "the server is busy: try again")
        })?;
        Ok(message)
    }
}
