//! How the application changes who is in rooms: members, bans, and who is put out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::domain::UserId;

use super::Error;

/// What is changed about a room. What ends does so after this time; none for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RightChange {
    Add(UserId, Option<Duration>),
    Remove(UserId),
    Ban(UserId, Option<Duration>),
    Unban(UserId),
    Kick(UserId),
    Close,
}

/// What a change is to the handler that awaits it.
pub type Changing = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Changes rights to rooms. What does so is above this module.
pub trait ChangeRights: Send + Sync {
    /// `by` is the user at whose wish the application does it.
    fn change(&self, room: &str, change: RightChange, by: Option<UserId>) -> Changing;
}

/// Members and bans of rooms, changed by the application. Cheap to clone, and usable on any thread.
///
/// [`Context::room_rights`](super::Context::room_rights) makes one for a handler, which decides whether its user may, and
/// [`Application::room_rights`](crate::Application::room_rights) one for everything else. Each change is in the audit trail,
/// in the first case under the user's name.
///
/// A call answers when this node has applied the change and all others have, or after a second. A node that has not by
/// then applies it within 3 seconds, or delivers nothing.
///
/// # Errors
/// Each call may fail with `bad_room`, `unknown_room`, `not_found` (there is no such user), `bad_request` (an end past the
/// year 9999; sessions cannot be removed from a user's own room), and `unavailable` if the database does not answer.
#[derive(Clone)]
pub struct RoomRights {
    rights: Arc<dyn ChangeRights>,
    by: Option<UserId>,
}

impl RoomRights {
    pub(crate) fn new(rights: Arc<dyn ChangeRights>, by: Option<UserId>) -> Self {
        Self { rights, by }
    }

    /// Makes a user a member of a room for this long, or changes when that ends.
    ///
    /// # Errors
    /// See [`RoomRights`].
    pub async fn add_member(&self, room: &str, user: UserId, lasts: Option<Duration>) -> Result<(), Error> {
        self.change(room, RightChange::Add(user, lasts)).await
    }

    /// Whether there was such a member makes no difference.
    ///
    /// # Errors
    /// See [`RoomRights`].
    pub async fn remove_member(&self, room: &str, user: UserId) -> Result<(), Error> {
        self.change(room, RightChange::Remove(user)).await
    }

    /// Bans a user for this long from a room, or with `KIND:*` from all rooms of a kind.
    ///
    /// # Errors
    /// See [`RoomRights`].
    pub async fn ban(&self, room: &str, user: UserId, lasts: Option<Duration>) -> Result<(), Error> {
        self.change(room, RightChange::Ban(user, lasts)).await
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// See [`RoomRights`].
    pub async fn unban(&self, room: &str, user: UserId) -> Result<(), Error> {
        self.change(room, RightChange::Unban(user)).await
    }

    /// Removes a user's sessions from a room. They may join again.
    ///
    /// # Errors
    /// See [`RoomRights`].
    pub async fn kick(&self, room: &str, user: UserId) -> Result<(), Error> {
        self.change(room, RightChange::Kick(user)).await
    }

    /// Removes all sessions from a room. They may join again.
    ///
    /// # Errors
    /// See [`RoomRights`].
    pub async fn close(&self, room: &str) -> Result<(), Error> {
        self.change(room, RightChange::Close).await
    }

    async fn change(&self, room: &str, change: RightChange) -> Result<(), Error> {
        self.rights.change(room, change, self.by).await
    }
}

impl fmt::Debug for RoomRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomRights").field("by", &self.by).finish_non_exhaustive()
    }
}
