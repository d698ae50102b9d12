//! How each node learns what rows say of members and bans: it reads those of users who are connected, when one of their
//! sessions asks and when they have changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryResult;

use crate::accounts::Error;
use crate::accounts::changes::read_unread;
use crate::accounts::logins::Logins;
use crate::db::Conn;
use crate::directory::access_changes::LiveRights;
use crate::directory::read_numbers::Horizon;
use crate::directory::room_rights::Rows;
use crate::models::room_changes::{self, Numbered, RoomChange};
use crate::models::room_rights;
use doorward_core::domain::UserId;
use doorward_core::rooms::RoomName;

/// Changes that are read at a time. Of most of them the user is not connected here.
const PAGE: i64 = 1000;

/// What has changed about one user.
#[derive(Default)]
struct OfUser {
    bans: bool,
    members: HashSet<RoomName>,
    kicks: Vec<(Numbered, RoomName)>,
}

impl Logins {
    /// Reads what the rows say of a user and these rooms, and holds it for the user's sessions. False if the database does
    /// not answer.
    pub async fn read_room_rights(&self, live: Arc<LiveRights>, rooms: Vec<RoomName>) -> bool {
        let user = live.user();
        let read = move |conn: &mut Conn| {
            let bans = !live.rooms().has_bans();
            Ok::<_, Error>(hold(conn, &live, (bans, &rooms), false)?)
        };
        let read = self.db.run(read).await;
        read.inspect_err(|error| tracing::warn!(%user, %error, "could not read rights to rooms")).is_ok()
    }

    /// Reads the changes that were made since the last poll, by whatever process, and applies them. Part of each poll for
    /// revocations, so that a node that cannot do it delivers nothing. Where there are no rooms, nothing is read.
    pub(in crate::accounts) fn read_room_changes(
        &self,
        conn: &mut Conn,
        horizon: &Horizon,
    ) -> QueryResult<()> {
        if !self.sessions.rooms().are_on() {
            return Ok(());
        }
        let (now, numbers) = (self.clock.now(), || self.revocations.room_changes().numbers());
        let begins = numbers().begins(horizon.server);
        if begins {
            // What is held was read later, unless there was another server before.
            let before = room_changes::last_before(conn, now - self.access_memory())?;
            numbers().start_after(before);
        }
        read_unread(numbers, now, horizon, |range| {
            let page = room_changes::page(conn, range, PAGE)?;
            self.apply_room_changes(conn, &page)?;
            for change in &page {
                let written = if begins && horizon.is_idle() { change.at } else { now };
                numbers().note(change.number..=change.number, written, now);
            }
            let is_full = i64::try_from(page.len()).is_ok_and(|count| count >= PAGE);
            Ok(page.last().map(|last| last.number).filter(|_| is_full))
        })
    }

    fn apply_room_changes(&self, conn: &mut Conn, page: &[Numbered]) -> QueryResult<()> {
        let mut users = HashMap::<UserId, OfUser>::new();
        for numbered in page {
            match &numbered.change {
                RoomChange::Member(user, room) => {
                    users.entry(*user).or_default().members.insert(room.clone());
                }
                RoomChange::Ban(user) => users.entry(*user).or_default().bans = true,
                RoomChange::Kick(user, room) => {
                    users.entry(*user).or_default().kicks.push((numbered.clone(), room.clone()));
                }
                RoomChange::Close(room) => {
                    let close = || self.sessions.close_room(room);
                    self.revocations.room_changes().once(numbered.number, numbered.at, close);
                }
                RoomChange::Unreadable => {}
            }
        }
        for (user, changed) in users {
            if let Some(live) = self.revocations.access_changes().connected(user) {
                self.apply_to_user(conn, &live, changed)?;
                self.sessions.access_changed(user);
            }
        }
        Ok(())
    }

    fn apply_to_user(&self, conn: &mut Conn, live: &LiveRights, changed: OfUser) -> QueryResult<()> {
        let OfUser { bans, members, kicks } = changed;
        for (Numbered { number, at, .. }, room) in kicks {
            self.revocations.room_changes().once(number, at, || live.rooms().kick(&room));
        }
        if !bans && members.is_empty() {
            return Ok(());
        }
        let (bans, rooms) = live.rooms().concerned(bans, &members);
        if bans || !rooms.is_empty() {
            return hold(conn, live, (bans, &rooms), true);
        }
        // They may be being read at this moment.
        live.rooms().touch();
        Ok(())
    }

    /// Reads changes as soon as another node says that there are some, and says when they are applied. For ever.
    pub(in crate::accounts) async fn watch_rooms(&self) {
        let mut wanted = self.rooms_wanted.subscribe();
        while wanted.changed().await.is_ok() {
            let announced = *wanted.borrow_and_update();
            match self.read_rooms_now().await {
                Ok(()) => self.cluster.rooms_applied(self.applied_rooms(announced)),
                // The poll reads them, and the other node says that this one was silent.
                Err(error) => tracing::warn!(%error, "could not read changes of rights to rooms"),
            }
        }
    }

    async fn read_rooms_now(&self) -> Result<(), Error> {
        let this = self.clone();
        let read = move |conn: &mut Conn| {
            let horizon = this.horizon(conn)?;
            Ok::<_, Error>(this.read_room_changes(conn, &horizon)?)
        };
        self.db.run_watch(read).await
    }

    /// Up to which number all changes are applied here. Those up to an announced one are once they were read after that: the
    /// changes that are announced are committed in the order of their numbers. A smaller one by hand may come later.
    fn applied_rooms(&self, announced: i64) -> i64 {
        if !self.sessions.rooms().are_on() {
            return announced;
        }
        let numbers = self.revocations.room_changes().numbers();
        let newest = numbers.newest().unwrap_or(i64::MIN);
        announced.min(newest).max(numbers.complete().unwrap_or(i64::MIN))
    }

    /// After the commit of a change of this node, still on the executor's thread: applies it here and tells the other nodes.
    pub(super) fn rooms_changed_here(&self, conn: &mut Conn, number: i64) {
        let applied = self.horizon(conn).and_then(|horizon| self.read_room_changes(conn, &horizon));
        if let Err(error) = applied {
            tracing::warn!(%error, "a change of rights to rooms waits for the next poll");
        }
        self.cluster.rooms_changed(number);
    }
}

/// Reads rows of a user and holds them: the bans, if they are wanted, and memberships of these rooms. Again if there was a
/// change in between.
fn hold(
    conn: &mut Conn,
    live: &LiveRights,
    (bans, rooms): (bool, &[RoomName]),
    is_change: bool,
) -> QueryResult<()> {
    loop {
        let before = live.rooms().version();
        let rows = Rows {
            bans: bans.then(|| room_rights::bans_of(conn, live.user())).transpose()?,
            asked: rooms.to_vec(),
            members: room_rights::members_of(conn, live.user(), rooms)?,
        };
        if live.rooms().hold(before, rows, is_change) {
            return Ok(());
        }
    }
}
