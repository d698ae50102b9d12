//! `SessionManager`: an actor per worker thread that knows the thread's sessions by id and by login.
//! [`Sessions`] speaks to all of them; [`WorkerSessions`] is one thread's own.

mod everywhere;
mod rooms;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, Recipient};
use doorward_core::domain::{LoginId, RevokeReason, SessionId, UserId};
use doorward_core::protocol::CloseReason;
use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::cluster::Relay;
use crate::config;
use crate::directory::{Directory, Revocations};
use crate::rooms::{Rooms, WorkerRooms};

pub use self::everywhere::SessionPage;

/// What a session is told from outside.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub enum ToSession {
    /// End.
    Close(CloseReason),
    /// End: the login was revoked, at this time if it is known.
    Revoked(RevokeReason, Option<Timestamp>),
    /// The user's roles, claims or rights to rooms may have changed: look them up.
    AccessChanged,
}

/// While draining, each worker closes this many sessions every [`DRAIN_PACE`]: ten thousand clients that
/// come back at the same instant would be the next outage.
const DRAIN_BATCH: usize = 100;
const DRAIN_PACE: Duration = Duration::from_millis(10);

/// All live sessions of this process.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    managers: Mutex<Vec<Addr<SessionManager>>>,
    directory: Directory,
    revocations: Arc<Revocations>,
    rooms: Rooms,
    /// The way to the other nodes; none without any.
    relay: Option<Relay>,
    draining: watch::Sender<bool>,
    max_open: usize,
    /// Sessions that are registered, for a drain to wait on.
    registered: watch::Sender<usize>,
}

impl Sessions {
    #[must_use]
    pub fn new(
        limits: &config::Sockets,
        directory: Directory,
        revocations: Arc<Revocations>,
        rooms: Rooms,
        relay: Option<Relay>,
    ) -> Self {
        Self(Arc::new(Shared {
            managers: Mutex::default(),
            directory,
            revocations,
            rooms,
            relay,
            draining: watch::Sender::new(false),
            max_open: limits.max_open,
            registered: watch::Sender::new(0),
        }))
    }

    /// Starts this thread's manager.
    #[must_use]
    pub fn start_worker(&self) -> WorkerSessions {
        let rooms = self.0.rooms.start_worker();
        let manager = SessionManager {
            all: self.clone(),
            rooms: rooms.clone(),
            sessions: HashMap::new(),
            logins: HashMap::new(),
            draining: None,
            stale: Vec::new(),
        }
        .start();
        self.0.managers.lock().unwrap_or_else(PoisonError::into_inner).push(manager.clone());
        WorkerSessions { all: self.clone(), manager, rooms }
    }

    /// Who is connected.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// How many sessions are registered, with those that have not signed in yet.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.0.registered.borrow()
    }

    /// How many there may be.
    #[must_use]
    pub fn most(&self) -> usize {
        self.0.max_open
    }

    /// Closes every session of these logins, which were revoked at this time, if it is known, on every worker.
    pub fn close_logins(&self, ended: Vec<(LoginId, RevokeReason)>, at: Option<Timestamp>) {
        let ended: Arc<[_]> = ended.into();
        self.tell(|| CloseLogins(Arc::clone(&ended), at));
    }

    /// Tells the user's sessions of this node that roles or claims have changed.
    pub fn access_changed(&self, user: UserId) {
        let logins =
            self.0.directory.local_of_user(user).iter().map(|info| info.login).collect::<HashSet<_>>();
        if !logins.is_empty() {
            let logins: Arc<[_]> = logins.into_iter().collect();
            self.tell(|| TellLogins(Arc::clone(&logins)));
        }
    }

    /// The rooms that sessions join.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.0.rooms
    }

    /// Closes every session that has signed in, paced, as long as this process does not know who still is: their
    /// clients are served elsewhere.
    pub fn close_stale(&self) {
        self.tell(|| CloseStale);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// Takes no more sessions and closes those that are there, paced. Ends when all have gone.
    pub async fn drain(&self) {
        self.0.draining.send_replace(true);
        let mut registered = self.0.registered.subscribe();
        self.tell(|| Drain);
        // Fails only if the sender is gone, which `self` holds.
        let _ = registered.wait_for(|count| *count == 0).await;
    }

    fn tell<M>(&self, message: impl Fn() -> M)
    where
        M: Message<Result = ()> + Send + 'static,
        SessionManager: Handler<M>,
    {
        for manager in self.0.managers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            manager.do_send(message());
        }
    }
}

/// The sessions of one worker thread: where that thread's sockets register.
#[derive(Clone)]
pub struct WorkerSessions {
    all: Sessions,
    manager: Addr<SessionManager>,
    rooms: WorkerRooms,
}

impl WorkerSessions {
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.all.is_draining()
    }

    /// Ready when a drain has begun.
    pub async fn draining(&self) {
        // Fails only if the sender is gone, which `self` holds.
        let _ = self.all.0.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Whether the limit of sessions is reached, give or take those that are connecting at this moment.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.all.0.registered.borrow() >= self.all.0.max_open
    }

    /// Who is connected.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        self.all.directory()
    }

    /// The rooms that sessions of this thread have joined.
    #[must_use]
    pub const fn rooms(&self) -> &WorkerRooms {
        &self.rooms
    }

    /// Registers a session; a second time when it signs in.
    pub fn register(&self, id: SessionId, login: Option<LoginId>, session: Recipient<ToSession>) {
        self.manager.do_send(Register { id, login, session });
    }

    pub fn unregister(&self, id: SessionId) {
        self.manager.do_send(Unregister(id));
    }
}

