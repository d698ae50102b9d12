//! Roles and claims of very many users change at once: a node reads each change once, keeps a version of it, and goes
//! on answering.

use diesel::prelude::*;
use doorward::internals::schema::{access_changes, users};
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::cluster::Nodes;
use crate::support::time::{PATIENCE, now, pause};

/// As an application would that gives each of its users a role in one statement.
const MANY: &str = "INSERT INTO access_changes (user_id, claims_version, roles, claims, at)
    WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 200000)
    SELECT '00000000-0000-4000-8000-' || (100000000000 + number), 1, '[\"editor\"]', '{}', CURRENT_TIMESTAMP
    FROM numbers";

fn change_many(app: &TestApp) {
    assert_eq!(app.query(|conn| diesel::sql_query(MANY).execute(conn)), 200_000);
}

/// Raises the user's version as a statement by hand does.
fn change_by_hand(app: &TestApp, user: &str, version: i32) {
    app.query(|conn| {
        diesel::update(users::table.find(user)).set(users::claims_version.eq(version)).execute(conn)?;
        diesel::insert_into(access_changes::table)
            .values((
                access_changes::user_id.eq(user),
                access_changes::claims_version.eq(version),
                access_changes::roles.eq("[]"),
                access_changes::claims.eq("{}"),
                access_changes::at.eq(doorward::Clock::Manual(app.clock.clone()).now()),
            ))
            .execute(conn)
    });
}

#[actix_web::test]
async fn a_node_that_starts_after_many_changes_goes_on_answering() {
    let mut nodes = Nodes::none(None, &[]);
    nodes.add().await;
    let first = &nodes.all[0];
    let ann = first.register("ann").await;
    change_many(first);
    change_by_hand(first, &ann.id, 1);
    let late = nodes.start_one().await;
    late.get("/api/me", &ann.access).await.assert_problem(401, "token_stale");
    let mut refresh = ann.refresh;
    for version in 2..6 {
        let body = json!({"refresh_token": refresh});
        let refreshed = late.post("/api/refresh", body).await.expect(200);
        let access = refreshed.str("access_token");
        refresh = refreshed.str("refresh_token");
        change_by_hand(&late, &ann.id, version);
        let deadline = now() + PATIENCE;
        loop {
            let answer = late.get("/api/me", &access).await;
            if answer.status.as_u16() == 401 {
                break;
            }
            assert!(now() < deadline, "the poll does not find the change");
            answer.expect(200);
            pause().await;
        }
    }
}
