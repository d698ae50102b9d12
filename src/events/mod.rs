//! What a signed-in session can ask for, by name: an application's own handlers, and `secret`, which is written
//! as one. A handler works on every transport: as a Socket.IO event, a JSON `type`, a line over TCP.
//!
//! ```
//! use doorward::{Context, EventError, Events, Namespace, Payload};
//!
//! let shout = |_: Context, payload: Payload| async move {
//!     let text: String = payload.first()?;
//!     Ok::<_, EventError>(Payload::new(&text.to_uppercase())?)
//! };
//! let events = Events::default()
//!     .on("shout", shout)
//!     .namespace(Namespace::new("/admin").on_connect(|context: Context, _| async move {
//!         context.emit("hello", Payload::empty())
//!     }));
//! # let _ = events;
//! ```

mod context;
mod publisher;
mod reply;
mod room_rights;
mod secret;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytestring::ByteString;
use doorward_core::protocol::BUILT_IN;

pub use context::{Command, Context, Done, Emit, Emits, Gone};
pub use publisher::{Publish, Publisher, RoomPost};
pub use reply::{Error, Reply};
pub use room_rights::{ChangeRights, Changing, RightChange, RoomRights};

pub use doorward_core::protocol::{NamespaceId, Payload};

/// What a handler's future is to the session that runs it.
pub type Answering = Pin<Box<dyn Future<Output = Reply>>>;

type Handler = Arc<dyn Fn(Context, Payload) -> Answering + Send + Sync>;

/// Events of one namespace.
#[derive(Clone)]
pub struct Namespace {
    name: String,
    handlers: HashMap<ByteString, Handler>,
    connected: Option<Handler>,
    open: bool,
}

impl Namespace {
    /// `name` begins with a slash, such as `/admin`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), handlers: HashMap::new(), connected: None, open: false }
    }

    /// Answers the event `name`, in place of any handler that it had.
    ///
    /// Handlers of one session run at the same time, each from the moment its event came; one that answers
    /// without waiting answers in the order of the events. What still runs when the session ends is dropped.
    ///
    /// # Panics
    /// If the session itself answers the event: `auth`, `ping`, `pong`, `sessions`, `watch_sessions`.
    #[must_use]
    pub fn on<R: Into<Reply>, F: Future<Output = R> + 'static>(
        mut self,
        name: &'static str,
        handler: impl Fn(Context, Payload) -> F + Send + Sync + 'static,
    ) -> Self {
        assert!(!BUILT_IN.contains(&name), "`{name}` is answered by the session itself");
        self.handlers.insert(ByteString::from_static(name), boxed(handler));
        self
    }

    /// Runs when a session has come in: over Socket.IO by CONNECT, whose `auth` is the payload; elsewhere at
    /// sign-in into `/`, and into another namespace with the first event for it.
    #[must_use]
    pub fn on_connect<R: Into<Reply>, F: Future<Output = R> + 'static>(
        mut self,
        handler: impl Fn(Context, Payload) -> F + Send + Sync + 'static,
    ) -> Self {
        self.connected = Some(boxed(handler));
        self
    }

    /// Lets Socket.IO clients in that have not signed in, as guests; no token is looked at. Guests are counted
    /// with those that wait to sign in (`sockets.max_waiting_per_address`).
    #[must_use]
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// The handler of `name`, and the name as the table has it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(ByteString, &Handler)> {
        self.handlers.get_key_value(name).map(|(name, handler)| (name.clone(), handler))
    }

    #[must_use]
    pub fn connected(&self) -> Option<&Handler> {
        self.connected.as_ref()
    }
}

fn boxed<R: Into<Reply>, F: Future<Output = R> + 'static>(
    handler: impl Fn(Context, Payload) -> F + Send + Sync + 'static,
) -> Handler {
    Arc::new(move |context, payload| {
        let answering = handler(context, payload);
        Box::pin(async move { answering.await.into() })
    })
}

/// Every namespace there is; `/` always is.
#[derive(Clone)]
pub struct Events {
    namespaces: Vec<Namespace>,
}

impl Default for Events {
    fn default() -> Self {
        let main = Namespace::new("/").on("secret", secret::secret).on("get_secret", secret::get_secret);
        Self { namespaces: vec![main] }
    }
}

impl Events {
    /// Answers the event `name` in `/`.
    #[must_use]
    pub fn on<R: Into<Reply>, F: Future<Output = R> + 'static>(
        self,
        name: &'static str,
        handler: impl Fn(Context, Payload) -> F + Send + Sync + 'static,
    ) -> Self {
        self.main(|main| main.on(name, handler))
    }

    /// Adds to `/`.
    #[must_use]
    pub fn main(mut self, add: impl FnOnce(Namespace) -> Namespace) -> Self {
        let main = self.namespaces.remove(0);
        self.namespaces.insert(0, add(main));
        self
    }

    /// Adds a namespace, in place of one of the same name.
    ///
    /// # Panics
    /// If there are more than 65,535 of them, or the name does not begin with a slash or has a comma or a
    /// question mark in it: a client could not name it.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        let name = namespace.name.clone();
        assert!(name.starts_with('/') && !name.contains([',', '?']), "{name} is not a valid namespace name");
        match self.namespaces.iter_mut().find(|other| other.name == name) {
            Some(other) => *other = namespace,
            None => self.namespaces.push(namespace),
        }
        assert!(u16::try_from(self.namespaces.len()).is_ok(), "too many namespaces");
        self
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<NamespaceId> {
        let index = self.namespaces.iter().position(|namespace| namespace.name == name)?;
        u16::try_from(index).ok().map(NamespaceId)
    }

    /// # Panics
    /// If the number is none that [`Events::find`] has given.
    #[must_use]
    pub fn get(&self, namespace: NamespaceId) -> &Namespace {
        &self.namespaces[usize::from(namespace.0)]
    }
}
