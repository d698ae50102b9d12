//! What a caller of the server API may do: no more than its key or role allows at the moment of the change, and nothing
//! that would make it an administrator.

use std::time::Duration;

use actix_web::http::Method;
use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use doorward::internals::accounts::{
    Caller, Error, Expected, Invite, Invited, KeyRequest, RightsChange, UserChange,
};
use doorward::internals::db::lock_name;
use doorward::internals::schema::{api_keys, audit_events, outbox};
use doorward_core::domain::{DisplayName, KeyScope, Roles, RolesChange, UserId, Username};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::api_keys::key;
use crate::support::app::{PASSWORD, Person, TestApp, spawn_app};
use crate::support::callers::operator;
use crate::support::commands::run;
use crate::support::smtp::Caught;
use crate::support::time::{PATIENCE, now, pause};

const WRITE: &[&str] = &["--scope", "users:write"];
const END: &[&str] = &["--scope", "users:end", "--scope", "users:write"];

/// Action, kind of actor, subject and login of an entry in the audit trail.
type Row = (String, Option<String>, Option<String>, Option<String>);

fn id(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

fn user_path(person: &Person) -> String {
    format!("/api/admin/users/{}", person.id)
}

fn roles(names: &[&str]) -> RightsChange {
    RightsChange { roles: Some(RolesChange::Replace(Roles::parse(names).unwrap())), claims: None }
}

async fn set_roles(app: &TestApp, person: &Person, names: &[&str]) {
    app.accounts.set_access(person.id.parse().unwrap(), roles(names), &operator()).await.unwrap();
}

async fn administrator(app: &TestApp, name: &str) -> Person {
    let person = app.register(name).await;
    set_roles(app, &person, &["admin"]).await;
    app.login(name).await
}

/// A key with every scope, and with these arguments besides.
async fn whole_key(app: &TestApp, arguments: &[&str]) -> String {
    let scopes = KeyScope::ALL.iter().flat_map(|scope| ["--scope", scope.as_str()]);
    key(app, &scopes.chain(arguments.iter().copied()).collect::<Vec<_>>()).await
}

/// The newest email to an address with these words, once there is one.
async fn mail_to(app: &TestApp, address: &str, words: &str) -> Caught {
    let deadline = now() + PATIENCE;
    loop {
        let mut mails = app.mail.caught().into_iter().rev();
        if let Some(mail) = mails.find(|mail| mail.to == [address] && mail.text.contains(words)) {
            return mail;
        }
        assert!(now() < deadline, "no {words:?} to {address}");
        pause().await;
    }
}

/// Every change that the server API makes. Each must be refused.
async fn assert_may_change_nothing(app: &TestApp, target: &Person, caller: &Caller, why: &str) {
    let user: UserId = target.id.parse().unwrap();
    let accounts = &app.accounts;
    let named = |name: &str| UserChange {
        display_name: Some(DisplayName::parse(name).unwrap()),
        ..Default::default()
    };
    let invited = Invited {
        username: Username::parse("new").unwrap(),
        email: None,
        verified: false,
        rights: RightsChange::default(),
    };
    let new_key = KeyRequest::new("new", [KeyScope::UsersRead].into_iter().collect(), None, &[]).unwrap();
    let invite = Invite { email: None, roles: Roles::default(), ttl: Invite::DEFAULT_TTL };
    let with_roles = UserChange { rights: roles(&["editor"]), ..Default::default() };
    let other_key = id(&key(app, &["--scope", "users:read"]).await).parse().unwrap();
    let refused = [
        accounts.rotate_api_key(other_key, TimeDelta::zero(), caller).await.err(),
        accounts.revoke_api_key(other_key, caller).await.err(),
        accounts.change_user(user, named("Other"), Expected::Any, caller).await.err(),
        accounts.change_user(user, with_roles, Expected::Any, caller).await.err(),
        accounts.set_access(user, roles(&["editor"]), caller).await.err(),
        accounts.set_disabled(user, true, caller).await.err(),
        accounts.set_disabled(user, false, caller).await.err(),
        accounts.remove_user(user, caller).await.err(),
        accounts.start_reset(user, caller).await.err(),
        accounts.end_logins(user, None, caller).await.err(),
        accounts.end_logins(user, Some(target.login.parse().unwrap()), caller).await.err(),
        accounts.invite_user(invited, caller).await.err(),
        accounts.create_api_key(new_key, caller).await.err(),
        accounts.invite(invite, caller).await.err(),
        accounts.revoke_invitation(&target.login, caller).await.err(),
        accounts.unlock(user, caller).await.err(),
        accounts.rotate_keys(false, caller).await.err(),
        accounts.personal_data(user, caller).await.err(),
        accounts.revoke_token(&target.access, caller).await.err(),
    ];
    for (at, error) in refused.into_iter().enumerate() {
        let is_refused = matches!(error, Some(Error::ApiKey(_) | Error::Token(_)));
        assert!(is_refused, "{why}, change {at}: {error:?}");
    }
    app.get("/api/me", &target.access).await.expect(200);
}

#[actix_web::test]
async fn a_caller_whose_rights_ended_after_the_guard_changes_nothing() {
    let app = spawn_app().await;
    let target = app.register_holder("ann", "ann@example.org").await;
    let other = administrator(&app, "other").await;
    let client = || Caller::client([127, 0, 0, 1].into(), None, None);
    for why in ["the key is revoked", "the key has expired"] {
        let key = key(&app, &["--scope", "users:read", "--expires", "1h"]).await;
        let caller = client().with_api_key(id(&key).parse().unwrap());
        if why.ends_with("revoked") {
            app.accounts.revoke_api_key(id(&key).parse().unwrap(), &operator()).await.unwrap();
        } else {
            // The command line has made it by the real clock.
            app.query(|conn| {
                let long_ago = chrono::DateTime::UNIX_EPOCH.naive_utc();
                diesel::update(api_keys::table.find(id(&key)))
                    .set(api_keys::expires_at.eq(long_ago))
                    .execute(conn)
            });
        }
        assert_may_change_nothing(&app, &target, &caller, why).await;
    }
    for (at, why) in
        ["the role is gone", "the user is disabled", "the user signed out"].into_iter().enumerate()
    {
        let admin = administrator(&app, &format!("boss{at}")).await;
        let caller = client().signed_in(&app.accounts.authenticate(&admin.access).unwrap());
        let user: UserId = admin.id.parse().unwrap();
        match at {
            0 => set_roles(&app, &admin, &["editor"]).await,
            1 => app.accounts.set_disabled(user, true, &operator()).await.unwrap(),
            _ => {
                app.send(Method::POST, "/api/logout", &admin.access, Value::Null).await.expect(204);
            }
        }
        assert_may_change_nothing(&app, &target, &caller, why).await;
    }
    let caller = client().signed_in(&app.accounts.authenticate(&target.access).unwrap());
    assert_may_change_nothing(&app, &other, &caller, "the user never was an administrator").await;
    assert_may_change_nothing(&app, &target, &client(), "the client has not signed in").await;
}

#[actix_web::test]
async fn a_key_that_is_revoked_while_the_body_arrives_is_refused() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let writer = whole_key(&app, &[]).await;
    for (path, scope) in [("/api/introspect", "tokens:introspect"), ("/api/revoke", "tokens:revoke")] {
        let slow = key(&app, &["--scope", scope]).await;
        let body = format!("token={}", ann.access);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: doorward.example\r\nconnection: close\r\nauthorization: Bearer {slow}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let last_used = || {
            app.query(|conn| {
                let used = api_keys::table.find(id(&slow)).select(api_keys::last_used_ip);
                used.first::<Option<String>>(conn)
            })
        };
        let deadline = now() + PATIENCE;
        while last_used().is_none() {
            assert!(now() < deadline, "the guard has not seen the request");
            pause().await;
        }
        let revoke = format!("/api/admin/keys/{}", id(&slow));
        app.send(Method::DELETE, &revoke, &writer, Value::Null).await.expect(204);
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("api_key_revoked"), "{path}: {answer}");
    }
    app.get("/api/me", &ann.access).await.expect(200);
}

