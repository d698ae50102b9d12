//! Rows and the queries on them: a connection in, a `QueryResult` out. No HTTP and no policy here.

/// Deletes up to `limit` rows of a table that are `old`, and returns how many. Not all at once: a transaction that deletes
/// a million rows holds up every sign-in. The condition is checked again as each row is deleted.
macro_rules! delete_some {
    ($conn:expr, $table:ident.$key:ident: $kind:ty, $old:expr, $limit:expr) => {{
        let keys = $table::table.filter($old).limit($limit).select($table::$key);
        let keys: Vec<$kind> = keys.load($conn)?;
        if keys.is_empty() {
            Ok(0)
        } else {
            diesel::delete($table::table.filter($table::$key.eq_any(keys)).filter($old)).execute($conn)
        }
    }};
}

pub mod access_changes;
pub mod address_links;
pub mod api_keys;
pub mod audit_actions;
pub mod audit_events;
pub mod audit_failures;
pub mod audit_pages;
pub mod audit_summary;
pub mod authorization_codes;
pub mod events;
pub mod failed_attempts;
pub mod idempotency_keys;
#[cfg(test)]
mod index_tests;
pub mod invitations;
pub mod login_pages;
pub mod login_revocations;
pub mod logins;
pub mod one_time_tokens;
pub mod outbox;
pub mod password_hashes;
pub mod request_counts;
pub mod room_changes;
pub mod room_rights;
pub mod room_token_revocations;
pub mod sign_in_places;
pub mod signing_keys;
pub mod stored;
pub mod stored_forms;
pub mod users;
