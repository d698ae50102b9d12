//! The id of a request.

use uuid::Uuid;

/// In a request's extensions: its id, as the log and the response name it.
pub(super) struct RequestId(pub Uuid);
