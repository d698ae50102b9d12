//! Placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);
