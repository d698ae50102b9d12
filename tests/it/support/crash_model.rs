//! What a client knows of its accounts when the server may be killed at any moment: what was acknowledged, and what
//! may or may not have happened. The checks hold a server that was started again to both.

use std::cell::RefCell;

use actix_web::http::Method;
use proptest::test_runner::TestRng;
use rand::RngExt;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, claims};
use crate::support::crash_server::Server;

/// What the emails of a registration and of a new password contain.
const LINK: &str = "/verify-email/";
const NOTICE: &str = "/forgot-password";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// It was acknowledged that the login is revoked.
    Ended,
    /// It was asked for, and there was no answer.
    Unknown,
    /// It is revoked if the new password is in force.
    EndsWithPassword,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    /// Or there is none.
    Claimed,
    Verified,
    /// A link was followed, and there was no answer.
    Unknown,
}

impl Address {
    fn known(verified: bool) -> Self {
        if verified { Self::Verified } else { Self::Claimed }
    }
}

#[derive(Debug)]
struct Device {
    access: String,
    refresh: String,
    /// The refresh token before, which was changed for this one.
    used: Option<String>,
    state: State,
}

impl Device {
    fn new(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().expect("a token").to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), used: None, state: State::Live }
    }

    fn rotate(&mut self, answer: &Value) {
        let next = Self::new(answer);
        self.used = Some(std::mem::replace(&mut self.refresh, next.refresh));
        self.access = next.access;
    }
}

#[derive(Debug)]
pub struct Account {
    name: String,
    pub email: Option<String>,
    /// It was acknowledged that there is one.
    registered: bool,
    password: String,
    /// Of a change that was not answered.
    wanted: Option<String>,
    retired: Vec<String>,
    devices: Vec<Device>,
    address: Address,
    /// Emails about a change that was acknowledged, or found to have happened.
    notices: usize,
    /// An email that was not sent yet may have been cancelled by a change.
    may_lack_link: bool,
}

impl Account {
    /// Registers one, with an address or without.
    pub async fn register(server: &Server<'_>, name: String, with_email: bool) -> (Self, bool) {
        let email = with_email.then(|| format!("{name}@example.org"));
        let mut account = Self {
            name,
            email,
            registered: false,
            password: PASSWORD.to_owned(),
            wanted: None,
            retired: Vec::new(),
            devices: Vec::new(),
            address: Address::Claimed,
            notices: 0,
            may_lack_link: false,
        };
        let answer = server.post("/api/register", account.registration()).await;
        let answered = answer.is_some();
        if let Some((status, body)) = answer {
            assert_eq!(status, 201, "{body}");
            account.registered = true;
            account.devices.push(Device::new(&body));
        }
        (account, answered)
    }

    fn registration(&self) -> Value {
        let mut body = json!({"username": self.name, "password": self.password});
        if let Some(email) = &self.email {
            body["email"] = json!(email);
        }
        body
    }

    /// Does one thing. None if it was not answered.
    pub async fn act(&mut self, server: &Server<'_>, rng: &RefCell<TestRng>) -> Option<()> {
        let live: Vec<usize> =
            (0..self.devices.len()).filter(|at| self.devices[*at].state == State::Live).collect();
        let pick = |below: usize| rng.borrow_mut().random_range(0..below);
        if live.is_empty() {
            return self.sign_in(server).await;
        }
        let at = live[pick(live.len())];
        match pick(8) {
            _ if self.email.is_some() && self.address == Address::Claimed && pick(2) == 0 => {
                self.verify(server, at).await
            }
            0 | 1 if live.len() < 4 => self.sign_in(server).await,
            2 => self.change_password(server, at).await,
            3 if live.len() > 1 => self.sign_out(server, at).await,
            4 if live.len() > 1 => {
                let by = live[(live.iter().position(|live| *live == at)? + 1) % live.len()];
                self.end(server, by, at).await
            }
            _ => self.refresh(server, at).await,
        }
    }

