//! The table `failed_attempts`: wrong passwords in a row, by slot. A guess is counted before it is checked, so that all of
//! many at once are counted.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::{Conn, each, locked};
use crate::schema::failed_attempts;
use doorward_core::domain::{LoginId, UserId};

/// Where guesses are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    key: String,
    subject: String,
    user: Option<UserId>,
}

impl Slot {
    fn own(key: String, user: UserId) -> Self {
        Self { subject: key.clone(), key, user: Some(user) }
    }

    /// Of an account, by its username or by its address: a name must not tell which address belongs to it.
    #[must_use]
    pub fn account(user: UserId, by_email: bool) -> Self {
        Self::own(format!("account:{user}:{}", if by_email { "email" } else { "name" }), user)
    }

    /// Of a device on which the user has signed in before.
    #[must_use]
    pub fn device(user: UserId, device: uuid::Uuid) -> Self {
        Self::own(format!("device:{user}:{device}"), user)
    }

    /// Of all such devices of a user.
    #[must_use]
    pub fn devices(user: UserId) -> Self {
        Self::own(format!("devices:{user}"), user)
    }

    /// Of names without an account, which share slots.
    #[must_use]
    pub fn name((slot, subject): (u16, String)) -> Self {
        Self { key: format!("name:{slot:04x}"), subject, user: None }
    }

    /// Of current passwords that are asked for again, by login.
    #[must_use]
    pub fn login(user: UserId, login: LoginId) -> Self {
        Self::own(format!("login:{login}"), user)
    }

    /// The same, over all logins of a user.
    #[must_use]
    pub fn confirmation(user: UserId) -> Self {
        Self::own(format!("confirm:{user}"), user)
    }
}

/// What has been counted; without a row, nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    pub count: u32,
    pub failed_at: Option<Timestamp>,
    pub blocked_until: Option<Timestamp>,
}

/// A slot with its failures, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub slot: String,
    pub failures: Failures,
}

type Row = (String, i32, Timestamp, Option<Timestamp>);

/// What has been counted in a slot so far.
pub fn find(conn: &mut Conn, slot: &Slot) -> QueryResult<Failures> {
    let row = failed_attempts::table.find(&slot.key).select((
        failed_attempts::subject,
        failed_attempts::failures,
        failed_attempts::failed_at,
        failed_attempts::blocked_until,
    ));
    let row: Option<Row> = each!(conn, row, get_result).optional()?;
    Ok(row.map_or_else(Failures::default, |row| failures_of(slot, row)))
}

/// Nothing, if the slot currently counts another name.
fn failures_of(slot: &Slot, (subject, count, failed_at, blocked_until): Row) -> Failures {
    if subject != slot.subject {
        return Failures::default();
    }
    Failures { count: u32::try_from(count).unwrap_or(0), failed_at: Some(failed_at), blocked_until }
}

/// The failures of a slot, locked until the transaction ends. The statements are the same whether there are any or not.
/// Several slots are locked in their order, or two transactions could wait for each other.
pub fn lock(conn: &mut Conn, slot: &Slot, now: Timestamp) -> QueryResult<Failures> {
    loop {
        let first = (
            failed_attempts::slot.eq(&slot.key),
            failed_attempts::subject.eq(&slot.subject),
            failed_attempts::user_id.eq(slot.user.map(|user| user.to_string())),
            failed_attempts::failures.eq(0),
            failed_attempts::failed_at.eq(now),
        );
        each!(
            conn,
            diesel::insert_into(failed_attempts::table).values(first).on_conflict_do_nothing(),
            execute
        )?;
        let query = failed_attempts::table.find(&slot.key).select((
            failed_attempts::subject,
            failed_attempts::failures,
            failed_attempts::failed_at,
            failed_attempts::blocked_until,
        ));
        // On PostgreSQL another transaction may have deleted the row in between: then it is made again.
        let Some(row): Option<Row> = locked!(conn, query, get_result).optional()? else { continue };
        return Ok(failures_of(slot, row));
    }
}

/// Writes the failures of a slot that [`lock`] has read.
pub fn store(conn: &mut Conn, slot: &Slot, failures: Failures, now: Timestamp) -> QueryResult<()> {
    diesel::update(failed_attempts::table.find(&slot.key))
        .set((
            failed_attempts::subject.eq(&slot.subject),
            failed_attempts::failures.eq(i32::try_from(failures.count).unwrap_or(i32::MAX)),
            failed_attempts::failed_at.eq(now),
            failed_attempts::blocked_until.eq(failures.blocked_until),
        ))
        .execute(conn)
        .map(drop)
}

/// Forgets the failures of slots: the password was right. They are in their order.
pub fn clear(conn: &mut Conn, slots: &[Slot]) -> QueryResult<()> {
    for slot in slots {
        diesel::delete(failed_attempts::table.find(&slot.key)).execute(conn)?;
    }
    Ok(())
}

/// Forgets all failures at a user's account; returns how many slots had some.
pub fn clear_user(conn: &mut Conn, user: UserId) -> QueryResult<usize> {
    let of_user = failed_attempts::table.filter(failed_attempts::user_id.eq(user.to_string()));
    let slots: Vec<String> =
        locked!(conn, of_user.select(failed_attempts::slot).order(failed_attempts::slot), load)?;
    for slot in &slots {
        diesel::delete(failed_attempts::table.find(slot)).execute(conn)?;
    }
    Ok(slots.len())
}

/// All that is counted for a user's account.
pub fn of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<Counted>> {
    let rows: Vec<Row> = failed_attempts::table
        .filter(failed_attempts::user_id.eq(user.to_string()))
        .filter(failed_attempts::failures.gt(0))
        .order(failed_attempts::slot)
        .select((
            failed_attempts::slot,
            failed_attempts::failures,
            failed_attempts::failed_at,
            failed_attempts::blocked_until,
        ))
        .load(conn)?;
    let counted = |(slot, count, failed_at, blocked_until): Row| Counted {
        slot,
        failures: Failures {
            count: u32::try_from(count).unwrap_or(0),
            failed_at: Some(failed_at),
            blocked_until,
        },
    };
    Ok(rows.into_iter().map(counted).collect())
}

/// Deletes up to `limit` the rows of slots without a failure since `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, failed_attempts.slot: String, failed_attempts::failed_at.lt(before), limit)
}
