//! `Session`: the actor of one live socket. A shell round `doorward_core::session`: it feeds the rules, carries out
//! what they answer, and keeps the socket registered while it is signed in.

mod ending;
mod handlers;
mod in_rooms;
mod lists;
mod metrics;
mod outside;
mod presence;
mod room_rights;
mod rooms;
mod sign_in;
mod stale;
mod waiting;

use std::collections::VecDeque;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Message, Recipient, SpawnHandle,
    StreamHandler, WrapFuture,
};
use futures_util::Stream;

use self::in_rooms::InRooms;
use self::lists::Lists;
pub use self::metrics::SessionMetrics;
use super::session_manager::WorkerSessions;
use super::transport::{Full, Outgoing, Received, Transport, Undecodable};
use crate::auth::tokens::TokenError;
use crate::clock::Clock;
use crate::directory::access_changes::LiveRights;
use crate::directory::freshness::FreshnessState;
use crate::directory::{PendingTicket, Revocations, Ticket};
use crate::events::{ChangeRights, Emits, Events};
use crate::limits::MistakeLog;
use doorward_core::domain::{Access, SessionId};
use doorward_core::protocol::{CloseReason, NamespaceId, ReplyTo, ServerMessage};
use doorward_core::rooms::RoomName;
use doorward_core::rooms::presence::Departure;
use doorward_core::session::{self, Effect, Reaction, Rules};

/// How long a client has to answer a close and to read what is left, before it is cut; and one whose frames are broken.
const CLOSING_GRACE: Duration = Duration::from_secs(2);
const BROKEN_GRACE: Duration = Duration::from_secs(1);

/// Checks an access token: signature, claims, and that its login was not revoked.
pub type Authenticate = Arc<dyn Fn(&str) -> Result<Access, TokenError> + Send + Sync>;

/// Reads what rows say of a user and these rooms, and holds it. False if the database did not answer.
pub type ReadRoomRights =
    Arc<dyn Fn(Arc<LiveRights>, Vec<RoomName>) -> Pin<Box<dyn Future<Output = bool>>> + Send + Sync>;

/// What a session needs of the services.
#[derive(Clone)]
pub struct SessionServices {
    pub authenticate: Authenticate,
    pub read_room_rights: ReadRoomRights,
    /// For the application's handlers.
    pub room_rights: Arc<dyn ChangeRights>,
    pub revocations: Arc<Revocations>,
    pub clock: Clock,
    pub rules: Rules,
    pub events: Arc<Events>,
    pub mistakes: MistakeLog,
    pub metrics: SessionMetrics,
}

/// How a socket was admitted.
pub enum Admission {
    /// Its token was good.
    SignedIn(Access),
    /// It will sign in by its first message. Counted by address until then.
    Pending(PendingTicket),
    /// Accepted only to be told why it is refused: a browser cannot read a refused handshake.
    BadToken(TokenError),
    Refused(CloseReason),
}

/// Reaches one session from outside.
#[derive(Clone)]
pub struct SessionHandle(Recipient<Renew>);

impl SessionHandle {
    /// Gives the session a newer token, if it is still there.
    pub fn renew(&self, access: Access) {
        self.0.do_send(Renew(access));
    }
}

/// Gives a session a newer token that its client did not have to ask for.
#[derive(Message)]
#[rtype(result = "()")]
struct Renew(Access);

/// The actor of one live socket.
pub struct Session<T: Transport> {
    id: SessionId,
    transport: T,
    rules: Option<session::Session>,
    /// Until it starts.
    admission: Option<Box<Admission>>,
    services: Arc<SessionServices>,
    sessions: WorkerSessions,
    address: IpAddr,
    /// Holds the place among the user's sessions; given back when dropped, however the actor ends.
    ticket: Option<Ticket>,
    /// Its place among the sockets of its address that have not signed in.
    pending: Option<PendingTicket>,
    closing: Option<CloseReason>,
    alarm: Option<(Instant, SpawnHandle)>,
    /// There once it has asked for the user's sessions.
    lists: Option<Box<Lists>>,
    /// Requests that wait until earlier answers are sent and read, or until this process knows again who is signed in.
    /// Bounded, as the transport takes none meanwhile.
    backlog: VecDeque<T::Message>,
    /// What handlers send on their own; none before the first has run.
    emits: Option<Emits>,
    watching_emits: bool,
    /// Handlers that wait for something.
    handling: Vec<(u32, SpawnHandle)>,
    handlers_begun: u32,
    /// What its user has now; there once it has signed in.
    live_rights: Option<Arc<LiveRights>>,
    /// Namespaces whose `on_connect` handler was started for this session.
    entered: Vec<NamespaceId>,
    /// An answer waits for other nodes: until their messages reach a room, or until they have said which sessions there are.
    is_joining: bool,
    /// The rooms that it has joined; none before the first.
    in_rooms: Option<Box<InRooms>>,
}

