//! How nodes are connected.

#[derive(Debug, Clone)]
pub struct Cluster {
    /// Connects the nodes; a single node needs none.
    pub redis_url: Option<RedisUrl>,
    /// Prefix of the channel names. Installations that share a Redis need different ones.
    pub prefix: String,
}

/// `redis://USER:PASSWORD@HOST:PORT`, or `rediss://` for TLS. It may hold a password, so `Debug` prints
/// nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(pub(super) String);

impl RedisUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redis://...")
    }
}
