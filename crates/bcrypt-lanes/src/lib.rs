//! bcrypt, several hashes at once on one thread.
//!
//! A single bcrypt hash leaves most of the processor idle, because each table lookup waits for the one before
//! it. [`Lanes`] computes up to four independent hashes side by side, so that their lookups overlap. Each
//! hash takes about as long as it would alone with another implementation, and four are done in that time.
//!
//! ```
//! use bcrypt_lanes::{Hash, Lanes};
//!
//! let stored: Hash = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO".parse()?;
//! let mut lanes = Lanes::new();
//! let right = lanes.start(&stored.input(b"plain bcrypt pw")).expect("a lane is free");
//! let wrong = lanes.start(&stored.input(b"something else")).expect("a lane is free");
//! // Between two calls, finished lanes can be filled again.
//! while lanes.running() > 0 {
//!     if let Some(finished) = lanes.advance(16) {
//!         assert_eq!(stored.matches(&finished.digest), finished.id == right);
//!     }
//! }
//! # let _ = wrong;
//! # Ok::<(), bcrypt_lanes::Error>(())
//! ```
//!
//! # What is computed
//! The function behind `$2a$`, `$2b$` and `$2y$`, which are three names of the same: a password is its bytes
//! and a final NUL, cut off at 72 bytes. NULs within the password count like other bytes. The function behind
//! `$2x$`, which an old bug made, is not supported.
//!
//! # What is kept secret
//! The state of a lane is overwritten when its hash is finished and when [`Lanes`] is dropped, and so are
//! [`Input`] and [`Digest`]. Digests are compared in constant time. Like every implementation of bcrypt with
//! tables, this one reads memory at addresses that depend on the password.
#![forbid(unsafe_code)]

mod base64;
mod blowfish;
mod hash;
mod input;
mod lanes;
mod pi;

pub use hash::{Hash, Version};
pub use input::{Digest, Error, Input, MAX_COST, MIN_COST};
pub use lanes::{Finished, Id, Lanes};