impl<T: Transport> Session<T> {
    pub fn new(
        transport: T,
        services: Arc<SessionServices>,
        sessions: WorkerSessions,
        address: IpAddr,
        admission: Admission,
    ) -> Self {
        services.metrics.admitted(T::NAME, &admission);
        let pong_timeout = services.rules.pong_timeout.filter(|_| T::PINGS_ALWAYS);
        let rules = Rules { pong_timeout, ..services.rules };
        let rules = session::Session::new(rules, services.clock.instant());
        Self {
            id: SessionId(services.clock.new_id()),
            transport,
            rules: Some(rules),
            admission: Some(Box::new(admission)),
            services,
            sessions,
            address,
            ticket: None,
            pending: None,
            closing: None,
            alarm: None,
            lists: None,
            backlog: VecDeque::new(),
            emits: None,
            watching_emits: false,
            handling: Vec::new(),
            handlers_begun: 0,
            live_rights: None,
            entered: Vec::new(),
            is_joining: false,
            in_rooms: None,
        }
    }

    /// The actor, started by whatever polls the future first; `incoming` yields what arrives.
    pub fn driven_by(
        self,
        incoming: impl Stream<Item = T::Incoming> + 'static,
    ) -> (SessionHandle, impl Future<Output = ()> + Unpin + 'static) {
        let mut context = Context::new();
        context.add_stream(incoming);
        let driver = context.into_future(self);
        (SessionHandle(driver.address().recipient()), driver)
    }

    /// A whole message of the client.
    fn receive(&mut self, message: T::Message, context: &mut Context<Self>) {
        if self.closing.is_some() {
            return;
        }
        let freshness = self.freshness_state();
        if self.is_waiting() || !self.backlog.is_empty() {
            self.backlog.push_back(message);
        } else if freshness == FreshnessState::Stale || self.transport.outgoing().congested() {
            // It was there, though it may be a while since this was sent.
            if freshness == FreshnessState::Stale {
                self.record_activity();
            }
            self.backlog.push_back(message);
            self.transport.outgoing().hold(true);
            self.wait_to_answer(context);
        } else if freshness == FreshnessState::Fresh || !self.close_if_revoked(context) {
            self.answer(&message, context);
        }
    }

    fn answer(&mut self, raw: &T::Message, context: &mut Context<Self>) {
        self.catch_up(context);
        if self.closing.is_some() {
            return;
        }
        let now = self.services.clock.instant();
        let Some(rules) = &mut self.rules else { return };
        let message = match self.transport.decode(raw, &self.services.events) {
            Ok(message) => message,
            Err(Undecodable { reason, joining }) => {
                if let Some(namespace) = joining {
                    self.transport.joining(namespace);
                }
                return self.close(reason, context);
            }
        };
        let to = || message.to.clone();
        match rules.receive(&message, now) {
            Reaction::Effect(effect) => self.carry_out(effect, context),
            Reaction::Verify { token, joins } => {
                let joins = joins.map(|arguments| T::payload(raw, arguments));
                self.verify(token, to(), joins, context);
            }
            Reaction::Join { arguments } => {
                self.join(message.to.namespace, T::payload(raw, arguments), context);
            }
            Reaction::Leave => {
                if message.to.namespace == NamespaceId::MAIN {
                    // As if it had closed its connection.
                    self.leave_rooms(Departure::Broken);
                }
                self.transport.left(message.to.namespace);
            }
            Reaction::RefuseNamespace { name } => {
                if self.transport.refuse_namespace(name) == Err(Full) {
                    self.close(CloseReason::TooSlow, context);
                }
            }
            Reaction::ListSessions => self.list_sessions(to(), context),
            Reaction::WatchSessions => self.watch_sessions(to(), context),
            Reaction::Run { name, arguments } => {
                let has_attachments = || !T::payload(raw, arguments).attachments().is_empty();
                if !self.ask_rooms(name, &message.to, (arguments, has_attachments), context) {
                    self.run(name, to(), T::payload(raw, arguments), context);
                }
            }
        }
    }

