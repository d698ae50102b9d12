//! Integration tests: the real application, real sockets, real mail.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time for a real server")]

include!("all.rs");
