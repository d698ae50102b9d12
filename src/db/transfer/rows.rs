//! The rows of each table, and the queries on them. A row that lacks a column does not compile.

use aws_lc_rs::digest::Context;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::{PgConnection, PgRowByRowLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text as SqlText};
use diesel::sqlite::SqliteConnection;

use super::cells::{Cell, Key, Long, Moment, Number, Text};
use crate::schema::{
    access_changes, address_links, api_keys, audit_events, authorization_codes, events, failed_attempts,
    idempotency_keys, invitations, login_revocations, logins, one_time_tokens, outbox, request_counts,
    room_bans, room_changes, room_members, room_token_revocations, signing_keys, users,
};

/// Rows that are read, compared and written at a time. Multiplied by their columns, they stay below the
/// number of parameters that either database accepts (32,766 and 65,535).
pub(super) const BATCH: usize = 1000;

#[expect(clippy::cast_possible_wrap, reason = "it is small")]
const LIMIT: i64 = BATCH as i64;

/// A row of a table.
pub(super) trait Row: Sized + PartialEq {
    const TABLE: &'static str;

    fn key(&self) -> String;

    /// Adds the row's canonical form, which does not depend on the database it was read from.
    fn feed(&self, digest: &mut Context);

    fn count(source: &mut SqliteConnection) -> QueryResult<i64>;

    fn count_moved(target: &mut PgConnection) -> QueryResult<i64>;

    /// A batch of the rows whose keys follow `after`.
    fn page(source: &mut SqliteConnection, after: Option<&str>) -> QueryResult<Vec<Self>>;

    /// The keys of that batch as text, whatever its rows contain.
    fn keys(source: &mut SqliteConnection, after: Option<&str>) -> QueryResult<Vec<String>>;

    /// The rows with these keys, in any order.
    fn find(source: &mut SqliteConnection, keys: &[&str]) -> QueryResult<Vec<Self>>;

    /// A batch of the target's rows after `after`, in the target's own order, which may be a language's
    /// collation.
    fn moved(target: &mut PgConnection, after: Option<&str>) -> QueryResult<Vec<Self>>;

    /// Inserts the rows whose keys are missing, all or none. Returns how many.
    fn insert(target: &mut PgConnection, rows: &[Self]) -> QueryResult<usize>;

    /// All rows of the target in the byte order of their keys, which is the source's order. One is in memory
    /// at a time.
    fn each(target: &mut PgConnection, work: impl FnMut(Self)) -> QueryResult<()>;
}

