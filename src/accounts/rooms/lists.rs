//! What there is of rooms: those that have members or bans or are open here, and who they are.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::{Accounts, Error};
use crate::db::Conn;
use crate::models::room_rights::{self, StoredRight, Table};
use doorward_core::rooms::{KindName, RoomName, Scope};

/// A room as operators and backends see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Room)]
pub struct RoomInfo {
    #[schema(example = "chat:lobby")]
    pub room: String,
    #[schema(example = 3)]
    pub members: i64,
    #[schema(example = 1)]
    pub bans: i64,
    /// Live sessions of the node that answers.
    #[schema(example = 2)]
    pub sessions: usize,
}

/// A member or a ban, with the user's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RoomUser)]
pub struct ListedRight {
    #[serde(flatten)]
    pub right: StoredRight,
    /// None if there is no such user any more.
    #[schema(example = "ada")]
    pub username: Option<String>,
}

impl Accounts {
    /// A room, whether there is anything of it or not.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn show_room(&self, room: RoomName) -> Result<RoomInfo, Error> {
        let sessions = self.0.logins.sessions.rooms().clone();
        let count = move |conn: &mut Conn| info(conn, &room, sessions.sessions_in(&room));
        self.0.db.run(count).await
    }

    /// Up to `limit` rooms of a kind, or of all, past `after`: those that have members or bans, and those that sessions of
    /// this node have joined. Bans of whole kinds are not among them.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn list_rooms(
        &self,
        kind: Option<KindName>,
        after: String,
        limit: usize,
    ) -> Result<Vec<RoomInfo>, Error> {
        let rooms = self.0.logins.sessions.rooms().clone();
        let list = move |conn: &mut Conn| {
            let open = rooms.open_rooms(kind.as_ref().map(KindName::as_str), &after, limit);
            let mut names: BTreeSet<RoomName> = open.into_iter().collect();
            for table in [Table::Members, Table::Bans] {
                let mut found = 0;
                // All names of a kind begin with `KIND:` and are before `KIND;`.
                let (first, end) = match &kind {
                    Some(kind) => (format!("{}:", kind.as_str()), Some(format!("{};", kind.as_str()))),
                    None => (String::new(), None),
                };
                let mut last = first.max(after.clone());
                while found < limit
                    && let Some(next) = room_rights::next_room(conn, table, &last, end.as_deref())?
                {
                    if let Some(room) = RoomName::parse(&next) {
                        names.insert(room);
                        found += 1;
                    }
                    last = next;
                }
            }
            names.iter().take(limit).map(|room| info(conn, room, rooms.sessions_in(room))).collect()
        };
        self.0.db.run(list).await
    }

    /// Up to `limit` members of a room past the user `after`, by their ids.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn room_members(
        &self,
        room: RoomName,
        after: String,
        limit: i64,
    ) -> Result<Vec<ListedRight>, Error> {
        self.room_rights(Table::Members, room.as_str().to_owned(), after, limit).await
    }

    /// The same of those who are banned from a room, or from all rooms of a kind.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn room_bans(
        &self,
        scope: Scope,
        after: String,
        limit: i64,
    ) -> Result<Vec<ListedRight>, Error> {
        self.room_rights(Table::Bans, scope.to_string(), after, limit).await
    }

    async fn room_rights(
        &self,
        table: Table,
        room: String,
        after: String,
        limit: i64,
    ) -> Result<Vec<ListedRight>, Error> {
        let list = move |conn: &mut Conn| {
            let rights = room_rights::of_room(conn, table, &room, &after, limit)?;
            let ids: Vec<String> = rights.iter().map(|right| right.user.clone()).collect();
            let usernames: HashMap<_, _> = room_rights::usernames(conn, &ids)?.into_iter().collect();
            let named =
                |right: StoredRight| ListedRight { username: usernames.get(&right.user).cloned(), right };
            Ok::<_, Error>(rights.into_iter().map(named).collect())
        };
        self.0.db.run(list).await
    }
}

fn info(conn: &mut Conn, room: &RoomName, sessions: usize) -> Result<RoomInfo, Error> {
    Ok(RoomInfo {
        members: room_rights::count(conn, Table::Members, room.as_str())?,
        bans: room_rights::count(conn, Table::Bans, room.as_str())?,
        sessions,
        room: room.as_str().to_owned(),
    })
}
