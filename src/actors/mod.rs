//! The actors and the small handles by which others reach them: nobody outside sees an `Addr`.

pub mod db;
pub mod hasher;
pub mod live;
pub mod session;
pub mod session_manager;
pub mod transport;

pub use db::Db;
pub use hasher::Hasher;
pub use live::Live;
pub use session_manager::Sessions;
