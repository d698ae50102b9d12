//! The tables `room_members` and `room_bans`: who may be in which room, and who may not. Triggers note each change in
//! `room_changes`.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use diesel::connection::SimpleConnection;
use diesel::dsl::{min, sql};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::{Timestamp, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::db::{Conn, each};
use crate::schema::{room_bans, room_members, users};
use doorward_core::domain::UserId;
use doorward_core::rooms::{End, RoomName};

/// Which of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Members,
    Bans,
}

/// A row, of the user of the question or the room of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RoomRight)]
pub struct StoredRight {
    /// A room, or of a ban also `KIND:*`.
    #[schema(example = "chat:lobby")]
    pub room: String,
    #[schema(format = Uuid)]
    pub user: String,
    /// Without one there is no end.
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-01T00:00:00.000Z")]
    pub until: End,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
}

/// What became of a row that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is new.
    Added,
    /// It was there with another end.
    Changed,
    /// It was there like this.
    Same,
}

/// Does the same to either table. In `$work`, `table` is its module.
macro_rules! of {
    ($which:expr, $table:ident => $work:expr) => {
        match $which {
            Table::Members => {
                use room_members as $table;
                $work
            }
            Table::Bans => {
                use room_bans as $table;
                $work
            }
        }
    };
}

/// Writes a row. Two that write the same one at the same time: the second sees the first. Again, if the row is deleted in
/// between.
pub fn put(
    conn: &mut Conn,
    which: Table,
    (room, user): (&str, UserId),
    until: End,
    now: Timestamp,
) -> QueryResult<Written> {
    let user = user.to_string();
    of!(which, table => {
        let row = (table::room.eq(room), table::user_id.eq(&user), table::until.eq(until), table::created_at.eq(now));
        let of_user = table::table.filter(table::room.eq(room)).filter(table::user_id.eq(&user));
        loop {
            let added = each!(conn, diesel::insert_into(table::table).values(row).on_conflict_do_nothing(), execute)?;
            if added > 0 {
                return Ok(Written::Added);
            }
            let known: Vec<Option<String>> = of_user.select(end_text()).load(conn)?;
            if let Some(known) = known.into_iter().next() {
                if end(which, known) == until {
                    return Ok(Written::Same);
                }
                if diesel::update(of_user).set(table::until.eq(until)).execute(conn)? > 0 {
                    return Ok(Written::Changed);
                }
            }
        }
    })
}

/// As text: a row that was written by hand may have anything there, and must not stop those that read it.
fn end_text() -> diesel::expression::SqlLiteral<Nullable<Text>> {
    sql("CAST(until AS TEXT)")
}

