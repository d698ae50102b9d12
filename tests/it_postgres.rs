//! The integration tests once more, on PostgreSQL: `support::database` finds out by this binary's name.

#[path = "it/main.rs"]
mod it;

// The tests name their helpers by `crate::support`, in both binaries.
use it::support;
