//! Users and their logins, as the tool knows them.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Result;
use crate::dice::Dice;
use crate::http::{Connection, Request};
use crate::people::{PASSWORD, People, side_by_side};

/// Concurrent registrations.
const SIGN_INS: usize = 8;

/// Whether a login's sockets have to close.
#[derive(Clone, Copy)]
pub enum State {
    Active,
    /// A request that revokes it is on its way, perhaps to a node that stops, and then to another one.
    Revoking,
    /// By a request that was sent then.
    Revoked(Instant),
    /// It was made while all of the user's logins were revoked: it may have been one of them.
    Uncertain,
}

pub struct Login {
    pub token: RefCell<Rc<str>>,
    pub refresh: RefCell<String>,
    pub refreshed: Cell<Instant>,
    state: Cell<State>,
    /// There are no tokens yet.
    is_opening: Cell<bool>,
}

impl Login {
    pub fn new(reply: &Value) -> Result<Rc<Self>> {
        let login = Self::of_connection();
        login.take_tokens(reply)?;
        login.is_opening.set(false);
        Ok(login)
    }

    /// A login that a password over TCP makes; it lasts as long as its connection.
    fn of_connection() -> Rc<Self> {
        Rc::new(Self {
            token: RefCell::new("".into()),
            refresh: RefCell::default(),
            refreshed: Cell::new(Instant::now()),
            state: Cell::new(State::Active),
            is_opening: Cell::new(true),
        })
    }

    pub fn take_tokens(&self, reply: &Value) -> Result<()> {
        *self.token.borrow_mut() = reply["access_token"].as_str().ok_or("no access token")?.into();
        let refresh = reply["refresh_token"].as_str().ok_or("no refresh token")?;
        self.refresh.replace(refresh.to_owned());
        self.refreshed.set(Instant::now());
        Ok(())
    }

    pub fn state(&self) -> State {
        self.state.get()
    }

    /// It is signed in.
    pub fn has_opened(&self) {
        self.is_opening.set(false);
    }

    fn revoke(&self) {
        if matches!(self.state.get(), State::Active) {
            self.state.set(if self.is_opening.get() { State::Uncertain } else { State::Revoking });
        }
    }

    fn was_revoked(&self, at: Option<Instant>) {
        if matches!(self.state.get(), State::Revoking) {
            self.state.set(at.map_or(State::Uncertain, State::Revoked));
        }
    }
}

pub struct User {
    pub name: String,
    pub id: String,
    pub password: Cell<&'static str>,
    pub logins: RefCell<Vec<Rc<Login>>>,
    connections: RefCell<Vec<Weak<Login>>>,
    /// All logins are being revoked: one that is made meanwhile may be among them.
    is_revoking: Cell<bool>,
    revoking: RefCell<Vec<Rc<Login>>>,
}

/// Registers users, each with a login.
pub async fn register(node: SocketAddr, number: usize) -> Result<Vec<User>> {
    let people = People::new(node);
    let names = (0..number).map(|user| people.username(user)).collect();
    side_by_side(SIGN_INS, names, async move |name: String| {
        let body = json!({"username": name, "password": PASSWORD});
        let request = Request::new("POST", "/api/register", None, Some(&body));
        let reply = Connection::open(node).await?.send(&request).await?.expect(201)?.json()?;
        let id = reply["user"]["id"].as_str().ok_or("no id of a user")?.to_owned();
        let logins = RefCell::new(vec![Login::new(&reply)?]);
        Ok(User {
            name,
            id,
            password: Cell::new(PASSWORD),
            logins,
            connections: RefCell::default(),
            is_revoking: Cell::new(false),
            revoking: RefCell::default(),
        })
    })
    .await
}

impl User {
    /// One of the logins.
    pub fn login(&self, dice: &mut Dice) -> Option<Rc<Login>> {
        let logins = self.logins.borrow();
        (!logins.is_empty()).then(|| Rc::clone(&logins[dice.roll(logins.len())]))
    }

    /// A login to be made with the password over TCP.
    pub fn connection(&self) -> (Rc<Login>, &'static str) {
        let login = Login::of_connection();
        if self.is_revoking.get() {
            login.revoke();
        }
        let mut connections = self.connections.borrow_mut();
        connections.retain(|login| login.strong_count() > 0);
        connections.push(Rc::downgrade(&login));
        (login, self.password.get())
    }

    /// Notes that a login is being revoked.
    pub fn revoke(&self, login: &Rc<Login>) {
        login.revoke();
        self.logins.borrow_mut().retain(|other| !Rc::ptr_eq(other, login));
        self.revoking.borrow_mut().push(Rc::clone(login));
    }

    /// Notes that all logins are being revoked, except one, and those that are made until that is done.
    pub fn revoke_all_but(&self, spared: Option<&Rc<Login>>) {
        self.is_revoking.set(true);
        let is_spared = |login: &Rc<Login>| spared.is_some_and(|spared| Rc::ptr_eq(login, spared));
        let mut logins: Vec<_> = self.logins.borrow().clone();
        logins.retain(|login| !is_spared(login));
        logins.extend(self.connections.borrow().iter().filter_map(Weak::upgrade));
        for login in &logins {
            self.revoke(login);
        }
    }

    /// Notes that it is done, by a request that was sent then; none if it failed.
    pub fn has_revoked(&self, at: Option<Instant>) {
        self.is_revoking.set(false);
        self.revoking.take().iter().for_each(|login| login.was_revoked(at));
    }
}
