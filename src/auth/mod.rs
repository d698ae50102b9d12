//! Tokens, password hashes and what was revoked lately. Pure: no actor, no database.

pub mod revocation;
pub mod secret;