    async fn sign_in(&mut self, server: &Server<'_>) -> Option<()> {
        let body = json!({"login": self.name, "password": self.password});
        let (status, body) = server.post("/api/login", body).await?;
        assert_eq!(status, 200, "{body}");
        self.devices.push(Device::new(&body));
        Some(())
    }

    async fn refresh(&mut self, server: &Server<'_>, at: usize) -> Option<()> {
        let device = &mut self.devices[at];
        let (status, body) = server.post("/api/refresh", json!({"refresh_token": device.refresh})).await?;
        assert_eq!(status, 200, "{body}");
        device.rotate(&body);
        Some(())
    }

    /// Once an account: each change sends an email.
    async fn change_password(&mut self, server: &Server<'_>, at: usize) -> Option<()> {
        if !self.retired.is_empty() {
            return self.refresh(server, at).await;
        }
        let chosen = format!("{PASSWORD} and {}", self.name.len() + 77);
        let body = json!({"current_password": self.password, "new_password": chosen});
        self.wanted = Some(chosen);
        // The links that were requested are invalidated with the other logins.
        self.may_lack_link = true;
        let others = |devices: &mut Vec<Device>, state| {
            for (other, device) in devices.iter_mut().enumerate() {
                if other != at && device.state == State::Live {
                    device.state = state;
                }
            }
        };
        let access = self.devices[at].access.clone();
        let Some((status, body)) = server.ask(Method::POST, "/api/me/password", &access, body).await else {
            others(&mut self.devices, State::EndsWithPassword);
            return None;
        };
        assert_eq!(status, 204, "{body}");
        others(&mut self.devices, State::Ended);
        self.password_is_changed();
        Some(())
    }

    fn password_is_changed(&mut self) {
        let chosen = self.wanted.take().expect("one was chosen");
        self.retired.push(std::mem::replace(&mut self.password, chosen));
        self.notices += usize::from(self.address == Address::Verified);
    }

    /// Follows the link in the email, if it has arrived.
    async fn verify(&mut self, server: &Server<'_>, at: usize) -> Option<()> {
        let email = self.email.as_ref()?;
        let caught = server.mail.caught();
        let Some(link) = caught.iter().find(|mail| mail.to.contains(email) && mail.text.contains(LINK))
        else {
            return self.refresh(server, at).await;
        };
        self.address = Address::Unknown;
        let body = json!({"token": link.token("verify-email")});
        let (status, body) = server.post("/api/verify-email", body).await?;
        // Spoiled by a change of the password.
        assert!(status == 204 || status == 400 && self.may_lack_link, "{status}: {body}");
        self.address = Address::known(status == 204);
        Some(())
    }

    async fn sign_out(&mut self, server: &Server<'_>, at: usize) -> Option<()> {
        self.devices[at].state = State::Unknown;
        let access = &self.devices[at].access;
        let (status, body) = server.ask(Method::POST, "/api/logout", access, Value::Null).await?;
        assert_eq!(status, 204, "{body}");
        self.devices[at].state = State::Ended;
        Some(())
    }

    /// One device revokes the login of another.
    async fn end(&mut self, server: &Server<'_>, by: usize, at: usize) -> Option<()> {
        self.devices[at].state = State::Unknown;
        let login = claims(&self.devices[at].access)["sid"].as_str().expect("a login").to_owned();
        let path = format!("/api/logins/{login}");
        let (status, body) = server.ask(Method::DELETE, &path, &self.devices[by].access, Value::Null).await?;
        assert_eq!(status, 204, "{body}");
        self.devices[at].state = State::Ended;
        Some(())
    }