/// When a right or ban ends. What cannot be read grants nothing: such a membership has ended, and such a ban has no end.
fn end(which: Table, text: Option<String>) -> End {
    let text = text?;
    let time = text.trim().trim_end_matches('Z').replace('T', " ");
    let moment = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .into_iter()
        .find_map(|format| Timestamp::parse_from_str(&time, format).ok())
        .or_else(|| NaiveDate::parse_from_str(&time, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    match (moment, &*time) {
        (Some(_), _) => moment,
        (None, "infinity") => None,
        (None, _) => (which == Table::Members).then(Timestamp::default),
    }
}

fn right(which: Table) -> impl Fn((String, String, Option<String>, Timestamp)) -> StoredRight {
    move |(room, user, until, created_at)| StoredRight { room, user, until: end(which, until), created_at }
}

/// Deletes a row; answers whether it was there.
pub fn delete(conn: &mut Conn, which: Table, room: &str, user: UserId) -> QueryResult<bool> {
    let user = user.to_string();
    let deleted = of!(which, table => {
        diesel::delete(table::table.filter(table::room.eq(room)).filter(table::user_id.eq(user))).execute(conn)
    })?;
    Ok(deleted > 0)
}

/// Deletes all rows of a user whose account is deleted.
pub fn delete_of(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    let user = user.to_string();
    for which in [Table::Members, Table::Bans] {
        of!(which, table => diesel::delete(table::table.filter(table::user_id.eq(&user))).execute(conn))?;
    }
    Ok(())
}

/// What users have, each in what and until when.
pub type ByUser<T> = HashMap<UserId, Vec<(T, End)>>;

/// The rooms and kinds that these users are banned from.
pub fn bans_of(conn: &mut Conn, users: &[UserId]) -> QueryResult<ByUser<String>> {
    if users.is_empty() {
        return Ok(ByUser::new());
    }
    let found: Vec<(String, String, Option<String>)> = room_bans::table
        .filter(room_bans::user_id.eq_any(users.iter().map(UserId::to_string)))
        .select((room_bans::user_id, room_bans::room, end_text()))
        .load(conn)?;
    Ok(by_user(found, |room, until| Some((room, end(Table::Bans, until)))))
}

/// Those of these rooms of which these users are members.
pub fn members_of(
    conn: &mut Conn,
    users: &[UserId],
    rooms: &HashSet<&RoomName>,
) -> QueryResult<ByUser<RoomName>> {
    if users.is_empty() {
        return Ok(ByUser::new());
    }
    let found: Vec<(String, String, Option<String>)> = room_members::table
        .filter(room_members::user_id.eq_any(users.iter().map(UserId::to_string)))
        .filter(room_members::room.eq_any(rooms.iter().map(|room| room.as_str())))
        .select((room_members::user_id, room_members::room, end_text()))
        .load(conn)?;
    Ok(by_user(found, |room, until| Some((RoomName::parse(&room)?, end(Table::Members, until)))))
}

fn by_user<T>(
    found: Vec<(String, String, Option<String>)>,
    read: impl Fn(String, Option<String>) -> Option<(T, End)>,
) -> ByUser<T> {
    let mut all = ByUser::new();
    for (user, room, until) in found {
        if let (Ok(user), Some(one)) = (user.parse::<UserId>(), read(room, until)) {
            all.entry(user).or_default().push(one);
        }
    }
    all
}

/// Up to `limit` rows of a room past the user `after`, in the order of the users' ids.
pub fn of_room(
    conn: &mut Conn,
    which: Table,
    room: &str,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<StoredRight>> {
    let rows: Vec<_> = of!(which, table => {
        table::table
            .filter(table::room.eq(room))
            .filter(table::user_id.gt(after))
            .order(table::user_id)
            .limit(limit)
            .select((table::room, table::user_id, end_text(), table::created_at))
            .load(conn)
    })?;
    Ok(rows.into_iter().map(right(which)).collect())
}

/// Up to `limit` rows of a user, in the order of the rooms' names.
pub fn of_user(conn: &mut Conn, which: Table, user: UserId, limit: i64) -> QueryResult<Vec<StoredRight>> {
    let rows: Vec<_> = of!(which, table => {
        table::table
            .filter(table::user_id.eq(user.to_string()))
            .order(table::room)
            .limit(limit)
            .select((table::room, table::user_id, end_text(), table::created_at))
            .load(conn)
    })?;
    Ok(rows.into_iter().map(right(which)).collect())
}

/// How many rows a room has.
pub fn count(conn: &mut Conn, which: Table, room: &str) -> QueryResult<i64> {
    of!(which, table => table::table.filter(table::room.eq(room)).count().get_result(conn))
}

/// The first room after `after` that has a row, of those before `end`. One step of an index, however many rows each has.
pub fn next_room(
    conn: &mut Conn,
    which: Table,
    after: &str,
    end: Option<&str>,
) -> QueryResult<Option<String>> {
    of!(which, table => {
        let later = table::table.filter(table::room.gt(after));
        match end {
            Some(end) => later.filter(table::room.lt(end)).select(min(table::room)).get_result(conn),
            None => later.select(min(table::room)).get_result(conn),
        }
    })
}

/// The usernames of these users.
pub fn usernames(conn: &mut Conn, ids: &[String]) -> QueryResult<Vec<(String, String)>> {
    users::table.filter(users::id.eq_any(ids)).select((users::id, users::username)).load(conn)
}

/// Deletes up to `limit` rows that ended before `before`; answers how many. On PostgreSQL no node is told, as nothing
/// changes by it. In a transaction.
pub fn purge(conn: &mut Conn, which: Table, before: Timestamp, limit: i64) -> QueryResult<usize> {
    let is_postgres = matches!(conn, Conn::Postgres(_));
    if is_postgres {
        conn.batch_execute("SET LOCAL doorward.copying = 'on'")?;
    }
    let deleted: QueryResult<usize> = of!(which, table => {
        let ended = || table::until.is_not_null().and(table::until.assume_not_null().lt(before));
        delete_some!(conn, table.number: i64, ended(), limit)
    });
    let deleted = deleted?;
    if is_postgres {
        conn.batch_execute("SET LOCAL doorward.copying = 'off'")?;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_written_by_hand_is_read_or_grants_nothing() {
        let at = |text: &str| end(Table::Bans, Some(text.to_owned()));
        let new_year = NaiveDate::from_ymd_opt(2027, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
        for text in [
            "2027-01-01 00:00:00",
            "2027-01-01 00:00:00.000000",
            "2027-01-01T00:00:00Z",
            "2027-01-01",
            "2027-01-01 00:00",
        ] {
            assert_eq!(at(text), new_year, "{text}");
        }
        assert_eq!((at("infinity"), at("tomorrow"), end(Table::Bans, None)), (None, None, None));
        for text in ["tomorrow", "-infinity", "", "2461407.5"] {
            assert_eq!(end(Table::Members, Some(text.to_owned())), Some(Timestamp::default()), "{text}");
        }
        assert_eq!(end(Table::Members, Some("infinity".to_owned())), None);
    }
}
