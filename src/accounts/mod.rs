//! What the product does, a capability a file; used alike by routes, the TCP prompts and the command line.

pub mod logins;
pub mod watch;

pub use logins::Logins;
