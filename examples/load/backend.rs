//! `backend`: what an application's backend asks with an API key.

use std::fmt::Write as _;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{Report, rate, us_each};
use crate::http::{Connection, Request};
use crate::people::People;
use crate::server::Server;
use crate::{Result, Target};

const CONNECTIONS: usize = 32;

/// Searches for what few of the users have in their names: each reads all of them.
const SEARCHES: usize = 50;

/// Of a password that no request uses.
const HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

pub async fn run(
    server: &Server,
    target: &Target,
    people: &mut People,
    (number, seconds): (usize, u64),
    report: &mut Report,
) -> Result<()> {
    import(server, target, number)?;
    let key = server.operate(
        target,
        &[],
        &["api-key", "create", "--name", "load", "--scope", "users:read", "--scope", "tokens:introspect"],
    )?;
    let key = key.trim();
    for limit in [100, 500] {
        report.section(format!("backend: GET /api/admin/users, all {number} users in pages of {limit}"));
        pages(server, key, limit, report).await?;
    }
    report.section(format!("backend: GET /api/admin/users?search=, among {number} users"));
    searches(server, key, report).await?;
    report.section(format!("backend: POST /api/introspect over {CONNECTIONS} connections"));
    introspections(server, key, people, Duration::from_secs(seconds), report).await
}

fn import(server: &Server, target: &Target, number: usize) -> Result<()> {
    eprintln!("... importing {number} users");
    let mut lines = String::new();
    for user in 0..number {
        let email = format!("person{user:06}@example.org");
        let fields = json!({"username": format!("person{user:06}"), "email": email, "hash": HASH});
        writeln!(lines, "{fields}")?;
    }
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile()?;
    fs::write(file.path(), lines)?;
    let path = file.path().to_str().ok_or("a temporary file has a name in UTF-8")?;
    server.operate(target, &[], &["import", path]).map(drop)
}

/// Reads all users, one page after the other.
async fn pages(server: &Server, key: &str, limit: usize, report: &mut Report) -> Result<()> {
    let mut connection = Connection::open(server.address()).await?;
    let (before, started) = (server.cpu(), Instant::now());
    let (mut count, mut after) = (0, String::new());
    loop {
        let path = format!("/api/admin/users?limit={limit}&after={after}");
        let page = connection.send(&Request::get(&path, Some(key))).await?.expect(200)?.json()?;
        count += 1;
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    let cpu = server.cpu_since(before);
    report.row("pages", rate(count, started.elapsed()), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, count),
        "us each",
    );
    Ok(())
}

async fn searches(server: &Server, key: &str, report: &mut Report) -> Result<()> {
    let mut connection = Connection::open(server.address()).await?;
    let (before, started) = (server.cpu(), Instant::now());
    for number in 0..SEARCHES {
        let path = format!("/api/admin/users?search={number:02}99@");
        connection.send(&Request::get(&path, Some(key))).await?.expect(200)?;
    }
    let cpu = server.cpu_since(before);
    report.row("searches", rate(SEARCHES, started.elapsed()), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, SEARCHES),
        "us each",
    );
    Ok(())
}

async fn introspections(
    server: &Server,
    key: &str,
    people: &mut People,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    let logins = people.sign_in(CONNECTIONS, CONNECTIONS).await?;
    let key: Rc<str> = key.into();
    let (before, started) = (server.cpu(), Instant::now());
    let mut tasks = JoinSet::<Result<usize>>::new();
    for login in logins {
        let mut connection = Connection::open(server.address()).await?;
        let (key, token) = (Rc::clone(&key), Rc::clone(&login.token));
        tasks.spawn_local(async move {
            let request =
                Request::new("POST", "/api/introspect", Some(&key), Some(&json!({"token": &*token})));
            let mut count = 0;
            while started.elapsed() < duration {
                let answer = connection.send(&request).await?.expect(200)?.json()?;
                if answer["active"] != true {
                    return Err("a token is not active".into());
                }
                count += 1;
            }
            Ok(count)
        });
    }
    let mut count = 0;
    while let Some(task) = tasks.join_next().await {
        count += task??;
    }
    let cpu = server.cpu_since(before);
    report.row("introspections", rate(count, started.elapsed()), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, count),
        "us each",
    );
    Ok(())
}
