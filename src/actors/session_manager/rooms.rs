//! Rooms that are closed: their sessions of each worker thread are told.

use actix::{Context, Handler, Message};
use doorward_core::rooms::RoomName;

use super::{SessionManager, Sessions};

#[derive(Message)]
#[rtype(result = "()")]
struct TellClosed(RoomName);

impl Sessions {
    /// Puts all sessions of this node out of a room: nothing that is published afterwards reaches them.
    pub fn close_room(&self, room: &RoomName) {
        if self.0.rooms.close(room) {
            self.tell(|| TellClosed(room.clone()));
        }
    }
}

impl Handler<TellClosed> for SessionManager {
    type Result = ();

    fn handle(&mut self, TellClosed(room): TellClosed, _: &mut Context<Self>) {
        self.rooms.tell_closed(&room);
    }
}