/// Knows one worker thread's sessions.
pub struct SessionManager {
    all: Sessions,
    rooms: WorkerRooms,
    sessions: HashMap<SessionId, Registered>,
    logins: HashMap<LoginId, Vec<SessionId>>,
    draining: Option<Vec<SessionId>>,
    /// Still to be closed, because the database is away.
    stale: Vec<SessionId>,
}

struct Registered {
    login: Option<LoginId>,
    session: Recipient<ToSession>,
    _counted: Counted,
}

/// One of the registered sessions. Counted down when dropped, also with a worker that dies.
struct Counted(Sessions);

impl Counted {
    fn new(all: &Sessions) -> Self {
        all.0.registered.send_modify(|count| *count += 1);
        Self(all.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.registered.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Actor for SessionManager {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Register {
    id: SessionId,
    login: Option<LoginId>,
    session: Recipient<ToSession>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Unregister(SessionId);

#[derive(Message)]
#[rtype(result = "()")]
struct CloseLogins(Arc<[(LoginId, RevokeReason)]>, Option<Timestamp>);

#[derive(Message)]
#[rtype(result = "()")]
struct TellLogins(Arc<[LoginId]>);

#[derive(Message)]
#[rtype(result = "()")]
struct CloseStale;

#[derive(Message)]
#[rtype(result = "()")]
struct Drain;

impl SessionManager {
    fn close_stale(&mut self, context: &mut Context<Self>) {
        if self.all.0.revocations.freshness().is_fresh() {
            self.stale = Vec::new();
            return;
        }
        let batch = self.stale.split_off(self.stale.len().saturating_sub(DRAIN_BATCH));
        for id in batch {
            if let Some(registered) = self.sessions.get(&id) {
                registered.session.do_send(ToSession::Close(CloseReason::Overloaded));
            }
        }
        if !self.stale.is_empty() {
            context.run_later(DRAIN_PACE, Self::close_stale);
        }
    }

    fn forget(&mut self, id: SessionId) {
        let Some(registered) = self.sessions.remove(&id) else { return };
        if let Some(login) = registered.login
            && let Some(sessions) = self.logins.get_mut(&login)
        {
            sessions.retain(|session| *session != id);
            if sessions.is_empty() {
                self.logins.remove(&login);
            }
        }
    }
}

impl Handler<Register> for SessionManager {
    type Result = ();

    fn handle(&mut self, Register { id, login, session }: Register, _: &mut Context<Self>) {
        if let Some(login) = login {
            // A revocation is recorded first and then sent to the managers. So either this lookup finds it, or
            // the message finds the session.
            if let Some(reason) = self.all.0.revocations.get(login) {
                session.do_send(ToSession::Close(reason.into()));
            }
            self.logins.entry(login).or_insert_with(|| Vec::with_capacity(1)).push(id);
        }
        if self.draining.is_some() {
            session.do_send(ToSession::Close(CloseReason::Restarting));
        }
        let registered = Registered { login, session, _counted: Counted::new(&self.all) };
        self.sessions.insert(id, registered);
    }
}

impl Handler<Unregister> for SessionManager {
    type Result = ();

    fn handle(&mut self, Unregister(id): Unregister, _: &mut Context<Self>) {
        self.forget(id);
    }
}

impl Handler<CloseLogins> for SessionManager {
    type Result = ();

    fn handle(&mut self, CloseLogins(ended, at): CloseLogins, _: &mut Context<Self>) {
        for &(login, reason) in ended.iter() {
            // Taken out: to look for each among the others as it ends would take the square of their number.
            for id in self.logins.remove(&login).into_iter().flatten() {
                if let Some(registered) = self.sessions.get(&id) {
                    registered.session.do_send(ToSession::Revoked(reason, at));
                }
            }
        }
    }
}

impl Handler<TellLogins> for SessionManager {
    type Result = ();

    fn handle(&mut self, TellLogins(logins): TellLogins, _: &mut Context<Self>) {
        for id in logins.iter().filter_map(|login| self.logins.get(login)).flatten() {
            if let Some(registered) = self.sessions.get(id) {
                registered.session.do_send(ToSession::AccessChanged);
            }
        }
    }
}

impl Handler<CloseStale> for SessionManager {
    type Result = ();

    fn handle(&mut self, CloseStale: CloseStale, context: &mut Context<Self>) {
        // A pass that is under way goes on.
        if self.stale.is_empty() {
            let signed_in = self.sessions.iter().filter(|(_, registered)| registered.login.is_some());
            self.stale = signed_in.map(|(id, _)| *id).collect();
            self.close_stale(context);
        }
    }
}

impl Handler<Drain> for SessionManager {
    type Result = ();

    fn handle(&mut self, Drain: Drain, context: &mut Context<Self>) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(self.sessions.keys().copied().collect());
        context.run_interval(DRAIN_PACE, |this, _| {
            let Some(left) = &mut this.draining else { return };
            let batch = left.split_off(left.len().saturating_sub(DRAIN_BATCH));
            for id in batch {
                if let Some(registered) = this.sessions.get(&id) {
                    registered.session.do_send(ToSession::Close(CloseReason::Restarting));
                }
            }
        });
    }
}
