//! What client and server say to each other: plain data, no I/O. docs/PROTOCOL.md is the reference.

mod close;

pub use close::{CloseReason, Reconnect};
