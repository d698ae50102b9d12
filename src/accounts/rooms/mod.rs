//! Rights to rooms that are rows: who is a member, who is banned, who is put out, and which tokens do not count.
//!
//! | file | contents |
//! |---|---|
//! | `application` | as an embedding application changes them |
//! | `changes` | how each node learns of changes |
//! | `lists` | what there is |
//! | `tokens` | room tokens that are revoked |

mod application;
mod changes;
mod lists;
mod tokens;

use chrono::{Datelike, SubsecRound};

use super::authority::Authority;
use super::{Accounts, AdminError, Caller, Error};
use crate::clock::{Timestamp, rfc3339};
use crate::cluster::message::NodeId;
use crate::db::{self, Conn};
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::room_rights::{self, Table, Written};
use crate::models::{room_changes, users};
use doorward_core::domain::{Invalid, UserId};
use doorward_core::rooms::{End, KindName, RoomName, Scope};

pub use lists::{ListedRight, RoomInfo};

/// The name that all changes lock: so their numbers are in the order of their commits, and a node that has read one has
/// read all that were announced before it.
const LOCK: &str = "rights to rooms";

/// RFC 3339 has no later one.
const MAX_YEAR: i32 = 9999;

/// A change of a right to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRightChange {
    /// Makes a user a member up to then, or changes when that ends.
    Add(RoomName, UserId, End),
    Remove(RoomName, UserId),
    Ban(Scope, UserId, End),
    Unban(Scope, UserId),
    /// Puts a user's sessions out of the room. They may join again.
    Kick(RoomName, UserId),
    /// Puts all sessions out of the room.
    Close(RoomName),
}

impl RoomRightChange {
    fn kind(&self) -> &str {
        match self {
            Self::Add(room, ..) | Self::Remove(room, _) | Self::Kick(room, _) | Self::Close(room) => {
                room.kind()
            }
            Self::Ban(scope, ..) | Self::Unban(scope, _) => scope.kind(),
        }
    }

    const fn action(&self) -> Action {
        match self {
            Self::Add(..) => Action::RoomMemberAdded,
            Self::Remove(..) => Action::RoomMemberRemoved,
            Self::Ban(..) => Action::RoomBanned,
            Self::Unban(..) => Action::RoomUnbanned,
            Self::Kick(..) => Action::RoomKicked,
            Self::Close(_) => Action::RoomClosed,
        }
    }

    /// The room, or of a ban also `KIND:*`.
    #[must_use]
    pub fn room(&self) -> String {
        match self {
            Self::Add(room, ..) | Self::Remove(room, _) | Self::Kick(room, _) | Self::Close(room) => {
                room.to_string()
            }
            Self::Ban(scope, ..) | Self::Unban(scope, _) => scope.to_string(),
        }
    }

    /// When it ends.
    #[must_use]
    pub const fn until(&self) -> End {
        match self {
            Self::Add(.., until) | Self::Ban(.., until) => *until,
            _ => None,
        }
    }

    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Add(_, user, _)
            | Self::Remove(_, user)
            | Self::Ban(_, user, _)
            | Self::Unban(_, user)
            | Self::Kick(_, user) => Some(*user),
            Self::Close(_) => None,
        }
    }

    /// Whether it may only give a right: then it can wait until there is space on the disk.
    const fn gives(&self) -> bool {
        matches!(self, Self::Add(..) | Self::Unban(..))
    }

    /// For the audit trail.
    fn detail(&self) -> String {
        let until = self.until().map(|until| format!(" until {}", rfc3339(until))).unwrap_or_default();
        format!("{}{until}", self.room())
    }

    /// Writes the rows; answers whether that changes anything.
    fn write(&self, conn: &mut Conn, now: Timestamp) -> Result<bool, Error> {
        let put = |conn: &mut Conn, table, room: &str, user, until| {
            users::find(conn, user)?.ok_or(Error::NotFound)?;
            Ok::<_, Error>(room_rights::put(conn, table, (room, user), until, now)? != Written::Same)
        };
        Ok(match self {
            Self::Add(_, user, until) => put(conn, Table::Members, &self.room(), *user, *until)?,
            Self::Ban(_, user, until) => put(conn, Table::Bans, &self.room(), *user, *until)?,
            Self::Remove(_, user) => room_rights::delete(conn, Table::Members, &self.room(), *user)?,
            Self::Unban(_, user) => room_rights::delete(conn, Table::Bans, &self.room(), *user)?,
            Self::Kick(room, user) => {
                users::find(conn, *user)?.ok_or(Error::NotFound)?;
                room_changes::insert(conn, room, Some(*user), now).map(|()| true)?
            }
            Self::Close(room) => room_changes::insert(conn, room, None, now).map(|()| true)?,
        })
    }
}