#[actix_web::test]
async fn a_key_gives_and_takes_the_role_admin_only_if_it_can_do_all_that_an_administrator_can() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let admin = administrator(&app, "boss").await;
    administrator(&app, "other").await;
    let change = async |key: &str, person: &Person, roles: &[&str]| {
        app.send(Method::PATCH, &user_path(person), key, json!({"roles": roles})).await
    };
    let some =
        key(&app, &["--scope", "roles:write", "--scope", "keys:write", "--scope", "users:write"]).await;
    for weak in [
        some.clone(),
        whole_key(&app, &["--expires", "90d"]).await,
        whole_key(&app, &["--address", "127.0.0.0/8"]).await,
    ] {
        change(&weak, &ann, &["editor", "admin"]).await.assert_refused(403, "exceeds_own_rights");
        change(&weak, &admin, &["editor"]).await.assert_refused(403, "exceeds_own_rights");
    }
    // Other roles are not its own rights, and an administrator's other roles not that one.
    assert_eq!(change(&some, &ann, &["editor"]).await.expect(200).body["roles"], json!(["editor"]));
    change(&some, &admin, &["admin", "editor"]).await.expect(200);
    let whole = whole_key(&app, &[]).await;
    assert_eq!(change(&whole, &ann, &["admin"]).await.expect(200).body["roles"], json!(["admin"]));
    assert_eq!(change(&whole, &ann, &[]).await.expect(200).body["roles"], json!([]));
    let boss = app.login("boss").await;
    assert_eq!(change(&boss.access, &ann, &["admin"]).await.expect(200).body["roles"], json!(["admin"]));
}

