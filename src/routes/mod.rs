//! HTTP.

pub mod dev_mail;
pub mod trace;