/// When something ends that an operator or a backend has named, in the precision of rows.
///
/// # Errors
/// [`Invalid`] about `until` if that is not in the future, or past the year 9999.
fn checked_end(until: End, now: Timestamp) -> Result<End, Invalid> {
    match until {
        Some(until) if until <= now => Err(Invalid::new("until", "The end must be in the future.")),
        Some(until) if until.year() > MAX_YEAR => {
            Err(Invalid::new("until", "The end must be before the year 10000."))
        }
        until => Ok(until.map(|until| until.trunc_subsecs(6))),
    }
}

impl Accounts {
    /// Changes a right to a room: the one way in which this program does. Answers when this node has applied it, and all
    /// others have or a second has passed, with the nodes that have not. What is published after that reaches no session
    /// that has lost its right on a node that is not named. A change that changes nothing is not recorded, but waited for:
    /// it may be a second attempt.
    ///
    /// # Errors
    /// [`AdminError::UnknownRoom`] if there are no rooms of this kind, [`Error::NotFound`] if there is no such user to add,
    /// ban or kick, [`Error::Invalid`] about the end, or a user's own room to kick out of or to close; [`Error::ApiKey`] or
    /// [`Error::Token`] if the caller may no longer do it.
    pub async fn change_room_right(
        &self,
        mut change: RoomRightChange,
        caller: &Caller,
    ) -> Result<Vec<NodeId>, Error> {
        let is_known = KindName::parse(change.kind()).is_some_and(|kind| self.0.kinds.has(&kind));
        if !is_known {
            return Err(AdminError::UnknownRoom.into());
        }
        if let RoomRightChange::Kick(room, _) | RoomRightChange::Close(room) = &change
            && room.is_users()
        {
            return Err(Invalid::new("room", "No session leaves its user's own room.").into());
        }
        if let RoomRightChange::Add(.., until) | RoomRightChange::Ban(.., until) = &mut change {
            *until = checked_end(*until, self.0.clock.now())?;
        }
        let (this, caller, gives) = (self.clone(), caller.clone(), change.gives());
        let write = move |conn: &mut Conn| {
            let number = db::write(conn, |conn| this.write_room_right(conn, &change, &caller))?;
            this.0.logins.rooms_changed_here(conn, number);
            Ok::<_, Error>(number)
        };
        let db = &self.0.db;
        let number = if gives { db.run_writing(write).await? } else { db.run_revoking(write).await? };
        Ok(self.0.logins.cluster.all_applied_rooms(number).await)
    }

    /// Inside one transaction. Answers the number of the last change.
    fn write_room_right(
        &self,
        conn: &mut Conn,
        change: &RoomRightChange,
        caller: &Caller,
    ) -> Result<i64, Error> {
        let now = self.0.clock.now();
        db::lock_name(conn, LOCK)?;
        Authority::lock(conn, caller, now)?;
        if change.write(conn, now)? {
            let detail = change.detail();
            let event = caller.event(self.0.clock.new_id(), change.action(), change.user());
            audit_events::insert(conn, &NewEvent { detail: Some(&detail), ..event }, now)?;
        }
        Ok(room_changes::newest(conn)?.unwrap_or_default())
    }
}
