//! How each node learns what rows say of members and bans: it reads those of users who are connected, when one of their
//! sessions asks and when they have changed. Of room tokens it knows all that were revoked.

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
use crate::directory::room_tokens::KEPT;
use crate::models::room_changes::{self, Numbered, RoomChange};
use crate::models::room_rights;
use crate::models::room_token_revocations::{self, Which};
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
            Ok::<_, Error>(hold(conn, vec![Wanted { live, bans, rooms }], false)?)
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
            // If that fails, the next poll begins anew.
            self.read_revoked_tokens(conn, Which::Since(now - KEPT))?;
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
        let (mut users, mut tokens) = (HashMap::<UserId, OfUser>::new(), Vec::new());
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
                RoomChange::Token(number) => tokens.push(*number),
                RoomChange::Unreadable => {}
            }
        }
        if !tokens.is_empty() {
            self.read_revoked_tokens(conn, Which::Numbers(&tokens))?;
        }
        let (mut outdated, mut told) = (Vec::new(), Vec::new());
        for (user, OfUser { bans, members, kicks }) in users {
            let live = self.revocations.access_changes().connected(user);
            for (Numbered { number, at, .. }, room) in kicks {
                // Also without a session: it must not end what is joined later, if it is read again.
                let kick = || live.iter().for_each(|live| live.rooms().kick(&room));
                self.revocations.room_changes().once(number, at, kick);
            }
            let Some(live) = live else { continue };
            told.push(user);
            if bans || !members.is_empty() {
                let (bans, rooms) = live.rooms().changed(bans, &members);
                if bans || !rooms.is_empty() {
                    outdated.push(Wanted { live, bans, rooms });
                }
            }
        }
        hold(conn, outdated, true)?;
        for user in told {
            self.sessions.access_changed(user);
        }
        Ok(())
    }

    /// Reads which room tokens are revoked. They do not count any more once this returns.
    fn read_revoked_tokens(&self, conn: &mut Conn, which: Which<'_>) -> QueryResult<()> {
        let rows = room_token_revocations::load(conn, which)?;
        if !rows.is_empty() {
            self.revocations.room_tokens().insert(rows);
            self.sessions.room_tokens_revoked();
        }
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

/// Rows of one user that are to be read.
struct Wanted {
    live: Arc<LiveRights>,
    bans: bool,
    rooms: Vec<RoomName>,
}

/// Reads rows and holds them: two queries, for however many users. Those of a user again if there was a change in between.
fn hold(conn: &mut Conn, mut wanted: Vec<Wanted>, is_change: bool) -> QueryResult<()> {
    while !wanted.is_empty() {
        let before: Vec<_> = wanted.iter().map(|one| one.live.rooms().version()).collect();
        let users = |of: fn(&Wanted) -> bool| -> Vec<UserId> {
            wanted.iter().filter(|one| of(one)).map(|one| one.live.user()).collect()
        };
        let rooms: HashSet<&RoomName> = wanted.iter().flat_map(|one| &one.rooms).collect();
        let mut bans = room_rights::bans_of(conn, &users(|one| one.bans))?;
        let mut members = room_rights::members_of(conn, &users(|one| !one.rooms.is_empty()), &rooms)?;
        let holds = |(one, before): (Wanted, u64)| {
            let user = one.live.user();
            let mut members = members.remove(&user).unwrap_or_default();
            members.retain(|(room, _)| one.rooms.contains(room));
            let bans = one.bans.then(|| bans.remove(&user).unwrap_or_default());
            let rows = Rows { bans, asked: one.rooms.clone(), members };
            (!one.live.rooms().hold(before, rows, is_change)).then_some(one)
        };
        wanted = wanted.into_iter().zip(before).filter_map(holds).collect();
    }
    Ok(())
}
