//! A user's roles and claims, as of one version.

use std::sync::{Arc, LazyLock};

use serde::{Serialize, Serializer};

use super::{Claims, Roles};

/// Roles and claims as of a version, which only access tokens show. Each change of either adds one to the version. A
/// user starts with version 0, without roles and claims. An imported user who keeps an id starts with a version that is
/// greater than those that an earlier account of this id can have had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rights {
    #[serde(skip)]
    pub version: i32,
    pub roles: Roles,
    pub claims: Claims,
}

impl Rights {
    /// Shared with all others who have none: most users of most applications do.
    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        static NONE: LazyLock<Arc<Rights>> = LazyLock::new(Arc::default);
        if self == **NONE { Arc::clone(&NONE) } else { Arc::new(self) }
    }
}

/// For fields of messages: serde does not serialize an `Arc` by itself.
pub fn serialize_rights<S: Serializer>(rights: &Arc<Rights>, serializer: S) -> Result<S::Ok, S::Error> {
    rights.as_ref().serialize(serializer)
}
