//! What a handler knows, and what it can send on its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use bytestring::ByteString;
use serde::Serialize;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::publisher::{Publish, Publisher, RoomPost, json};
use super::room_rights::{ChangeRights, RoomRights};
use super::{Error, Events, NamespaceId, Payload};
use crate::directory::Directory;
use crate::directory::access_changes::LiveRights;
use doorward_core::domain::{Access, Claims, Rights, Roles, SessionId};
use doorward_core::protocol::SessionInfo;
use doorward_core::rooms::Author;

/// Commands that may wait for their session to look at them.
const WAITING: usize = 10_000;

/// Who asks, and a way to send more than the answer. A clone may outlive the handler, on any thread.
#[derive(Clone)]
pub struct Context {
    pub(crate) session: SessionId,
    pub(crate) transport: &'static str,
    pub(crate) access: Option<Arc<Access>>,
    pub(crate) namespace: NamespaceId,
    pub(crate) events: Arc<Events>,
    pub(crate) directory: Directory,
    pub(crate) live_rights: Option<Arc<LiveRights>>,
    pub(crate) emits: Emits,
    pub(crate) rooms: Arc<dyn Publish>,
    pub(crate) room_rights: Arc<dyn ChangeRights>,
}

impl Context {
    /// The signed-in user's access as it was when the handler began; `None` for a guest in an open namespace.
    #[must_use]
    pub fn access(&self) -> Option<&Access> {
        self.access.as_deref()
    }

    /// The user's roles now: a handler that has waited sees what changed meanwhile. A guest has none.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.rights().map(|rights| rights.roles.clone()).unwrap_or_default()
    }

    /// Whether the user has this role now.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.rights().is_some_and(|rights| rights.roles.has(role))
    }

    /// The user's claims now. A guest has none.
    #[must_use]
    pub fn claims(&self) -> Claims {
        self.rights().map(|rights| rights.claims.clone()).unwrap_or_default()
    }

    fn rights(&self) -> Option<Arc<Rights>> {
        let before = &self.access()?.rights;
        let now = self.live_rights.as_ref().and_then(|live| live.newer_than(before.version));
        Some(now.unwrap_or_else(|| Arc::clone(before)))
    }

    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// `websocket`, `socketio` or `tcp`.
    #[must_use]
    pub const fn transport(&self) -> &'static str {
        self.transport
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        self.events.get(self.namespace).name()
    }

    /// This user's live sessions: those of this node, and those of other nodes as far as this one knows them. A moment after
    /// the user's first session has connected to this node, it knows all.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<SessionInfo>> {
        self.access().map(|access| self.directory.of_user(access.user)).unwrap_or_default()
    }

    /// Sends an event to this session, in the handler's namespace. What a handler sends leaves before its answer.
    ///
    /// # Errors
    /// [`Gone`], also if so much waits already that the session will not get through it.
    pub fn emit(&self, name: impl Into<ByteString>, payload: Payload) -> Result<(), Gone> {
        self.emits.push(Command::Emit(Emit { namespace: self.namespace, name: name.into(), payload }))
    }

    /// Joins a room for this session, whatever the kind's `join` says: the application decides. The client is told by a
    /// `joined` with `"by": "app"`, and stays in the room until [`Context::leave`], its own `leave`, or its end, also when
    /// its roles or memberships change. Only a ban, a kick, and the room's closing come before. On its next connection it
    /// has to be joined again, for example in [`on_connect`](super::Namespace::on_connect).
    ///
    /// # Errors
    /// With a code that clients know too: `bad_room`, `unknown_room`, `forbidden` (a user's own room), `banned`,
    /// `too_many_rooms`, `room_full`; `unavailable` if the bans cannot be read, or too much waits; `unauthorized` for a
    /// guest, or a session that is not in the namespace `/`; `gone`.
    pub async fn join(&self, room: &str) -> Result<(), Error> {
        self.ask(|done| Command::JoinRoom { room: room.to_owned(), done }).await
    }

    /// Removes this session from a room, also if the client has joined it. The client is told by a `left` with the code
    /// `removed`. It may join again if the kind's `join` allows.
    ///
    /// # Errors
    /// `bad_room`, `not_joined`, `gone`.
    pub async fn leave(&self, room: &str) -> Result<(), Error> {
        self.ask(|done| Command::LeaveRoom { room: room.to_owned(), done }).await
    }

    async fn ask(&self, command: impl FnOnce(Done) -> Command) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        self.emits.push(command(done))?;
        outcome.await.unwrap_or_else(|_| Err(Gone.into()))
    }

    /// Sends to a room in the user's name, as the client's `send` does: to the other sessions that have joined it. Answers
    /// the message's id. The kind's `send` and pace are for clients, and do not count here; `max_data` does.
    ///
    /// # Errors
    /// Those of [`Publisher::publish`]; `unauthorized` for a guest.
    pub fn publish<T: Serialize + ?Sized>(
        &self,
        room: &str,
        event: Option<&str>,
        data: &T,
    ) -> Result<Uuid, Error> {
        let Some(access) = self.access() else {
            return Err(Error::new("unauthorized", "a guest has no name to send under"));
        };
        let from = Author::User { user: access.user, username: &access.username };
        let data = json(data)?;
        let post = RoomPost { room, from, event, data: &data, except: Some(self.session) };
        Arc::clone(&self.rooms).publish(post)
    }

    /// Sends to rooms in the application's name.
    ///
    /// # Panics
    /// If the name is empty, has more than 64 characters, or has control characters.
    #[must_use]
    pub fn publisher(&self, name: &str) -> Publisher {
        Publisher::new(name, Arc::clone(&self.rooms))
    }

    /// Changes members and bans of rooms at the user's wish. Whether the user may is for the handler to decide.
    #[must_use]
    pub fn room_rights(&self) -> RoomRights {
        RoomRights::new(Arc::clone(&self.room_rights), self.access().map(|access| access.user))
    }
}

