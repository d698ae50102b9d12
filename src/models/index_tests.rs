//! Queries on tables that grow find their rows by an index: SQLite's plans, which do not depend on the values.

use std::sync::{Arc, Mutex};

use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::sql_types::Text;
use doorward_core::domain::UserId;
use doorward_core::rooms::RoomName;

use super::audit_events::{self, Action, Repeatable};
use super::audit_pages::{self, AuditFilter, Ended};
use super::room_rights::{self, Table};
use super::{login_revocations, logins, outbox, room_changes, users};
use crate::clock::Timestamp;
use crate::config::DatabaseUrl;
use crate::db::{self, Conn};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// How the queries of `run` find their rows.
fn plans(run: impl FnOnce(&mut Conn)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(dir.path().join("test.db").display().to_string());
    let pool = db::open(&url, 1).unwrap();
    let mut pooled = pool.get().unwrap();
    let conn: &mut Conn = &mut pooled;
    let Conn::Sqlite(sqlite) = conn else { panic!("not SQLite") };
    let queries = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&queries);
    sqlite.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            seen.lock().unwrap().push(query.to_string());
        }
    });
    run(conn);
    let queries = std::mem::take(&mut *queries.lock().unwrap());
    let mut explain = |query: &String| {
        let sql = query.split(" -- binds").next().unwrap();
        let steps = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<Step>(conn).unwrap();
        steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; ")
    };
    queries.iter().map(&mut explain).collect()
}

/// Each query uses this index, and none reads a whole table: in the order of an index, a limit ends it.
#[track_caller]
fn assert_index(index: &str, run: impl FnOnce(&mut Conn)) {
    let plans = plans(run);
    assert!(!plans.is_empty());
    for plan in plans {
        let reads_all = plan
            .split("; ")
            .any(|step| step.starts_with("SCAN") && !step.contains("INDEX") && step != "SCAN CONSTANT ROW");
        assert!(plan.contains(index) && !reads_all, "{plan}");
    }
}

#[test]
fn rows_are_found_by_an_index() {
    let now = Timestamp::default();
    let id = UserId(uuid::Uuid::nil());
    assert_index("INDEX users_with_roles", |conn| drop(users::has_other_admin(conn, id)));
    assert_index("INDEX outbox_due", |conn| drop(outbox::first(conn)));
    assert_index("INDEX logins_revoked_at", |conn| drop(logins::purge_revoked(conn, now, 10)));
    assert_index("INDEX sqlite_autoindex_users_1", |conn| drop(users::find_active(conn, id)));
    assert_index("INDEX outbox_address", |conn| drop(outbox::to_address(conn, "a@example.org", 10)));
    assert_index("INDEX outbox_address", |conn| drop(outbox::forget_address(conn, "a@example.org", now)));
    assert_index("INDEX audit_events_subject", |conn| {
        drop(audit_events::has_happened(conn, id, Action::SignedIn, now));
        let signed_in =
            AuditFilter { subject: Some(id), action: Some("x".to_owned()), ..AuditFilter::default() };
        drop(audit_pages::list(conn, &signed_in, 10));
    });
    assert_index("INDEX audit_events_at", |conn| {
        drop(audit_events::beyond_newest(conn, Repeatable::Done, 10));
        drop(audit_events::purge_repeatable(conn, Repeatable::Done, now, 10));
    });
    let recent = AuditFilter { since: Some(now), ..AuditFilter::default() };
    assert_index("(id>?)", |conn| drop(audit_pages::list(conn, &recent, 10)));
    let failures = AuditFilter { outcome: Some(Ended::Unsuccessful), ..AuditFilter::default() };
    assert_index("INDEX audit_events_failures", |conn| drop(audit_pages::list(conn, &failures, 10)));
    assert_index("INTEGER PRIMARY KEY", |conn| drop(login_revocations::page(conn, &(1..=9), 10)));
}

#[test]
fn rights_to_rooms_are_found_by_an_index() {
    let (now, id) = (Timestamp::default(), UserId(uuid::Uuid::nil()));
    let lobby = RoomName::parse("chat:lobby").unwrap();
    assert_index("INTEGER PRIMARY KEY", |conn| drop(room_changes::page(conn, &(1..=9), 10)));
    assert_index("INDEX room_changes_at", |conn| drop(room_changes::purge(conn, now, 10)));
    assert_index("INDEX room_bans_user_id", |conn| drop(room_rights::bans_of(conn, &[id])));
    assert_index("INDEX room_members_", |conn| drop(room_rights::members_of(conn, &[id], &[&lobby].into())));
    assert_index("INDEX room_members_user_id", |conn| {
        drop(room_rights::of_user(conn, Table::Members, id, 10));
    });
    assert_index("INDEX room_members_room", |conn| {
        drop(room_rights::of_room(conn, Table::Members, "chat:lobby", "", 10));
        drop(room_rights::count(conn, Table::Members, "chat:lobby"));
        drop(room_rights::next_room(conn, Table::Members, "chat:", Some("chat;")));
        drop(room_rights::next_room(conn, Table::Members, "", None));
    });
    assert_index("INDEX room_bans_until", |conn| drop(room_rights::purge(conn, Table::Bans, now, 10)));
}
