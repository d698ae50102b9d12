//! What could hide a revocation, or a change of roles, from a node.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use doorward::internals::schema::{login_revocations, logins};
use doorward_core::domain::RevokeReason;

use crate::support::app::{Person, TestApp, spawn_app};
use crate::support::database::is_postgres;
use crate::support::logs;
use crate::support::revocations::{add_logins, execute, is_known, login_of, numbered};
use crate::support::time::{PATIENCE, now, pause};

fn revoke(number: u32) -> String {
    format!("UPDATE logins SET revoked_at = now() WHERE id = '{}'", numbered(number))
}

#[actix_web::test]
async fn a_sessions_own_table_takes_no_row() {
    if !is_postgres() {
        // Its triggers name tables of their own schema.
        return;
    }
    let app = spawn_app().await;
    add_logins(&app, 1..=1);
    execute(
        &app,
        &format!("CREATE TEMPORARY TABLE login_revocations (LIKE login_revocations); {}", revoke(1)),
    );
    assert_eq!(is_known(&app, numbered(1)).await, RevokeReason::SignedOut);
}

#[actix_web::test]
async fn a_login_that_cannot_be_marked_is_marked_later() {
    logs::capture();
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let (refuse, allow) = if is_postgres() {
        (
            "ALTER TABLE logins ADD CONSTRAINT unmarkable CHECK (revoked_at IS NULL)",
            "ALTER TABLE logins DROP CONSTRAINT unmarkable",
        )
    } else {
        (
            "CREATE TRIGGER unmarkable BEFORE UPDATE OF revoked_at ON logins
             BEGIN SELECT RAISE(ABORT, 'unmarkable'); END",
            "DROP TRIGGER unmarkable",
        )
    };
    execute(&app, refuse);
    execute(&app, &format!("DELETE FROM users WHERE id = '{}'", ann.id));
    assert_eq!(is_known(&app, login_of(&ann)).await, RevokeReason::AccountDeleted);
    let deadline = now() + PATIENCE;
    while logs::lines_with(&["not marked as revoked yet", "unmarkable"]).is_empty() {
        assert!(now() < deadline, "no attempt to mark it has failed");
        pause().await;
    }
    execute(&app, allow);
    let marked = logins::table.find(&ann.login).filter(logins::revoked_at.is_not_null()).count();
    while app.query(|conn| marked.get_result::<i64>(conn)) == 0 {
        assert!(now() < deadline, "it is not marked");
        pause().await;
    }
}

async fn is_stale(app: &TestApp, person: &Person) {
    let deadline = now() + PATIENCE;
    while app.get("/api/me", &person.access).await.status != 401 {
        assert!(now() < deadline, "the token is accepted");
        pause().await;
    }
}

#[actix_web::test]
async fn a_change_of_roles_that_commits_after_an_old_one_is_read() {
    if !is_postgres() {
        // It has one writer at a time.
        return;
    }
    let app = spawn_app().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let change = |person: &Person| {
        format!(
            "INSERT INTO access_changes (user_id, claims_version, roles, claims, at)
             VALUES ('{}', 9, '[]', '{{}}', '2020-01-01')",
            person.id
        )
    };
    let mut slow = app.database.connect().unwrap();
    slow.batch_execute(&format!("BEGIN; {}", change(&ann))).unwrap();
    execute(&app, &change(&bob));
    is_stale(&app, &bob).await;
    app.get("/api/me", &ann.access).await.expect(200);
    slow.batch_execute("COMMIT").unwrap();
    is_stale(&app, &ann).await;
}

#[actix_web::test]
async fn a_purge_of_expired_logins_takes_no_number() {
    if !is_postgres() {
        // A number that is taken leaves no gap to read again.
        return;
    }
    let app = spawn_app().await;
    add_logins(&app, 1..=4);
    execute(&app, &revoke(1));
    let expired = format!("id IN ('{}', '{}')", numbered(2), numbered(3));
    execute(&app, &format!("UPDATE logins SET expires_at = '2020-01-01' WHERE {expired}"));
    app.accounts.purge().await.unwrap();
    execute(&app, &revoke(4));
    let numbers = login_revocations::table.order(login_revocations::number).select(login_revocations::number);
    let numbers: Vec<i64> = app.query(|conn| numbers.load(conn));
    assert!(matches!(numbers[..], [first, last] if last == first + 1), "{numbers:?}");
    let left = logins::table.filter(logins::user_id.eq("many")).count();
    assert_eq!(app.query(|conn| left.get_result::<i64>(conn)), 2);
}