/// The session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
pub struct Gone;

/// The session has ended, so no client will read this.
impl From<Gone> for Error {
    fn from(gone: Gone) -> Self {
        Self::new("gone", gone.to_string())
    }
}

/// Takes the outcome of a command.
pub type Done = oneshot::Sender<Result<(), Error>>;

/// What a handler has its session do.
#[derive(Debug)]
pub enum Command {
    Emit(Emit),
    JoinRoom { room: String, done: Done },
    LeaveRoom { room: String, done: Done },
}

/// One event on its way to a session.
#[derive(Debug)]
pub struct Emit {
    pub namespace: NamespaceId,
    pub name: ByteString,
    pub payload: Payload,
}

/// Commands on their way from handlers to their session.
#[derive(Clone, Debug, Default)]
pub struct Emits(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Command>,
    session: Option<Waker>,
    gone: bool,
}

impl Emits {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, command: Command) -> Result<(), Gone> {
        let mut state = self.state();
        if state.gone || state.waiting.len() >= WAITING {
            return Err(Gone);
        }
        state.waiting.push_back(command);
        if let Some(session) = state.session.take() {
            session.wake();
        }
        Ok(())
    }

    /// What waits, in its order.
    #[must_use]
    pub fn take(&self) -> VecDeque<Command> {
        std::mem::take(&mut self.state().waiting)
    }

    /// Ready once something waits.
    pub fn poll_waiting(&self, context: &std::task::Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.waiting.is_empty() {
            return Poll::Ready(());
        }
        state.session = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether a handler still holds a copy, so that more may be sent.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Marks the session as gone: nothing sent from now on is delivered.
    pub fn end(&self) {
        let mut state = self.state();
        state.gone = true;
        state.waiting = VecDeque::new();
        state.session = None;
    }
}
