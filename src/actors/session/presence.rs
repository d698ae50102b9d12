//! What a session does about who is in its rooms: it answers who is there, and shows something to others.

use bytestring::ByteString;
use doorward_core::domain::Access;
use doorward_core::protocol::{CloseReason, Payload};
use doorward_core::rooms::presence::{Departure, PresenceData};
use doorward_core::rooms::{PresenceRequest, Refusal, Watching, compact};
use serde_json::json;
use serde_json::value::RawValue;

use super::Session;
use super::rooms::{Answer, BAD_DATA, BUSY};
use crate::actors::transport::Transport;
use crate::rooms::Whose;

impl<T: Transport> Session<T> {
    pub(super) fn presence_in_room(
        &mut self,
        request: &PresenceRequest<'_>,
        access: &Access,
    ) -> Result<Answer, Refusal> {
        let now = self.services.clock.instant();
        let rooms = self.sessions.rooms().all().clone();
        let written = match request {
            PresenceRequest::List { room, after, limit } => {
                let Watching { room, kind } =
                    self.with_rights(access, |rooms, who| rooms.joined.ask_presence(room, who, now))?;
                rooms.list_presence(&room, &kind, *after, *limit).write(room.as_str())
            }
            PresenceRequest::Set { room, data } => {
                let data = compact(data.get())?;
                let joined = &mut self.in_rooms.get_or_insert_default().joined;
                let Watching { room, kind } = joined.set_presence(room, data.len(), now)?;
                // It was JSON before.
                let data = RawValue::from_string(data).map_err(|_| BAD_DATA)?;
                let data = (data.get() != "null").then(|| PresenceData::new(data));
                let whose = Whose { user: access.user, session: self.id };
                rooms.set_presence(&room, &kind, whose, data).map_err(|_| BUSY)?;
                json!({"room": room.as_str()}).to_string()
            }
        };
        let written = ByteString::from(written);
        Ok(Answer::written("presence", Payload::from_parts(&written, &written, Vec::new())))
    }
}

/// A client whose connection broke may come back; one whose login has ended does not.
pub(super) const fn departure(reason: CloseReason) -> Departure {
    match reason {
        CloseReason::SignedOut
        | CloseReason::TooManyLogins
        | CloseReason::PasswordChanged
        | CloseReason::AccountClosed
        | CloseReason::Unauthorized => Departure::Final,
        _ => Departure::Broken,
    }
}
