//! Placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);
