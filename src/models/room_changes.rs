//! The table `room_changes`: changes of members and bans, who was put out of rooms, and which tokens were revoked, as every
//! node reads them.

use std::ops::RangeInclusive;

use diesel::dsl::{max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::room_changes;
use doorward_core::domain::UserId;
use doorward_core::rooms::RoomName;

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// A row of `room_members`.
    Member(UserId, RoomName),
    /// Rows of `room_bans`.
    Ban(UserId),
    /// The user was put out of the room.
    Kick(UserId, RoomName),
    /// All were.
    Close(RoomName),
    /// The row of this number in `room_token_revocations`.
    Token(i64),
    /// A row that was written by hand may say anything.
    Unreadable,
}

impl RoomChange {
    fn read(change: &str, room: &str, user: Option<&str>) -> Self {
        if change == "token" {
            return room.parse().map_or(Self::Unreadable, Self::Token);
        }
        let (user, room) = (user.and_then(|user| user.parse().ok()), RoomName::parse(room));
        match (change, user, room) {
            ("member", Some(user), Some(room)) => Self::Member(user, room),
            ("ban", Some(user), _) => Self::Ban(user),
            ("kick", Some(user), Some(room)) => Self::Kick(user, room),
            ("close", _, Some(room)) => Self::Close(room),
            _ => Self::Unreadable,
        }
    }
}

/// A change as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub number: i64,
    pub at: Timestamp,
    pub change: RoomChange,
}

/// Adds what no row of members or bans says: one user was put out of the room, or all were.
pub fn insert(conn: &mut Conn, room: &RoomName, kicked: Option<UserId>, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(room_changes::table)
        .values((
            room_changes::change.eq(if kicked.is_some() { "kick" } else { "close" }),
            room_changes::room.eq(room.as_str()),
            room_changes::user_id.eq(kicked.map(|user| user.to_string())),
            room_changes::at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// The greatest number that is there.
pub fn newest(conn: &mut Conn) -> QueryResult<Option<i64>> {
    room_changes::table.select(max(room_changes::number)).get_result(conn)
}

/// The greatest number before the first change that was made at `since` or later; 0 if there is none.
pub fn last_before(conn: &mut Conn, since: Timestamp) -> QueryResult<i64> {
    let late = room_changes::table.filter(room_changes::at.ge(since));
    let first: Option<i64> = late.select(min(room_changes::number)).get_result(conn)?;
    match first {
        Some(first) => Ok(first - 1),
        None => Ok(newest(conn)?.unwrap_or_default()),
    }
}

/// Up to `limit` changes with these numbers, in their order.
pub fn page(conn: &mut Conn, numbers: &RangeInclusive<i64>, limit: i64) -> QueryResult<Vec<Numbered>> {
    // As text: whatever was written by hand must not stop those that read it.
    let at = sql::<Text>("CAST(at AS TEXT)");
    let rows: Vec<(i64, String, String, Option<String>, String)> = room_changes::table
        .filter(room_changes::number.between(*numbers.start(), *numbers.end()))
        .order(room_changes::number)
        .limit(limit)
        .select((room_changes::number, room_changes::change, room_changes::room, room_changes::user_id, at))
        .load(conn)?;
    let read = |(number, change, room, user, at): (_, String, String, Option<String>, String)| Numbered {
        number,
        at: read_time(&at).unwrap_or_default(),
        change: RoomChange::read(&change, &room, user.as_deref()),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// A time as both databases write it.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()
}

/// Deletes up to `limit` changes before `before`; answers how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, room_changes.number: i64, room_changes::at.lt(before), limit)
}