#[actix_web::test]
async fn a_link_to_another_address_ends_when_its_user_becomes_an_administrator() {
    let app = spawn_app().await;
    let weak = key(&app, WRITE).await;
    let ann = app.register_holder("ann", "ann@example.org").await;
    let body = json!({"email": "thief@example.net"});
    app.send(Method::PATCH, &user_path(&ann), &weak, body).await.expect(200);
    let token = mail_to(&app, "thief@example.net", "verify-email").await.token("verify-email");
    set_roles(&app, &ann, &["admin"]).await;
    app.post("/api/verify-email", json!({"token": token})).await.assert_problem(400, "invalid_link");

    // The key's own address, which the user has replaced since, does not get the account back either.
    let bob = app.register("bob").await;
    let body = json!({"email": "key@example.net", "email_verified": true});
    app.send(Method::PATCH, &user_path(&bob), &weak, body).await.expect(200);
    app.advance(Duration::from_hours(24 * 8));
    app.login("bob").await;
    app.send(Method::PATCH, &user_path(&bob), &weak, json!({"email": "bob@example.org"})).await.expect(200);
    let token = mail_to(&app, "bob@example.org", "verify-email").await.token("verify-email");
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    let undo = mail_to(&app, "key@example.net", "undo-email").await.token("undo-email");
    set_roles(&app, &bob, &["admin"]).await;
    let reset = json!({"token": undo, "password": PASSWORD});
    app.post("/api/reset-password", reset).await.assert_problem(400, "invalid_link");
}

#[actix_web::test]
async fn a_link_that_is_sent_to_a_new_administrator_works() {
    let app = spawn_app().await;
    run(&app, &["user", "add", "root", "--role", "admin", "--email", "root@example.org"], PASSWORD)
        .await
        .ok();
    // The command line does not have the clock of the test, by which emails are due.
    let to_root =
        outbox::table.filter(outbox::address.eq("root@example.org")).filter(outbox::sent_at.is_null());
    assert_eq!(app.query(|conn| to_root.count().get_result::<i64>(conn)), 1);
    let invited = run(&app, &["invite", "--role", "admin"], "").await.ok().out;
    let invitation = invited.trim_end().rsplit('/').next().unwrap();
    let eve = json!({
        "username": "eve", "password": PASSWORD, "email": "eve@example.org", "invitation": invitation
    });
    let eve = app.post("/api/register", eve).await.expect(201);
    assert_eq!(eve.body["user"]["roles"], json!(["admin"]));
    let token = mail_to(&app, "eve@example.org", "verify-email").await.token("verify-email");
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    let carl = app.register("carl").await;
    let body = json!({"email": "carl@example.org", "roles": ["admin"]});
    app.send(Method::PATCH, &user_path(&carl), &whole_key(&app, &[]).await, body).await.expect(200);
    let token = mail_to(&app, "carl@example.org", "verify-email").await.token("verify-email");
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
}

#[actix_web::test]
async fn only_a_key_that_writes_roles_changes_the_account_of_an_administrator() {
    let app = spawn_app().await;
    let admin = administrator(&app, "boss").await;
    administrator(&app, "other").await;
    let ann = app.register("ann").await;
    let weak = key(&app, END).await;
    let strong = key(&app, &[END, &["--scope", "roles:write"]].concat()).await;
    let verified = json!({"email": "thief@example.net", "email_verified": true});
    for (method, path, body) in [
        (Method::PATCH, "", verified),
        (Method::PATCH, "", json!({"email": "thief@example.net"})),
        (Method::PATCH, "", json!({"email_verified": false})),
        (Method::POST, "/disable", Value::Null),
        (Method::POST, "/enable", Value::Null),
        (Method::DELETE, "", Value::Null),
    ] {
        let path = format!("{}{path}", user_path(&admin));
        let refused = app.send(method, &path, &weak, body).await;
        assert_eq!(
            refused.header("www-authenticate"),
            "Bearer error=\"insufficient_scope\", scope=\"roles:write\""
        );
        refused.assert_refused(403, "insufficient_scope");
    }
    // A name gives nothing away.
    app.send(Method::PATCH, &user_path(&admin), &weak, json!({"display_name": "B"})).await.expect(200);
    app.send(Method::POST, &format!("{}/disable", user_path(&ann)), &weak, Value::Null).await.expect(200);
    for (method, path, status) in
        [(Method::POST, "/disable", 200), (Method::POST, "/enable", 200), (Method::DELETE, "", 204)]
    {
        let path = format!("{}{path}", user_path(&admin));
        app.send(method, &path, &strong, Value::Null).await.expect(status);
    }
}

