//! The actors, and the small handles through which other modules reach them: no `Addr` leaves this module.

pub mod db;
pub mod hasher;
pub mod live;
pub mod session;
pub mod session_manager;
pub mod transport;

pub use db::Db;
pub use hasher::Hasher;
pub use live::Live;
pub use session_manager::{SessionPage, Sessions};
