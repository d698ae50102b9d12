//! The pages in a real browser. A scenario is a file of `tests/node/browser`; this starts the server, then the scenario, and does
//! what that asks for on its standard output.

use std::process::Stdio;
use std::time::Duration;

use diesel::prelude::*;
use doorward::domain::UserId;
use doorward::schema::users;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::app::{TestApp, spawn_on, spawn_with};
use crate::services::{self, Needs};

const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/browser");

/// A whole scenario, on a machine that is busy.
const LIMIT: Duration = Duration::from_mins(4);

async fn play(scenario: &str, settings: &[(&str, &str)]) {
    play_at("http://doorward.example", scenario, settings).await;
}

async fn play_at(url: &str, scenario: &str, settings: &[(&str, &str)]) {
    let Some(node) = services::command("node", Needs::Apt("nodejs")) else { return };
    let Some(chromium) = services::command("chromium", Needs::Apt("chromium")) else { return };
    if !services::node_modules() {
        return;
    }
    let mut server = Server { app: Some(spawn_with(settings).await), settings, stopped: None };
    let address = server.app().address.to_string();
    let mut child = Command::new(node)
        .arg(format!("{SCENARIOS}/{scenario}.mjs"))
        .env("CHROMIUM", chromium)
        .env("DOORWARD_ADDRESS", &address)
        .env("DOORWARD_URL", url.replace("ADDRESS", &address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut replies = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let outcome = tokio::time::timeout(LIMIT, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            match serde_json::from_str::<Value>(&line) {
                Ok(wish) if wish["do"].is_string() => {
                    let reply = server.grant(&wish).await;
                    replies.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
                }
                _ => said.push(line),
            }
        }
        child.wait().await.unwrap()
    });
    let status = outcome.await;
    assert!(status.is_ok_and(|status| status.success()), "{scenario}:\n{}", said.join("\n"));
}

/// The server as a scenario may handle it.
struct Server<'a> {
    app: Option<TestApp>,
    settings: &'a [(&'a str, &'a str)],
    /// What a stopped one leaves for the next.
    stopped: Option<TestApp>,
}

impl Server<'_> {
    fn app(&self) -> &TestApp {
        self.app.as_ref().expect("the scenario has started it")
    }

    async fn grant(&mut self, wish: &Value) -> Value {
        let text = |name: &str| wish[name].as_str().unwrap_or_default();
        match text("do") {
            // The path of the newest link to a page.
            "mail" => {
                let page = text("page");
                json!({"path": format!("/{page}/{}", self.app().mail.link_token(page).await)})
            }
            "mails" => {
                let count = usize::try_from(wish["count"].as_u64().unwrap()).unwrap();
                json!({"count": self.app().mail.wait_for(count).await.len()})
            }
            "advance" => {
                self.app().advance(Duration::from_secs(wish["seconds"].as_u64().unwrap()));
                json!({})
            }
            "disable" => {
                let user = self.user(text("username"));
                self.app().accounts.set_disabled(user, true).await.unwrap();
                json!({})
            }
            "stop" => {
                let mut app = self.app.take().expect("it runs");
                app.stop().await;
                self.stopped = Some(app);
                json!({})
            }
            // At the same address, with the same data; `revoke` ends a user's logins before anybody is served.
            "start" => {
                let old = self.stopped.take().expect("it was stopped");
                let listen = old.address.to_string();
                let mut settings = self.settings.to_vec();
                settings.push(("http.listen", &listen));
                if let Some(username) = wish["revoke"].as_str() {
                    old.query(|conn| {
                        use doorward::schema::logins;
                        let user = users::table.filter(users::username.eq(username)).select(users::id);
                        let user: String = user.first(conn)?;
                        diesel::update(logins::table.filter(logins::user_id.eq(user)))
                            .set(logins::revoked_at.eq(diesel::dsl::now))
                            .execute(conn)
                    });
                }
                let (data, mail, clock) = (old.data, old.mail, old.clock);
                self.app = Some(spawn_on(&settings, data, mail, clock).await);
                json!({})
            }
            other => panic!("a scenario asks for {other}"),
        }
    }

    fn user(&self, username: &str) -> UserId {
        let id: String = self
            .app()
            .query(|conn| users::table.filter(users::username.eq(username)).select(users::id).first(conn));
        id.parse().unwrap()
    }
}

#[actix_web::test]
async fn one_person_comes_in_changes_everything_and_goes() {
    play("accounts", &[]).await;
}

#[actix_web::test]
async fn what_one_browser_ends_closes_the_others() {
    play("devices", &[]).await;
}

#[actix_web::test]
async fn an_open_dashboard_outlives_its_token_and_a_restart() {
    // Opened under a loopback name, as whoever tries it out does.
    // The clock jumps by minutes: that must not look like as long a silence.
    play_at("http://ADDRESS", "restart", &[("sockets.heartbeat", "10m")]).await;
}

#[actix_web::test]
async fn everything_but_the_live_part_works_without_a_script() {
    play("noscript", &[]).await;
}

#[actix_web::test]
async fn kept_mails_are_read_and_followed() {
    play("kept_mails", &[("mail.url", "preview")]).await;
}

#[actix_web::test]
async fn every_page_can_be_used_by_everybody() {
    play("looks", &[]).await;
}

#[actix_web::test]
async fn the_client_keeps_its_promises() {
    play("client", &[]).await;
}

#[test]
fn the_scripts_types_hold() {
    if !services::node_modules() {
        return;
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let output = std::process::Command::new(format!("{root}/tests/node/node_modules/.bin/tsc"))
        .args(["--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "es2022"])
        .args(["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"])
        .args(
            ["dashboard.js", "doorward.js", "forms.js"].map(|name| format!("{root}/src/pages/static/{name}")),
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
