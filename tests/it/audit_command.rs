//! `doorward audit` and `GET /api/admin/audit`: from a suspicion to an address.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::rt::task::spawn_blocking;
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{PASSWORD, Person, TestApp, spawn_with};
use crate::support::audit::written;
use crate::support::commands::run;
use crate::support::config::Settings;
use crate::support::import::data_dir;
use crate::support::limits::PROXY;
use crate::support::time::PATIENCE;

const ATTACKER: &str = "203.0.113.66";
const CLUMSY: &str = "198.51.100.4";

async fn guess_from(app: &TestApp, address: &str, login: &str) {
    let headers = [("x-forwarded-for", address)];
    let body = json!({"login": login, "password": "wrong"});
    app.call(Method::POST, "/api/login", &headers, Some(body)).await.expect(401);
}

/// An attacker who tries three accounts and two names without one, and a user who mistypes.
async fn attacked() -> (TestApp, Person) {
    let app = spawn_with(&[PROXY]).await;
    let ann = app.register("ann").await;
    app.register("ben").await;
    app.register("cid").await;
    // Rows are listed by the time, which stands still.
    app.advance(Duration::from_secs(1));
    for login in ["ann", "ben", "cid", "root", "admin", "ann"] {
        guess_from(&app, ATTACKER, login).await;
    }
    guess_from(&app, CLUMSY, "ben").await;
    written(&app, 7).await;
    (app, ann)
}

async fn audit(app: &TestApp, arguments: &[&str]) -> Value {
    run(app, &[&["audit", "--json"], arguments].concat(), "").await.ok().json()
}

/// The actions that are listed, with their reasons.
fn told(events: &Value) -> Vec<String> {
    let of = |event: &Value| {
        let part = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", part("action"), part("reason"), part("ip"))
    };
    events.as_array().unwrap().iter().map(of).collect()
}

#[actix_web::test]
async fn one_command_names_the_address_that_guesses() {
    let (app, ann) = attacked().await;
    let said = run(&app, &["audit", "--failures", "--by", "address"], "").await.ok();
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["address", "events", "accounts", "unknown", "names", "first", "last"]);
    assert_eq!(lines[1][..4], [ATTACKER, "6", "3", "2"], "{}", said.out);
    assert_eq!(lines[2][..4], [CLUMSY, "1", "1", "0"], "{}", said.out);

    // From there to what it tried.
    let by_user = audit(&app, &["--failures", "--address", ATTACKER, "--by", "user"]).await;
    let of_ann = by_user.as_array().unwrap().iter().find(|group| group["user"] == ann.id.as_str());
    assert_eq!(of_ann.unwrap()["events"], 2, "{by_user}");
    let said = run(&app, &["audit", "--failures", "--by", "user"], "").await.ok();
    assert!(said.out.lines().any(|line| line.starts_with("ann ")), "{}", said.out);
    let by_reason = audit(&app, &["--failures", "--by", "reason"]).await;
    let reasons: Vec<_> = by_reason.as_array().unwrap().iter().map(|group| &group["reason"]).collect();
    assert_eq!(reasons, ["wrong_password", "unknown_user"]);
    let by_action = audit(&app, &["--by", "action"]).await;
    assert_eq!(by_action[0]["action"], "sign_in_failed");
    assert_eq!(audit(&app, &["--by", "action", "--action", "registered"]).await[0]["events"], 3);
}

#[actix_web::test]
async fn events_are_listed_by_user_action_outcome_address_and_time() {
    let (app, ann) = attacked().await;
    let guess = format!("sign_in_failed wrong_password {ATTACKER}");
    assert_eq!(told(&audit(&app, &["--user", "ann"]).await), [&*guess, "registered - 127.0.0.1"]);
    assert_eq!(audit(&app, &["--user", &ann.id]).await.as_array().unwrap().len(), 2);
    let registered = audit(&app, &["--action", "registered"]).await;
    assert_eq!(told(&registered), ["registered - 127.0.0.1"; 3]);
    assert_eq!(registered, audit(&app, &["--outcome", "succeeded"]).await);
    assert_eq!(audit(&app, &["--outcome", "refused"]).await, json!([]));
    let failed = audit(&app, &["--outcome", "failed"]).await;
    assert_eq!(failed, audit(&app, &["--failures"]).await);
    assert_eq!(failed.as_array().unwrap().len(), 6);
    let from_attacker = audit(&app, &["--address", ATTACKER]).await;
    assert_eq!(from_attacker.as_array().unwrap().len(), 5);
    assert!(from_attacker.as_array().unwrap().iter().any(|event| event["count"] == 2), "{from_attacker}");
    assert_eq!(audit(&app, &["--since", "1h"]).await.as_array().unwrap().len(), 9);
    assert_eq!(audit(&app, &["--until", "1h"]).await, json!([]));
    assert_eq!(audit(&app, &["--since", "2100-01-01"]).await, json!([]));
    let said = run(&app, &["audit", "--limit", "2"], "").await.ok();
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    assert!(said.err.contains("There are more"), "{}", said.err);
    let said = run(&app, &["audit", "--user", "ann"], "").await.ok();
    let line = said.out.lines().nth(1).unwrap();
    let words = ["UTC", "sign_in_failed", "failed", "wrong_password", "2x", "ann", ATTACKER];
    assert!(words.iter().all(|word| line.contains(word)), "{line}");

    for wrong in [
        &["--since", "yesterday"][..],
        &["--outcome", "maybe"],
        &["--failures", "--outcome", "failed"],
        &["--follow", "--by", "address"],
        &["--address", "nowhere"],
        &["--action", "nonsense"],
        &["--action", ""],
        &["--since", "1h", "--until", "2h"],
    ] {
        assert_eq!(run(&app, &[&["audit"], wrong].concat(), "").await.code, Some(2), "{wrong:?}");
    }
    assert_eq!(run(&app, &["audit", "--user", "zoe"], "").await.code, Some(1));
    let said = run(&app, &["audit", "--by", "address", "--limit", "1"], "").await.ok();
    assert!(said.out.lines().count() == 2 && said.err.contains("There are more"), "{}{}", said.out, said.err);
}

