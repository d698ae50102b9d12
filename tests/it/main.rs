//! One binary of integration tests: the real application, real sockets, real mail.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time for a real server")]

mod accounts;
mod app;
mod bounds;
mod browser;
mod cli;
mod conformance;
mod connect;
mod connect_terminal;
mod doors;
mod drain;
mod fuzz;
mod import;
mod import_runs;
mod line;
mod live;
mod logs;
mod mail;
mod mailer;
mod operator;
mod passwords;
mod process;
mod raw;
mod readme;
mod revocation;
mod secrets;
mod services;
mod smtp;
mod socketio_clients;
mod sockets;
mod stage;
mod tcp;
mod tls;
mod tokens;
mod websocket;
