//! Tokens, password hashes and credentials. Pure: no actor, no database.

pub mod api_key;
mod derived;
pub mod device;
pub mod guessing;
pub mod hash_requests;
pub mod keys;
mod legacy_digests;
pub mod legacy_hashes;
pub mod password;
pub mod pkce;
pub mod refresh;
pub mod room_tokens;
pub mod sealed_answer;
pub mod secret;
pub mod signing_key;
pub mod token_shape;
pub mod tokens;
