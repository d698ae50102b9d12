//! Scenarios: scripts that drive real clients. This starts the server, then the script, and does what the script
//! asks for on its standard output.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use diesel::prelude::*;
use doorward::Additions;
use doorward::internals::accounts::{Expected, RightsChange, UserChange};
use doorward::internals::schema::{logins, users};
use doorward_core::domain::{Roles, RolesChange, UserId};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::support::app::{TestApp, spawn_again, spawn_embedded};
use crate::support::callers::operator;
use crate::support::commands::run;
use crate::support::programs::{self, Needs};

/// A whole scenario, on a machine that is busy.
const LIMIT: Duration = Duration::from_mins(4);

/// A script of `tests/node` that needs one of the modules there.
pub fn node(script: &str, module: &str) -> Option<Command> {
    let node = programs::command("node", Needs::Apt("nodejs"))?;
    let mut command = Command::new(node);
    command.arg(format!("{}/tests/node/{script}", env!("CARGO_MANIFEST_DIR")));
    programs::node_module(module).then_some(command)
}

/// A script of `tests/python` that needs these statements to go well.
pub fn python(script: &str, statements: &str, needs: Needs) -> Option<Command> {
    let python = programs::python(statements, needs)?;
    let mut command = Command::new(python);
    // Without files of its own beside the sources.
    command.arg("-B").arg(format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR")));
    Some(command)
}

/// The server as a scenario may handle it.
pub struct Stage<'a> {
    app: Option<TestApp>,
    settings: &'a [(&'a str, &'a str)],
    additions: Additions,
    stopped: Option<Stopped>,
    /// Further nodes on the same database, which stay.
    others: Vec<TestApp>,
}

/// What a stopped server leaves for the next.
struct Stopped {
    app: TestApp,
    /// Holds its address, or another test might be given it.
    _address: Socket,
}

impl<'a> Stage<'a> {
    pub async fn open(settings: &'a [(&'a str, &'a str)]) -> Self {
        Self::open_embedded(settings, Additions::default()).await
    }

    /// With additions of an embedding application.
    pub async fn open_embedded(settings: &'a [(&'a str, &'a str)], additions: Additions) -> Self {
        let app = spawn_embedded(settings, additions.clone()).await;
        Self { app: Some(app), settings, additions, stopped: None, others: Vec::new() }
    }

    /// Nodes that run already. The script's wishes are for the first one.
    pub fn of_nodes(first: TestApp, others: Vec<TestApp>) -> Self {
        let additions = Additions::default();
        Self { app: Some(first), settings: &[], additions, stopped: None, others }
    }

    pub fn address(&self) -> String {
        self.app().address.to_string()
    }

    /// Runs a script to its end, which must be a success.
    pub async fn play(&mut self, mut script: Command) {
        let mut child = script
            .env("DOORWARD_ADDRESS", self.address())
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
                        let reply = self.grant(&wish).await;
                        replies.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
                    }
                    _ => said.push(line),
                }
            }
            child.wait().await.unwrap()
        });
        let status = outcome.await;
        let script: Vec<_> = script.as_std().get_args().collect();
        assert!(status.is_ok_and(|status| status.success()), "{script:?}:\n{}", said.join("\n"));
    }

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
                let seconds = Duration::from_secs(wish["seconds"].as_u64().unwrap());
                for app in self.app.iter().chain(&self.others) {
                    app.advance(seconds);
                }
                json!({})
            }
            // How many sessions each node has.
            "spread" => {
                let all = self.app.iter().chain(&self.others);
                let counts = all.map(|app| app.sessions.count()).collect::<Vec<_>>();
                json!({ "counts": counts })
            }
            "disable" => {
                let user = self.user(text("username"));
                self.app().accounts.set_disabled(user, true, &operator()).await.unwrap();
                json!({})
            }
            "roles" => {
                self.set_roles(text("username"), text("roles")).await;
                json!({})
            }
            "key" => {
                let mut arguments = vec!["api-key", "create", "--name", "scenario"];
                arguments.extend(text("scopes").split(' ').flat_map(|scope| ["--scope", scope]));
                json!({"key": run(self.app(), &arguments, "").await.ok().out.trim()})
            }
            "revoke_key" => {
                run(self.app(), &["api-key", "revoke", text("id")], "").await.ok();
                json!({})
            }
            "stop" => {
                let mut app = self.app.take().expect("it runs");
                app.stop().await;
                let address = hold(app.address);
                self.stopped = Some(Stopped { app, _address: address });
                json!({})
            }
            "start" => {
                self.start(wish["revoke"].as_str(), wish["lose_events"] == true).await;
                json!({})
            }
            other => panic!("a scenario asks for {other}"),
        }
    }

    /// At the same address, with the same data; `revoke` revokes a user's logins before the first request is served.
    /// `lose_events` leaves no event, as an older backup does.
    async fn start(&mut self, revoke: Option<&str>, lose_events: bool) {
        let Stopped { app: old, _address } = self.stopped.take().expect("it was stopped");
        let listen = old.address.to_string();
        let mut settings = self.settings.to_vec();
        settings.push(("http.listen", &listen));
        if let Some(username) = revoke {
            old.query(|conn| {
                let user = users::table.filter(users::username.eq(username)).select(users::id);
                let user: String = user.first(conn)?;
                diesel::update(logins::table.filter(logins::user_id.eq(user)))
                    .set(logins::revoked_at.eq(diesel::dsl::now))
                    .execute(conn)
            });
        }
        if lose_events {
            old.query(|conn| diesel::sql_query("DELETE FROM events").execute(conn));
        }
        let (data, mail, clock) = (old.data, old.mail, old.clock);
        self.app = Some(spawn_again(&settings, data, mail, clock, self.additions.clone()).await);
    }

    async fn set_roles(&self, username: &str, roles: &str) {
        let names: Vec<_> = roles.split_whitespace().collect();
        let roles = Some(RolesChange::Replace(Roles::parse(&names).unwrap()));
        let change = UserChange { rights: RightsChange { roles, claims: None }, ..UserChange::default() };
        let user = self.user(username);
        self.app().accounts.change_user(user, change, Expected::Any, &operator()).await.unwrap();
    }

    fn user(&self, username: &str) -> UserId {
        let id: String = self
            .app()
            .query(|conn| users::table.filter(users::username.eq(username)).select(users::id).first(conn));
        id.parse().unwrap()
    }
}

/// Bound but not listening: a client that connects is refused, and the next server may bind it as well.
pub fn hold(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}