    /// Emails that must arrive: what each contains, and how many at least.
    pub fn mails(&self) -> [(&'static str, usize); 2] {
        let link = self.registered && self.email.is_some() && !self.may_lack_link;
        [(LINK, usize::from(link)), (NOTICE, self.notices)]
    }

    /// Holds a server that was started again to what is known. Afterwards nothing is unknown.
    pub async fn check(&mut self, server: &Server<'_>, rng: &RefCell<TestRng>) {
        if !self.registered {
            self.check_registration(server).await;
        }
        self.check_address(server).await;
        self.check_password(server).await;
        for at in 0..self.devices.len() {
            let reuse = rng.borrow_mut().random_bool(0.5);
            check_device(&mut self.devices[at], server, reuse).await;
        }
        self.check_briefly(server).await;
    }

    /// What must still hold long after.
    pub async fn check_briefly(&mut self, server: &Server<'_>) {
        let (status, body) = server.login(&self.name, &self.password).await;
        assert_eq!(status, 200, "{self:?}: {body}");
        self.devices.push(Device::new(&body));
        for device in self.devices.iter().filter(|device| device.state == State::Ended) {
            assert_eq!(server.refresh(&device.refresh).await.0, 401, "an ended login is back: {self:?}");
        }
    }

    /// There is an account, or there is nothing of it.
    async fn check_registration(&mut self, server: &Server<'_>) {
        let (status, body) = server.login(&self.name, &self.password).await;
        let (status, body) = match status {
            200 => (201, body),
            401 => server.status(Method::POST, "/api/register", "", self.registration()).await,
            _ => (status, body),
        };
        assert_eq!(status, 201, "half an account: {self:?}: {body}");
        self.registered = true;
        self.devices.push(Device::new(&body));
    }

    /// An address that was verified stays so.
    async fn check_address(&mut self, server: &Server<'_>) {
        let Some(email) = self.email.as_ref().filter(|_| self.address != Address::Claimed) else { return };
        // Only a verified one is good to sign in with.
        let mut status = server.login(email, &self.password).await.0;
        if let (401, Some(wanted)) = (status, &self.wanted) {
            status = server.login(email, wanted).await.0;
        }
        let may_fail = self.address == Address::Unknown;
        assert!(status == 200 || may_fail && status == 401, "{status}: {self:?}");
        self.address = Address::known(status == 200);
    }

    /// One password works, and it is the acknowledged one.
    async fn check_password(&mut self, server: &Server<'_>) {
        for retired in &self.retired {
            assert_eq!(server.login(&self.name, retired).await.0, 401, "an old password is back: {self:?}");
        }
        let Some(wanted) = &self.wanted else { return };
        let (new, old) =
            (server.login(&self.name, wanted).await.0, server.login(&self.name, &self.password).await.0);
        assert!(matches!((new, old), (200, 401) | (401, 200)), "{new} {old}: {self:?}");
        let ended = if new == 200 { State::Ended } else { State::Live };
        for device in self.devices.iter_mut().filter(|device| device.state == State::EndsWithPassword) {
            device.state = ended;
        }
        if new == 200 {
            self.password_is_changed();
        } else {
            self.wanted = None;
        }
    }
}

async fn check_device(device: &mut Device, server: &Server<'_>, reuse: bool) {
    let is_in = server.lets_in(&device.access).await;
    let (status, body) = server.refresh(&device.refresh).await;
    match device.state {
        State::Live => {
            assert!(is_in, "a live login has ended: {device:?}");
            // Whether the successor was given out or not, the token yields it.
            assert_eq!(status, 200, "the newest refresh token is refused: {device:?}: {body}");
        }
        State::Ended => {
            assert!(!is_in, "an access token of an ended login is good: {device:?}");
            assert_eq!(status, 401, "a refresh token of an ended login is good: {device:?}");
            return;
        }
        State::Unknown => {
            assert_eq!(is_in, status == 200, "half an end: {device:?}: {body}");
            device.state = if is_in { State::Live } else { State::Ended };
            if !is_in {
                return;
            }
        }
        State::EndsWithPassword => unreachable!("the password is known by now"),
    }
    let older = device.used.clone();
    device.rotate(&body);
    if let Some(older) = older.filter(|_| reuse) {
        // Its successor was used, so two clients have it: the login is revoked.
        assert_eq!(server.refresh(&older).await.0, 401, "a used refresh token is good: {device:?}");
        assert!(!server.lets_in(&device.access).await, "a reused login lives on: {device:?}");
        assert_eq!(server.refresh(&device.refresh).await.0, 401, "a reused login lives on: {device:?}");
        device.state = State::Ended;
    }
}
