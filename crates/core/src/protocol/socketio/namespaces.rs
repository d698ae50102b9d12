//! Which namespaces a Socket.IO client has joined, and what follows from that: what its packets ask for, and where a
//! message for it goes. Rules alone: nothing is sent here.

use super::{Kind, Malformed, Packet};
use crate::protocol::{ClientMessage, CloseReason, NamespaceId, ReplyTo, Request, ServerMessage};

/// A namespace that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub id: NamespaceId,
    /// It accepts clients that have not signed in.
    pub open: bool,
}

/// Why a packet ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub reason: CloseReason,
    /// The namespace that the client wanted to join, if it did: the refusal names it.
    pub joining: Option<NamespaceId>,
}

impl From<CloseReason> for Refused {
    fn from(reason: CloseReason) -> Self {
        Self { reason, joining: None }
    }
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        CloseReason::BadMessage.into()
    }
}

/// Where a message for the client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    To(NamespaceId),
    /// The client has never joined a namespace: an error is kept for the packet that refuses it.
    Refusal,
    /// The client would not know what to make of it.
    Nowhere,
}

/// The namespaces that a client has joined, in the order in which it did.
#[derive(Debug, Default)]
pub struct Namespaces {
    joined: Vec<NamespaceId>,
    has_joined: bool,
}

impl Namespaces {
    #[must_use]
    pub const fn new() -> Self {
        Self { joined: Vec::new(), has_joined: false }
    }

    pub fn join(&mut self, namespace: NamespaceId) {
        self.joined.push(namespace);
        self.has_joined = true;
    }

