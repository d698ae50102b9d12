//! Who a session is, and what is known of its user at one moment.

use super::{RoomName, Standing, TokenCheck};
use crate::domain::{Roles, UserId};

/// Who a session is.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    pub user: UserId,
    pub roles: &'a Roles,
    /// What the rows say of the user and a room.
    pub standing: &'a dyn Fn(&RoomName) -> Standing,
    /// What room tokens say.
    pub tokens: &'a dyn TokenCheck,
}
