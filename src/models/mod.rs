//! Rows and the queries on them: a connection in, a `QueryResult` out. No HTTP and no policy here.

pub mod access_changes;
pub mod address_links;
pub mod api_keys;
pub mod audit_events;
pub mod audit_pages;
pub mod authorization_codes;
pub mod events;
pub mod failed_attempts;
pub mod idempotency_keys;
pub mod invitations;
pub mod login_pages;
pub mod logins;
pub mod one_time_tokens;
pub mod outbox;
pub mod password_hashes;
pub mod request_counts;
pub mod signing_keys;
pub mod stored;
pub mod stored_forms;
pub mod users;