    /// A sign of life that is not a message.
    fn record_activity(&mut self) {
        let now = self.services.clock.instant();
        if let Some(rules) = &mut self.rules {
            rules.record_activity(now);
        }
    }

    fn carry_out(&mut self, effect: Effect, context: &mut Context<Self>) {
        match effect {
            Effect::Send(message) => self.send(&message, context),
            Effect::Ping => {
                if self.transport.ping() == Err(Full) {
                    self.close(CloseReason::TooSlow, context);
                }
            }
            Effect::Close(reason) => self.close(reason, context),
            Effect::Nothing => {}
        }
    }

    fn send(&mut self, message: &ServerMessage, context: &mut Context<Self>) {
        if self.transport.send(message, &self.services.events) == Err(Full) {
            self.close(CloseReason::TooSlow, context);
        }
    }

    fn rearm(&mut self, context: &mut Context<Self>) {
        if self.closing.is_none()
            && let Some(rules) = &self.rules
        {
            let deadline = rules.deadline();
            self.arm(self.rooms_deadline().map_or(deadline, |rooms| rooms.min(deadline)), context);
        }
    }

    /// Sets the session's one timer.
    fn arm(&mut self, deadline: Instant, context: &mut Context<Self>) {
        if let Some((at, handle)) = self.alarm.take() {
            if at == deadline {
                self.alarm = Some((at, handle));
                return;
            }
            context.cancel_future(handle);
        }
        let alarm = self.services.clock.sleep_until(deadline).into_actor(self);
        let handle = context.spawn(alarm.map(|(), this, context| {
            this.alarm = None;
            this.tick(context);
        }));
        self.alarm = Some((deadline, handle));
    }

    fn tick(&mut self, context: &mut Context<Self>) {
        if self.closing.is_some() {
            // It was told, and did not go.
            self.transport.outgoing().cut();
            context.stop();
            return;
        }
        if self.is_waiting() || self.is_stale() && !self.backlog.is_empty() {
            // What it sends is not read meanwhile, its pongs neither.
            self.record_activity();
        }
        self.tick_rooms(context);
        loop {
            let (now, unread) = (self.services.clock.instant(), self.transport.outgoing().unread());
            let Some(rules) = &mut self.rules else { return };
            match rules.tick(now, unread) {
                Effect::Nothing => break,
                Effect::Send(message) => {
                    self.when_fresh(context, move |this, context| this.send(&message, context));
                }
                effect => self.carry_out(effect, context),
            }
            if self.closing.is_some() {
                return;
            }
        }
        self.rearm(context);
    }
}

impl<T: Transport> Actor for Session<T> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        match self.admission.take().map(|admission| *admission) {
            Some(Admission::SignedIn(access)) => self.enter_signed_in(access, context),
            Some(Admission::Pending(ticket)) => {
                self.pending = Some(ticket);
                // Without a login: only a drain will close it.
                self.sessions.register(self.id, None, context.address().recipient());
                self.rearm(context);
            }
            Some(Admission::BadToken(error)) => self.refuse_token(error, ReplyTo::default(), context),
            Some(Admission::Refused(reason)) => self.close(reason, context),
            None => {}
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.deregister(CloseReason::ClientLeft);
        // Once more, if a drain was to wait for it.
        self.sessions.unregister(self.id);
    }
}

/// What arrives from the client, as the transport's reader yields it.
impl<T: Transport> StreamHandler<T::Incoming> for Session<T> {
    fn handle(&mut self, incoming: T::Incoming, context: &mut Context<Self>) {
        match self.transport.receive(incoming) {
            Ok(Received::Activity) => self.record_activity(),
            Ok(Received::Message(message)) => self.receive(message, context),
            Ok(Received::Left) => self.left(context),
            Err(reason) => self.close(reason, context),
        }
    }

    fn finished(&mut self, context: &mut Context<Self>) {
        self.left(context);
    }
}
