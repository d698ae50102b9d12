//! One test binary: a file a capability.

mod mailer;
mod smtp;
