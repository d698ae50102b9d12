//! Who acts, where a test calls `Accounts` itself.

use doorward::internals::accounts::Caller;

/// The caller of what an operator does.
pub fn operator() -> Caller {
    Caller::operator(Some("root"))
}

/// The caller of what an unauthenticated client does.
pub fn unauthenticated() -> Caller {
    Caller::client([127, 0, 0, 1].into(), None, None)
}