macro_rules! rows {
    ($($table:ident ($key:ident: $kind:ty) $row:ident { $($column:ident: $cell:ty,)* })*) => {$(
        #[derive(PartialEq, Queryable, Insertable)]
        #[diesel(table_name = $table)]
        pub(super) struct $row {
            $($column: $cell,)*
        }

        impl Row for $row {
            const TABLE: &'static str = stringify!($table);

            fn key(&self) -> String {
                self.$key.text()
            }

            fn feed(&self, digest: &mut Context) {
                $(self.$column.feed(digest);)*
            }

            fn count(source: &mut SqliteConnection) -> QueryResult<i64> {
                $table::table.count().get_result(source)
            }

            fn count_moved(target: &mut PgConnection) -> QueryResult<i64> {
                $table::table.count().get_result(target)
            }

            fn page(source: &mut SqliteConnection, after: Option<&str>) -> QueryResult<Vec<Self>> {
                let rows = $table::table.order($table::$key).limit(LIMIT);
                match after {
                    None => rows.load(source),
                    Some(after) => rows.filter($table::$key.gt(<$kind>::bound(after))).load(source),
                }
            }

            fn keys(source: &mut SqliteConnection, after: Option<&str>) -> QueryResult<Vec<String>> {
                let bytes = sql::<Binary>(concat!("CAST(", stringify!($key), " AS BLOB)"));
                let keys = $table::table.order($table::$key).limit(LIMIT).select(bytes);
                let keys: Vec<Vec<u8>> = match after {
                    None => keys.load(source)?,
                    Some(after) => keys.filter($table::$key.gt(<$kind>::bound(after))).load(source)?,
                };
                Ok(keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect())
            }

            fn find(source: &mut SqliteConnection, keys: &[&str]) -> QueryResult<Vec<Self>> {
                let keys = keys.iter().map(|key| <$kind>::bound(key));
                $table::table.filter($table::$key.eq_any(keys)).load(source)
            }

            fn moved(target: &mut PgConnection, after: Option<&str>) -> QueryResult<Vec<Self>> {
                let rows = $table::table.order($table::$key).limit(LIMIT);
                match after {
                    None => rows.load(target),
                    Some(after) => rows.filter($table::$key.gt(<$kind>::bound(after))).load(target),
                }
            }

            fn insert(target: &mut PgConnection, rows: &[Self]) -> QueryResult<usize> {
                diesel::insert_into($table::table)
                    .values(rows)
                    .on_conflict($table::$key)
                    .do_nothing()
                    .execute(target)
            }

            fn each(target: &mut PgConnection, mut work: impl FnMut(Self)) -> QueryResult<()> {
                let order = sql::<SqlText>(&format!("{} {}", stringify!($key), <$kind>::ORDER));
                let rows = $table::table.order(order);
                for row in rows.load_iter::<Self, PgRowByRowLoadingMode>(target)? {
                    work(row?);
                }
                Ok(())
            }
        }
    )*};
}

