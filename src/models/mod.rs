//! Rows and the queries on them: a connection in, a `QueryResult` out. No HTTP and no policy here.

pub mod audit_events;
pub mod logins;
pub mod one_time_tokens;
pub mod outbox;
pub mod signing_keys;
pub mod users;