    pub fn leave(&mut self, namespace: NamespaceId) {
        self.joined.retain(|joined| *joined != namespace);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = NamespaceId> {
        self.joined.iter().copied()
    }

    fn contains(&self, namespace: NamespaceId) -> bool {
        self.joined.contains(&namespace)
    }

    /// What a packet asks for. `known` is its namespace, if there is one of that name.
    ///
    /// # Errors
    /// [`Refused`]: the session ends.
    pub fn read<'a>(&self, packet: &Packet<'a>, known: Option<Known>) -> Result<ClientMessage<'a>, Refused> {
        let message = |request| ClientMessage { to: ReplyTo::default(), request };
        match (packet.kind, known) {
            (Kind::Connect, None) => Ok(message(Request::JoinUnknown { name: packet.namespace })),
            (Kind::Connect, Some(known)) if self.contains(known.id) => Ok(message(Request::Nothing)),
            (Kind::Connect, Some(known)) => packet.message(known.id, known.open).map_err(|Malformed| {
                // A token alone, where an object is expected.
                let is_text = packet.data.starts_with('"');
                let reason = if is_text { CloseReason::NoAuth } else { CloseReason::BadMessage };
                Refused { reason, joining: Some(known.id) }
            }),
            (_, Some(known)) if self.contains(known.id) => Ok(packet.message(known.id, false)?),
            // For a namespace that the client has not joined.
            _ if self.is_empty() => Err(CloseReason::Unauthorized.into()),
            _ => Err(CloseReason::BadMessage.into()),
        }
    }

    /// Where a message goes: to the namespace that it answers, or else to the first one. An answer of the application
    /// for a namespace that the client has left meanwhile would mislead it in another.
    #[must_use]
    pub fn route(&self, message: &ServerMessage) -> Route {
        let inside = |namespace| if self.contains(namespace) { Route::To(namespace) } else { Route::Nowhere };
        match (message, message.to(), self.joined.first()) {
            (ServerMessage::Event { namespace, .. }, ..) => inside(*namespace),
            (ServerMessage::Reply { to, .. } | ServerMessage::Acknowledge { to, .. }, ..) => {
                inside(to.namespace)
            }
            (_, Some(to), Some(_)) if to.ack.is_some() => inside(to.namespace),
            (_, Some(to), _) if self.contains(to.namespace) => Route::To(to.namespace),
            (_, _, Some(first)) => Route::To(*first),
            (ServerMessage::Error { .. }, _, None) if !self.has_joined => Route::Refusal,
            (_, _, None) => Route::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Payload;

    const ADMIN: Known = Known { id: NamespaceId(1), open: false };
    const MAIN: Known = Known { id: NamespaceId::MAIN, open: false };

    fn known(packet: &Packet<'_>) -> Option<Known> {
        [("/", MAIN), ("/admin", ADMIN)]
            .into_iter()
            .find(|(name, _)| *name == packet.namespace)
            .map(|(_, known)| known)
    }

    fn read<'a>(namespaces: &Namespaces, text: &'a str) -> Result<Request<'a>, Refused> {
        let packet = Packet::decode(text).unwrap();
        namespaces.read(&packet, known(&packet)).map(|message| message.request)
    }

    fn joined(all: &[NamespaceId]) -> Namespaces {
        let mut namespaces = Namespaces::new();
        for namespace in all {
            namespaces.join(*namespace);
        }
        namespaces
    }

    #[test]
    fn a_client_joins_a_namespace_once() {
        let (outside, inside) = (joined(&[]), joined(&[MAIN.id]));
        assert!(matches!(read(&outside, r#"0{"token":"t"}"#), Ok(Request::Join { open: false, .. })));
        assert_eq!(read(&inside, r#"0{"token":"t"}"#), Ok(Request::Nothing));
        assert!(matches!(read(&inside, "0/admin,"), Ok(Request::Join { token: None, .. })));
        assert_eq!(read(&inside, "0/nowhere,"), Ok(Request::JoinUnknown { name: "/nowhere" }));
    }

    #[test]
    fn a_bad_connect_names_the_namespace_that_refuses_it() {
        let refused = |reason| Err(Refused { reason, joining: Some(ADMIN.id) });
        assert_eq!(read(&joined(&[]), r#"0/admin,"eyJ""#), refused(CloseReason::NoAuth));
        assert_eq!(read(&joined(&[]), "0/admin,[1]"), refused(CloseReason::BadMessage));
    }

    #[test]
    fn a_packet_for_a_namespace_that_was_not_joined_ends_the_session() {
        for text in ["2[\"secret\"]", "2/nowhere,[\"secret\"]", "1", "3[]"] {
            assert_eq!(read(&joined(&[]), text), Err(CloseReason::Unauthorized.into()), "{text}");
        }
        assert_eq!(read(&joined(&[ADMIN.id]), "2[\"secret\"]"), Err(CloseReason::BadMessage.into()));
        assert!(matches!(read(&joined(&[ADMIN.id]), "2/admin,[\"x\"]"), Ok(Request::Event { .. })));
        assert_eq!(read(&joined(&[ADMIN.id]), "1/admin,"), Ok(Request::Leave));
    }

    #[test]
    fn answers_go_where_they_were_asked_for_and_the_rest_to_the_first() {
        let to = |ack| ReplyTo { id: None, namespace: ADMIN.id, ack };
        let pong = |ack| ServerMessage::Pong { to: to(ack) };
        let event = ServerMessage::Event { namespace: ADMIN.id, name: "x".into(), payload: Payload::empty() };
        let reply = ServerMessage::Reply { to: to(None), name: "x".into(), payload: Payload::empty() };
        let (main, both) = (joined(&[MAIN.id]), joined(&[MAIN.id, ADMIN.id]));
        for message in [&event, &reply, &pong(Some(1)), &pong(None)] {
            assert_eq!(both.route(message), Route::To(ADMIN.id), "{message:?}");
        }
        for message in [&event, &reply, &pong(Some(1))] {
            assert_eq!(main.route(message), Route::Nowhere, "{message:?}");
        }
        assert_eq!(main.route(&pong(None)), Route::To(MAIN.id));
        assert_eq!(both.route(&ServerMessage::Ping), Route::To(MAIN.id));
    }

    #[test]
    fn an_error_before_the_first_namespace_is_kept_for_the_refusal() {
        let error = ServerMessage::error(ReplyTo::default(), "invalid_token", "bad");
        let mut namespaces = joined(&[]);
        assert_eq!(namespaces.route(&error), Route::Refusal);
        assert_eq!(namespaces.route(&ServerMessage::Ping), Route::Nowhere);
        namespaces.join(MAIN.id);
        namespaces.leave(MAIN.id);
        assert_eq!(namespaces.route(&error), Route::Nowhere, "it has been in one");
    }
}
