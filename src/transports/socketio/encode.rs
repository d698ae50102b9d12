//! What a Socket.IO client is told: a message of the protocol as packets.

use super::SocketIo;
use super::event_text::{write_arguments, write_event};
use super::link::Link;
use doorward_core::protocol::engineio::Queue;
use doorward_core::protocol::socketio::{Kind, write_fields, write_head, write_json};
use doorward_core::protocol::{CloseReason, NamespaceId, Payload, ReplyTo, RequestId, ServerMessage};

impl<L: Link> SocketIo<L> {
    fn name(&self, namespace: NamespaceId) -> &str {
        self.events.get(namespace).name()
    }

    /// An event with these arguments, and the attachments behind it.
    pub(super) fn event(
        &self,
        queue: &mut Queue,
        namespace: NamespaceId,
        name: &str,
        id: Option<&RequestId>,
        payload: &Payload,
    ) {
        queue.text(|out| write_event(out, self.name(namespace), name, id, payload));
        for bytes in payload.attachments() {
            queue.binary(bytes);
        }
    }

    pub(super) fn ack(&self, queue: &mut Queue, namespace: NamespaceId, to: &ReplyTo, payload: &Payload) {
        let attachments = payload.attachments();
        queue.text(|out| {
            write_head(out, Kind::Ack, attachments.len(), self.name(namespace), to.ack);
            out.push(b'[');
            write_arguments(out, false, to.id.as_ref(), payload.arguments());
            out.push(b']');
        });
        for bytes in attachments {
            queue.binary(bytes);
        }
    }

    /// A message of the protocol: an event whose name is its `type`, or an acknowledgement with its fields.
    pub(super) fn typed(&self, queue: &mut Queue, message: &ServerMessage, namespace: NamespaceId) {
        let ack = message.to().and_then(|to| to.ack);
        queue.text(|out| {
            let kind = if ack.is_some() { Kind::Ack } else { Kind::Event };
            write_head(out, kind, 0, self.name(namespace), ack);
            out.push(b'[');
            match message {
                // An error is told apart from an answer by its `type`.
                ServerMessage::Error { .. } if ack.is_some() => write_json(out, message),
                message => write_fields(out, message, ack.is_none()),
            }
            out.push(b']');
        });
    }

    pub(super) fn disconnect(&self, queue: &mut Queue, namespace: NamespaceId) {
        queue.text(|out| {
            write_head(out, Kind::Disconnect, 0, self.name(namespace), None);
        });
    }

    pub(super) fn refuse(&self, queue: &mut Queue, reason: CloseReason) {
        let ServerMessage::Goodbye { code, reason, reconnect } = ServerMessage::goodbye(reason) else {
            return;
        };
        let mut data = serde_json::json!({ "code": code, "reason": reason, "reconnect": reconnect });
        if let Some(error) = &self.refusal.code {
            data["error"] = (&**error).into();
        }
        let error = serde_json::json!({ "message": reason, "data": data });
        queue.text(|out| {
            write_head(out, Kind::ConnectError, 0, self.name(self.refusal.namespace), None);
            write_json(out, &error);
        });
    }
}
