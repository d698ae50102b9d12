//! Users, their logins, and work that runs concurrently.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Result;
use crate::http::{Connection, Request};
use crate::websocket::WebSocket;

pub const PASSWORD: &str = "plum tree in march rain";

/// Concurrent sign-ins: enough to keep the hasher busy, too few to be refused.
const SIGN_INS: usize = 16;

/// Concurrent handshakes.
pub const HANDSHAKES: usize = 64;

/// One login of a user.
#[derive(Clone)]
pub struct Login {
    pub user: usize,
    pub token: Rc<str>,
}

/// The users that are registered at a server, and their logins.
#[derive(Clone)]
pub struct People {
    address: SocketAddr,
    /// Part of the usernames: a running server may have the users of an earlier run.
    run: u128,
    users: usize,
    logins: Vec<Login>,
}

impl People {
    pub fn new(address: SocketAddr) -> Self {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self { address, run, users: 0, logins: Vec::new() }
    }

    pub fn username(&self, user: usize) -> String {
        format!("load-{:x}-{user}", self.run)
    }

    /// Makes sure that there are `logins` logins of `users` users (fewer users, if there are fewer logins). The first logins
    /// have users of their own.
    pub async fn sign_in(&mut self, logins: usize, users: usize) -> Result<&[Login]> {
        let users = users.min(logins).max(self.users);
        let new = users - self.users;
        if new > 0 {
            eprintln!("... registering {new} users");
            self.sign_in_as(self.users..users, "/api/register", 201).await?;
            self.users = users;
        }
        let (have, users) = (self.logins.len(), self.users);
        if logins > have {
            eprintln!("... signing in {} times", logins - have);
            self.sign_in_as((have..logins).map(move |login| login % users), "/api/login", 200).await?;
        }
        Ok(&self.logins[..logins])
    }

    async fn sign_in_as(
        &mut self,
        users: impl Iterator<Item = usize>,
        path: &'static str,
        status: u16,
    ) -> Result<()> {
        let requests: Vec<_> = users
            .map(|user| {
                // `/api/register` reads the one, `/api/login` the other.
                let name = self.username(user);
                let key = if status == 201 { "username" } else { "login" };
                (user, json!({key: name, "password": PASSWORD}))
            })
            .collect();
        let address = self.address;
        let mut logins = side_by_side(SIGN_INS, requests, async move |(user, body): (usize, Value)| {
            let request = Request::new("POST", path, None, Some(&body));
            let mut connection = Connection::open(address).await?;
            let reply = loop {
                let reply = connection.send(&request).await?;
                if reply.status != 503 {
                    break reply.expect(status)?.json()?;
                }
                sleep(Duration::from_millis(50)).await;
            };
            let token = reply["access_token"].as_str().ok_or("no access token")?;
            Ok(Login { user, token: token.into() })
        })
        .await?;
        self.logins.append(&mut logins);
        Ok(())
    }
}

/// Opens a socket for each login, in their order; returns how long that took altogether.
pub async fn open_sockets(address: SocketAddr, logins: &[Login]) -> Result<(Vec<WebSocket>, Duration)> {
    let tokens: Vec<_> = logins.iter().map(|login| Rc::clone(&login.token)).collect();
    let started = Instant::now();
    let sockets = side_by_side(HANDSHAKES, tokens, async move |token: Rc<str>| {
        WebSocket::open(address, Some(&token), None).await
    })
    .await?;
    Ok((sockets, started.elapsed()))
}

/// Does `work` for each input, `width` at a time. The outputs are in the order of the inputs.
pub async fn side_by_side<I: 'static, O: 'static>(
    width: usize,
    inputs: Vec<I>,
    work: impl AsyncFn(I) -> Result<O> + 'static,
) -> Result<Vec<O>> {
    let inputs = Rc::new(RefCell::new(inputs.into_iter().enumerate()));
    let outputs = Rc::new(RefCell::new(BTreeMap::new()));
    let failed = Rc::new(Cell::new(false));
    let work = Rc::new(work);
    let mut workers = JoinSet::<Result<()>>::new();
    for _ in 0..width {
        let (inputs, outputs) = (Rc::clone(&inputs), Rc::clone(&outputs));
        let (failed, work) = (Rc::clone(&failed), Rc::clone(&work));
        workers.spawn_local(async move {
            loop {
                let next = inputs.borrow_mut().next();
                let Some((index, input)) = next.filter(|_| !failed.get()) else { return Ok(()) };
                let output = work(input).await.inspect_err(|_| failed.set(true))?;
                outputs.borrow_mut().insert(index, output);
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(outputs.take().into_values().collect())
}