rows! {
    users (id: Text) User {
        id: Text,
        username: Text,
        display_name: Text,
        email: Option<Text>,
        email_verified_at: Option<Moment>,
        password_hash: Text,
        role: Text,
        disabled_at: Option<Moment>,
        created_at: Moment,
        updated_at: Moment,
        unused_since: Option<Moment>,
        links_ended_at: Option<Moment>,
        undo_closed_until: Option<Moment>,
        username_skeleton: Option<Text>,
        roles: Text,
        claims: Text,
        claims_version: Number,
        language: Option<Text>,
        password_changed_at: Option<Moment>,
    }
    logins (id: Text) Login {
        id: Text,
        user_id: Text,
        kind: Text,
        refresh_hash: Option<Text>,
        previous_hash: Option<Text>,
        rotated_at: Option<Moment>,
        user_agent: Option<Text>,
        ip: Option<Text>,
        created_at: Moment,
        last_seen_at: Moment,
        expires_at: Moment,
        revoked_at: Option<Moment>,
        revoked_reason: Option<Text>,
    }
    one_time_tokens (hash: Text) OneTimeToken {
        hash: Text,
        purpose: Text,
        user_id: Text,
        email: Text,
        expires_at: Moment,
        used_at: Option<Moment>,
        login_id: Option<Text>,
    }
    outbox (id: Text) Mail {
        id: Text,
        kind: Text,
        user_id: Text,
        address: Text,
        attempts: Number,
        next_attempt_at: Moment,
        created_at: Moment,
        sent_at: Option<Moment>,
        recipient: Option<Text>,
        client: Option<Text>,
        language: Option<Text>,
        login_id: Option<Text>,
    }
    signing_keys (kid: Text) SigningKey {
        kid: Text,
        algorithm: Text,
        key: Text,
        created_at: Moment,
        retired_at: Option<Moment>,
    }
    audit_events (id: Text) AuditEvent {
        id: Text,
        at: Moment,
        actor: Option<Text>,
        action: Text,
        subject: Option<Text>,
        ip: Option<Text>,
        detail: Option<Text>,
        actor_id: Option<Text>,
        login_id: Option<Text>,
        request_id: Option<Text>,
        outcome: Text,
        reason: Option<Text>,
        count: Number,
        last_at: Option<Moment>,
    }
    failed_attempts (slot: Text) FailedAttempts {
        slot: Text,
        subject: Text,
        user_id: Option<Text>,
        failures: Number,
        failed_at: Moment,
        blocked_until: Option<Moment>,
    }
    request_counts (id: Text) RequestCount {
        id: Text,
        hour: Moment,
        action: Text,
        address: Text,
        count: Number,
    }
    address_links (hash: Text) AddressLink {
        hash: Text,
        email: Text,
        created_at: Moment,
        not_for: Text,
        expires_at: Moment,
        used_at: Option<Moment>,
    }
    invitations (id: Text) Invitation {
        id: Text,
        hash: Option<Text>,
        email: Option<Text>,
        roles: Text,
        invited_by: Option<Text>,
        expires_at: Moment,
        used_at: Option<Moment>,
        user_id: Option<Text>,
        created_at: Moment,
    }
    authorization_codes (hash: Text) AuthorizationCode {
        hash: Text,
        user_id: Text,
        login_id: Text,
        redirect_uri: Text,
        client: Text,
        code_challenge: Text,
        expires_at: Moment,
        used_at: Option<Moment>,
        app_login_id: Option<Text>,
    }

    idempotency_keys (id: Text) IdempotencyKey {
        id: Text,
        request: Text,
        answer: Option<Text>,
        created_at: Moment,
    }

    login_revocations (number: Long) LoginRevocation {
        number: Long,
        login_id: Text,
        reason: Option<Text>,
        at: Moment,
    }

    access_changes (number: Number) AccessChange {
        number: Number,
        user_id: Text,
        claims_version: Number,
        roles: Text,
        claims: Text,
        at: Moment,
    }

    room_members (number: Long) RoomMember {
        number: Long,
        room: Text,
        user_id: Text,
        until: Option<Moment>,
        created_at: Moment,
    }

    room_bans (number: Long) RoomBan {
        number: Long,
        room: Text,
        user_id: Text,
        until: Option<Moment>,
        created_at: Moment,
    }

    room_token_revocations (number: Long) RoomTokenRevocation {
        number: Long,
        jti: Option<Text>,
        user_id: Option<Text>,
        issued_before: Option<Moment>,
        created_at: Moment,
    }

    room_changes (number: Long) RoomChange {
        number: Long,
        change: Text,
        room: Text,
        user_id: Option<Text>,
        at: Moment,
    }

    api_keys (id: Text) ApiKey {
        id: Text,
        name: Text,
        hash: Text,
        previous_hash: Option<Text>,
        previous_until: Option<Moment>,
        scopes: Text,
        addresses: Option<Text>,
        created_by: Text,
        created_at: Moment,
        expires_at: Option<Moment>,
        rotated_at: Option<Moment>,
        last_used_at: Option<Moment>,
        last_used_ip: Option<Text>,
        revoked_at: Option<Moment>,
    }
    events (id: Text) Event {
        id: Text,
        seq: Option<Long>,
        written: Long,
        at: Moment,
        kind: Text,
        user_id: Text,
        login_id: Option<Text>,
        detail: Option<Text>,
    }
}

/// Keeps the triggers of this connection from recording what is copied: the records are copied as well.
pub(super) fn pause_triggers(target: &mut PgConnection) -> QueryResult<()> {
    target.batch_execute("SET doorward.copying = 'on'")
}

/// Lets PostgreSQL count on from the greatest numbers that were moved.
pub(super) fn count_on(target: &mut PgConnection) -> QueryResult<()> {
    for table in ["access_changes", "login_revocations", "room_members", "room_bans", "room_changes"] {
        let next = format!(
            "setval(pg_get_serial_sequence('{table}', 'number'), \
             (SELECT COALESCE(MAX(number), 0) + 1 FROM {table}), false)"
        );
        diesel::select(sql::<BigInt>(&next)).get_result::<i64>(target)?;
    }
    Ok(())
}