#[actix_web::test]
async fn a_follower_sees_a_failure_when_it_happens() {
    let (app, _) = attacked().await;
    let data = data_dir(&app);
    let mut command = Settings::on(&data).command();
    command.arg("--data-dir").arg(&data).args(["audit", "--failures", "--follow", "--json", "--limit", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, mut lines) = tokio::time::timeout(
        PATIENCE,
        spawn_blocking(move || {
            let first = lines.next().unwrap().unwrap();
            (first, lines)
        }),
    )
    .await
    .unwrap()
    .unwrap();
    assert!(first.contains("sign_in_failed"), "{first}");
    guess_from(&app, "192.0.2.99", "cid").await;
    written(&app, 8).await;
    let next = spawn_blocking(move || lines.next().unwrap().unwrap());
    let next = tokio::time::timeout(PATIENCE, next).await;
    let _ = child.kill();
    let _ = child.wait();
    let event: Value = serde_json::from_str(&next.unwrap().unwrap()).unwrap();
    assert_eq!((&event["ip"], &event["reason"]), (&json!("192.0.2.99"), &json!("wrong_password")));
}

#[actix_web::test]
async fn the_server_api_filters_the_trail_and_shows_outcomes() {
    let (app, ann) = attacked().await;
    let reader = key(&app, &["--scope", "audit:read"]).await;
    let list = async |query: &str| app.get(&format!("/api/admin/audit?{query}"), &reader).await;
    let failed = list(&format!("outcome=failed&address={ATTACKER}&action=sign_in_failed")).await.expect(200);
    let events = &failed.body["events"];
    assert_eq!(events.as_array().unwrap().len(), 5, "{}", failed.text);
    for event in events.as_array().unwrap() {
        assert_eq!((&event["outcome"], &event["ip"]), (&json!("failed"), &json!(ATTACKER)), "{event}");
        assert!(["wrong_password", "unknown_user"].contains(&event["reason"].as_str().unwrap()), "{event}");
    }
    let of_ann = list(&format!("user={}&outcome=failed", ann.id)).await.expect(200);
    assert_eq!(of_ann.body["events"][0]["count"], 2);
    assert!(of_ann.body["events"][0]["last_at"].is_string(), "{}", of_ann.text);
    // A row that began before `since` has failures after it.
    app.advance(Duration::from_secs(10));
    guess_from(&app, ATTACKER, "ann").await;
    written(&app, 8).await;
    let of_ann = list(&format!("user={}&outcome=failed", ann.id)).await.expect(200);
    let last_at = of_ann.body["events"][0]["last_at"].as_str().unwrap();
    assert!(of_ann.body["events"][0]["at"].as_str().unwrap() < last_at, "{}", of_ann.text);
    let since = list(&format!("user={}&since={last_at}", ann.id)).await.expect(200);
    assert_eq!(since.body["events"], of_ann.body["events"]);
    assert_eq!(list("outcome=refused").await.expect(200).body["events"], json!([]));
    assert_eq!(list("since=2100-01-01T00:00:00Z").await.expect(200).body["events"], json!([]));
    for wrong in ["outcome=maybe", "address=nowhere"] {
        list(wrong).await.assert_problem(400, "bad_query");
    }
    app.advance(Duration::from_secs(1));
    assert_eq!(app.post("/api/login", json!({"login": "cid", "password": PASSWORD})).await.status, 200);
    // The key was made by a command, whose clock runs on.
    let succeeded = list("outcome=succeeded&action=signed_in").await.expect(200);
    assert_eq!(succeeded.body["events"].as_array().unwrap().len(), 1, "{}", succeeded.text);
    assert_eq!(succeeded.body["events"][0]["reason"], Value::Null);
}
