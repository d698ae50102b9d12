//! One binary of integration tests: the real application, real sockets, real mail.

mod conformance;
mod services;
