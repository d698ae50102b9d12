//! Rights to rooms as an application that embeds Doorward changes them.

use std::time::Duration;

use chrono::TimeDelta;
use doorward_core::domain::UserId;
use doorward_core::rooms::{End, RoomName, Scope};

use super::super::{Accounts, AdminError, Caller, Error};
use super::RoomRightChange;
use crate::clock::Timestamp;
use crate::events::{self, ChangeRights, Changing, RightChange};

impl ChangeRights for Accounts {
    fn change(&self, room: &str, change: RightChange, by: Option<UserId>) -> Changing {
        let (this, room) = (self.clone(), room.to_owned());
        Box::pin(async move {
            let change = this.read(&room, change)?;
            let silent = this.change_room_right(change, &Caller::application(by)).await.map_err(explain)?;
            if !silent.is_empty() {
                tracing::warn!(%room, nodes = silent.len(), "nodes have not confirmed a change of rights to a room");
            }
            Ok(())
        })
    }
}

impl Accounts {
    fn read(&self, room: &str, change: RightChange) -> Result<RoomRightChange, events::Error> {
        let bad = || events::Error::new("bad_room", "this is not the name of a room");
        let scope = || Scope::parse(room).ok_or_else(bad);
        let name = || RoomName::parse(room).ok_or_else(bad);
        let now = self.0.clock.now();
        Ok(match change {
            RightChange::Add(user, lasts) => RoomRightChange::Add(name()?, user, end(now, lasts)?),
            RightChange::Remove(user) => RoomRightChange::Remove(name()?, user),
            RightChange::Ban(user, lasts) => RoomRightChange::Ban(scope()?, user, end(now, lasts)?),
            RightChange::Unban(user) => RoomRightChange::Unban(scope()?, user),
            RightChange::Kick(user) => RoomRightChange::Kick(name()?, user),
            RightChange::Close => RoomRightChange::Close(name()?),
        })
    }
}

fn end(now: Timestamp, lasts: Option<Duration>) -> Result<End, events::Error> {
    let Some(lasts) = lasts else { return Ok(None) };
    let end = TimeDelta::from_std(lasts).ok().and_then(|lasts| now.checked_add_signed(lasts));
    end.map(Some).ok_or_else(|| events::Error::new("bad_request", "the end is too far away"))
}

fn explain(error: Error) -> events::Error {
    match error {
        Error::Admin(AdminError::UnknownRoom) => {
            events::Error::new("unknown_room", "there are no rooms of this kind")
        }
        Error::NotFound => events::Error::new("not_found", "there is no such user"),
        Error::Invalid(invalid) => events::Error::new("bad_request", invalid.detail),
        error => {
            tracing::warn!(%error, "a right to a room could not be changed");
            events::Error::new("unavailable", "try again")
        }
    }
}
