//! An application's own word on who may join a room or send to it: a function, asked before the configured entries.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::{Roles, UserId};

/// What a user is about to do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomAction {
    /// To join it, or to stay in it.
    Join,
    /// To send to it.
    Send,
}

/// What a rule is asked.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RoomQuestion<'a> {
    pub action: RoomAction,
    /// The room's name, with its kind.
    pub room: &'a str,
    /// The part of the name after the kind.
    pub rest: &'a str,
    pub user: UserId,
    /// The user's roles now.
    pub roles: &'a Roles,
    /// For [`RoomAction::Send`]: whether the session has joined the room.
    pub joined: bool,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomVerdict {
    Yes,
    No,
    /// What is configured decides.
    AsConfigured,
}

type RuleFn = dyn Fn(RoomQuestion<'_>) -> RoomVerdict + Send + Sync;

/// An application's rule for a kind of rooms. Cheap to clone.
#[derive(Clone)]
pub struct Rule(Arc<RuleFn>);

impl Rule {
    pub fn new(rule: impl Fn(RoomQuestion<'_>) -> RoomVerdict + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// What it says; none if the configured entries decide. One that panics says no: it is asked on threads that serve many
    /// sessions, and must not end what they do.
    pub(super) fn ask(&self, question: RoomQuestion<'_>) -> Option<bool> {
        match catch_unwind(AssertUnwindSafe(|| (self.0)(question))) {
            Ok(RoomVerdict::Yes) => Some(true),
            Ok(RoomVerdict::No) | Err(_) => Some(false),
            Ok(RoomVerdict::AsConfigured) => None,
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

/// Of one function, which cannot be compared otherwise.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Rule {}
