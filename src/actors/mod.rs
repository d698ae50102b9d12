//! The actors and the small handles by which others reach them: nobody outside sees an `Addr`.

pub mod carrier;
pub mod cluster;
pub mod db;
pub mod hasher;
pub mod mailer;
pub mod session;
pub mod session_manager;

pub use cluster::Cluster;
pub use db::Db;
pub use hasher::Hasher;
pub use mailer::Mail;
pub use session_manager::Sessions;
