//! The keys: made at the first start, read at every other.

use chrono::TimeDelta;

use super::Error;
use crate::auth::keys::{Keyring, SigningKey};
use crate::auth::refresh::RefreshKey;
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::signing_keys::{self, Algorithm};

pub(super) struct Keys {
    pub keyring: Keyring,
    pub refresh: RefreshKey,
}

/// Reads the keys, or makes those that are missing: in one transaction that writes, so that of two nodes that
/// start on an empty database one makes them and the other reads them.
pub(super) fn load_or_create(conn: &mut Conn, now: Timestamp, access_ttl: TimeDelta) -> Result<Keys, Error> {
    db::write(conn, |conn| {
        let rows = signing_keys::in_use(conn, Algorithm::EdDsa, now - access_ttl)?;
        let (mut current, mut retiring) = (None, Vec::new());
        for row in rows {
            let key = SigningKey::from_stored(&row.key)?;
            if current.is_none() && !row.retired {
                current = Some(key);
            } else {
                retiring.push(key);
            }
        }
        let current = if let Some(key) = current {
            key
        } else {
            let key = SigningKey::generate()?;
            signing_keys::insert(conn, key.kid(), Algorithm::EdDsa, &key.stored(), now)?;
            tracing::info!(kid = key.kid(), "made a signing key");
            key
        };
        let refresh = signing_keys::in_use(conn, Algorithm::HmacSha256, now)?.into_iter().next();
        let refresh = if let Some(row) = refresh {
            row.key
        } else {
            let key = RefreshKey::generate_stored();
            signing_keys::insert(conn, "refresh", Algorithm::HmacSha256, &key, now)?;
            key
        };
        Ok(Keys { keyring: Keyring::new(current, retiring), refresh: RefreshKey::from_stored(&refresh)? })
    })
}
