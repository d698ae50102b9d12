//! The table `room_token_revocations`: which room tokens do not count any more. Triggers note each row in `room_changes`.

use chrono::TimeDelta;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::room_changes::read_time;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::room_token_revocations;
use doorward_core::domain::UserId;
use doorward_core::rooms::RevokedTokens;

/// A revocation that comes again within this time is a second attempt.
const REPEATED: TimeDelta = TimeDelta::minutes(1);

/// What a row says, and since when.
pub type Revocation = (RevokedTokens, Timestamp);

/// Adds a row, unless there is one that says as much. Answers whether it was added.
pub fn insert(conn: &mut Conn, tokens: &RevokedTokens, now: Timestamp) -> QueryResult<bool> {
    use room_token_revocations as table;
    let all = table::table;
    let (jti, user, before) = match tokens {
        RevokedTokens::One(jti) => (Some(&**jti), None, None),
        RevokedTokens::IssuedBefore(before, user) => (None, user.map(|user| user.to_string()), Some(*before)),
    };
    let known: i64 = match (jti, &user, before) {
        // An older row ends sooner than this one will.
        (Some(jti), ..) => all
            .filter(table::jti.eq(jti))
            .filter(table::created_at.gt(now - REPEATED))
            .count()
            .get_result(conn)?,
        (None, Some(user), before) => all
            .filter(table::user_id.eq(user))
            .filter(table::issued_before.ge(before))
            .count()
            .get_result(conn)?,
        (None, None, before) => all
            .filter(table::user_id.is_null())
            .filter(table::issued_before.ge(before))
            .count()
            .get_result(conn)?,
    };
    if known > 0 {
        return Ok(false);
    }
    let row = (
        table::jti.eq(jti),
        table::user_id.eq(user),
        table::issued_before.eq(before),
        table::created_at.eq(now),
    );
    diesel::insert_into(all).values(row).execute(conn).map(|_| true)
}

/// The rows of these numbers, or all that were written since then.
pub fn load(conn: &mut Conn, which: Which<'_>) -> QueryResult<Vec<Revocation>> {
    use room_token_revocations as table;
    // As text: whatever was written by hand must not stop those that read it.
    let times =
        (sql::<Nullable<Text>>("CAST(issued_before AS TEXT)"), sql::<Text>("CAST(created_at AS TEXT)"));
    let all = table::table.select((table::jti, table::user_id, times.0, times.1));
    let rows: Vec<Row> = match which {
        Which::Numbers(numbers) => all.filter(table::number.eq_any(numbers)).load(conn)?,
        Which::Since(since) => all.filter(table::created_at.ge(since)).load(conn)?,
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Which rows to read.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    Numbers(&'a [i64]),
    Since(Timestamp),
}

/// `jti`, `user_id`, `issued_before`, and `created_at`.
type Row = (Option<String>, Option<String>, Option<String>, String);

/// None if it says nothing. What cannot be read revokes too much rather than too little.
fn read((jti, user, before, at): Row) -> Option<Revocation> {
    let at = read_time(&at).unwrap_or_default();
    let tokens = match (jti, before) {
        (Some(jti), _) => RevokedTokens::One(jti.into()),
        (None, Some(before)) => {
            // A user that is none has no tokens.
            let user = user.map(|user| user.parse()).transpose().ok()?;
            RevokedTokens::IssuedBefore(read_time(&before).unwrap_or(at), user)
        }
        (None, None) => return None,
    };
    Some((tokens, at))
}

/// Deletes the rows about a user whose account is deleted.
pub fn delete_of(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    let of_user = room_token_revocations::table.filter(room_token_revocations::user_id.eq(user.to_string()));
    diesel::delete(of_user).execute(conn).map(drop)
}

/// Deletes up to `limit` rows that were written before `before`; answers how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, room_token_revocations.number: i64, room_token_revocations::created_at.lt(before), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_written_by_hand_is_read_or_says_nothing() {
        let at = "2026-11-28 12:00:00";
        let row = |jti: Option<&str>, user: Option<&str>, before: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            read((text(jti), text(user), text(before), at.to_owned())).map(|(tokens, _)| tokens)
        };
        let user = "0190f3c4-5d6e-7f80-91a2-b3c4d5e6f708";
        let noon = read_time(at).unwrap();
        assert_eq!(row(Some("x"), None, None), Some(RevokedTokens::One("x".into())));
        assert_eq!(row(None, None, Some(at)), Some(RevokedTokens::IssuedBefore(noon, None)));
        let of_user = RevokedTokens::IssuedBefore(noon, Some(user.parse().unwrap()));
        assert_eq!(row(None, Some(user), Some(at)), Some(of_user));
        // As of when it was written.
        assert_eq!(row(None, None, Some("soon")), Some(RevokedTokens::IssuedBefore(noon, None)));
        assert_eq!(row(None, Some("ann"), Some(at)), None);
        assert_eq!(row(None, Some(user), None), None);
    }
}
