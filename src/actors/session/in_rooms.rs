//! What a session keeps of its rooms.

use std::collections::VecDeque;
use std::rc::Rc;

use doorward_core::domain::Access;
use doorward_core::protocol::ReplyTo;
use doorward_core::rooms::Joined;

use crate::events::Done;
use crate::rooms::Seat;

/// A session's rooms.
#[derive(Default)]
pub(super) struct InRooms {
    pub joined: Joined,
    pub seen: Seen,
    /// A request waits for rows.
    pub is_reading: bool,
    /// A newer token that came while an answer waits for another node.
    pub newer: Option<Access>,
    /// What the application's handlers have asked for while another answer waits.
    pub for_app: VecDeque<ForApp>,
    /// What its rooms share; none before the first.
    pub seat: Option<Rc<Seat>>,
}

/// What a session has seen of what may end its rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The version of what the rows say of its user.
    pub rooms: u64,
    /// How many rooms had been closed.
    pub closings: u64,
    /// The version of which room tokens are revoked.
    pub tokens: u64,
}

/// A room that a handler joins or leaves for the session.
pub(super) struct ForApp {
    pub action: AppAction,
    pub room: String,
    pub done: Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppAction {
    Join,
    Leave,
}

/// A request that waits until the rows are read.
pub(super) struct Waiting {
    pub name: String,
    pub to: ReplyTo,
    pub arguments: String,
}
