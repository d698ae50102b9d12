//! One test binary: a file a capability.

mod cli;
mod logs;
mod mailer;
mod smtp;
