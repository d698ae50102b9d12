//! Rooms that are closed, and room tokens that are revoked: the sessions of each worker thread are told.

use actix::{Context, Handler, Message};
use doorward_core::rooms::RoomName;

use super::{SessionManager, Sessions};

#[derive(Message)]
#[rtype(result = "()")]
struct TellClosed(RoomName);

#[derive(Message)]
#[rtype(result = "()")]
struct TellTokensRevoked;

impl Sessions {
    /// Puts all sessions of this node out of a room: nothing that is published afterwards reaches them.
    pub fn close_room(&self, room: &RoomName) {
        if self.0.rooms.close(room) {
            self.tell(|| TellClosed(room.clone()));
        }
    }

    /// Tells the sessions of this node that are in a room by a token that was revoked. Nothing reaches them since it was
    /// noted.
    pub fn room_tokens_revoked(&self) {
        self.tell(|| TellTokensRevoked);
    }
}

impl Handler<TellClosed> for SessionManager {
    type Result = ();

    fn handle(&mut self, TellClosed(room): TellClosed, _: &mut Context<Self>) {
        self.rooms.tell_closed(&room);
    }
}

impl Handler<TellTokensRevoked> for SessionManager {
    type Result = ();

    fn handle(&mut self, TellTokensRevoked: TellTokensRevoked, _: &mut Context<Self>) {
        self.rooms.tell_tokens_revoked();
    }
}
