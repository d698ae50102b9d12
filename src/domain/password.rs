//! Placeholder.
#[derive(Clone)]
pub struct Password(String);