#[actix_web::test]
async fn a_former_address_is_told_that_a_key_has_replaced_it() {
    let app = spawn_app().await;
    let ann = app.register_holder("ann", "ann@example.org").await;
    let writer = key(&app, WRITE).await;
    let body = json!({"email": "new@example.org", "email_verified": true});
    app.send(Method::PATCH, &user_path(&ann), &writer, body).await.expect(200);
    let told = mail_to(&app, "ann@example.org", "was changed").await;
    // The one who has it may be the reason for the change.
    assert!(!told.text.contains("undo-email"), "{}", told.text);
}

#[actix_web::test]
async fn a_change_of_a_name_waits_for_no_change_of_roles() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let writer = key(&app, WRITE).await;
    let mut other = app.database.connect().unwrap();
    other.batch_execute("BEGIN").unwrap();
    lock_name(&mut other, "roles and claims").unwrap();
    app.send(Method::PATCH, &user_path(&ann), &writer, json!({"display_name": "Ann B."})).await.expect(200);
    other.batch_execute("ROLLBACK").unwrap();
}

#[actix_web::test]
async fn a_key_does_not_take_over_scopes_that_this_version_does_not_know() {
    let app = spawn_app().await;
    let maker = key(&app, &["--scope", "keys:write", "--scope", "users:read"]).await;
    let newer = key(&app, &["--scope", "users:read"]).await;
    let store = |key: &str, scopes: &str| {
        app.query(|conn| {
            diesel::update(api_keys::table.find(id(key))).set(api_keys::scopes.eq(scopes)).execute(conn)
        });
    };
    store(&newer, "users:read moon:land");
    let path = format!("/api/admin/keys/{}", id(&newer));
    let rotate = format!("{path}/rotate");
    app.send(Method::POST, &rotate, &maker, json!({})).await.assert_refused(403, "exceeds_own_rights");
    app.send(Method::DELETE, &path, &maker, Value::Null).await.assert_refused(403, "exceeds_own_rights");
    store(&maker, "keys:write users:read sea:sail");
    app.send(Method::POST, &rotate, &maker, json!({})).await.assert_refused(403, "exceeds_own_rights");
    store(&maker, "keys:write users:read moon:land");
    app.send(Method::POST, &rotate, &maker, json!({})).await.expect(200);
    run(&app, &["api-key", "revoke", id(&newer)], "").await.ok();
}

#[actix_web::test]
async fn renamed_users_and_logins_revoked_at_the_command_line_are_in_the_audit_trail() {
    let app = spawn_app().await;
    let writer = key(&app, WRITE).await;
    let (ann, phone) = (app.register("ann").await, app.login("ann").await);
    for name in ["Ann B.", "Ann B."] {
        app.send(Method::PATCH, &user_path(&ann), &writer, json!({"display_name": name})).await.expect(200);
    }
    run(&app, &["logins", "revoke", &phone.login], "").await.ok();
    run(&app, &["logins", "revoke", "--user", "ann"], "").await.ok();
    run(&app, &["logins", "revoke", "--everybody", "--yes"], "").await.ok();
    assert_eq!(run(&app, &["logins", "revoke", &phone.login], "").await.code, Some(1));
    let rows = |action: &str| -> Vec<Row> {
        app.query(|conn| {
            let columns =
                (audit_events::action, audit_events::actor, audit_events::subject, audit_events::login_id);
            let rows = audit_events::table.filter(audit_events::action.eq(action)).select(columns);
            rows.order(audit_events::id).load(conn)
        })
    };
    let row = |action: &str, actor: &str, subject: Option<&str>, login: Option<&str>| -> Row {
        (action.to_owned(), Some(actor.to_owned()), subject.map(str::to_owned), login.map(str::to_owned))
    };
    let user = Some(&*ann.id);
    assert_eq!(rows("renamed"), [row("renamed", "api_key", user, None)]);
    assert_eq!(
        rows("logins_revoked"),
        [
            row("logins_revoked", "operator", user, Some(&phone.login)),
            row("logins_revoked", "operator", user, None),
            row("logins_revoked", "operator", None, None),
        ]
    );
}
