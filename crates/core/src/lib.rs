//! What Doorward knows without I/O: plain values and state machines that test without a runtime.
//!
//! | module | contents |
//! |---|---|
//! | [`domain`] | values that are parsed once: ids, usernames, emails, passwords, origins |
//! | [`protocol`] | what client and server say to each other: messages, dialects, close reasons |
//! | [`rooms`] | streams of messages that sessions join: who may, and how much |
//! | [`session`] | the rules of a live session |
//! | [`time`] | a moment as rows and answers show it |

pub mod domain;
pub mod protocol;
pub mod rooms;
pub mod session;
pub mod time;
