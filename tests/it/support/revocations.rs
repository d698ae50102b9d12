//! Logins that are revoked by hand, and when a node knows of it.

use diesel::connection::SimpleConnection;
use doorward_core::domain::{LoginId, RevokeReason};

use crate::support::app::{Person, TestApp};
use crate::support::time::{PATIENCE, now, pause};

pub fn execute(app: &TestApp, sql: &str) {
    app.query(|conn| conn.batch_execute(sql));
}

/// The id of one of the logins that [`add_logins`] adds.
pub fn numbered(number: u32) -> LoginId {
    format!("00000000-0000-4000-8000-{}", 100_000_000_000 + u64::from(number)).parse().unwrap()
}

/// Adds active logins of a user who is not there.
pub fn add_logins(app: &TestApp, numbers: std::ops::RangeInclusive<u32>) {
    execute(
        app,
        &format!(
            "INSERT INTO logins (id, user_id, kind, created_at, last_seen_at, expires_at)
             WITH RECURSIVE numbers(number) AS (
                 SELECT CAST({} AS BIGINT) UNION ALL SELECT number + 1 FROM numbers WHERE number < {})
             SELECT '00000000-0000-4000-8000-' || (100000000000 + number), 'many', 'token',
                 CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '2999-01-01 00:00:00' FROM numbers",
            numbers.start(),
            numbers.end()
        ),
    );
}

pub async fn is_known(app: &TestApp, login: LoginId) -> RevokeReason {
    let deadline = now() + PATIENCE;
    loop {
        if let Some(reason) = app.revocations.get(login) {
            return reason;
        }
        assert!(now() < deadline, "{login} is not known to be revoked");
        pause().await;
    }
}

pub fn login_of(person: &Person) -> LoginId {
    person.login.parse().unwrap()
}

/// A revocation that is read means that a poll has begun since.
pub async fn poll(app: &TestApp) {
    for _ in 0..2 {
        let login = app.login("poller").await;
        execute(
            app,
            &format!("UPDATE logins SET revoked_at = CURRENT_TIMESTAMP WHERE id = '{}'", login.login),
        );
        is_known(app, login_of(&login)).await;
    }
}
