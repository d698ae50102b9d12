//! One binary of integration tests: the real application, real sockets, real mail.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time for a real server")]

mod app;
mod bounds;
mod cli;
mod conformance;
mod drain;
mod fuzz;
mod live;
mod logs;
mod mailer;
mod revocation;
mod services;
mod smtp;
mod sockets;
