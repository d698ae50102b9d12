//! The integration tests once more, on PostgreSQL: they find out by this binary's name.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time for a real server")]

include!("it/all.rs");
