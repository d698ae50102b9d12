//! The table `signing_keys`: what signs access tokens and what derives refresh tokens.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::signing_keys;

/// Which keys a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// PKCS#8 of an Ed25519 key pair, in base64.
    EdDsa,
    /// 32 bytes from which refresh tokens are derived, in base64.
    HmacSha256,
}

impl Algorithm {
    const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::HmacSha256 => "HMAC-SHA256",
        }
    }
}

/// A stored key. No `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    pub key: String,
    pub retired: bool,
}

pub fn insert(
    conn: &mut Conn,
    kid: &str,
    algorithm: Algorithm,
    key: &str,
    now: Timestamp,
) -> QueryResult<()> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(kid),
            signing_keys::algorithm.eq(algorithm.as_str()),
            signing_keys::key.eq(key),
            signing_keys::created_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// The keys that are not retired, or were retired after `since`; the newest first.
pub fn in_use(conn: &mut Conn, algorithm: Algorithm, since: Timestamp) -> QueryResult<Vec<StoredKey>> {
    let rows: Vec<(String, Option<Timestamp>)> = signing_keys::table
        .filter(signing_keys::algorithm.eq(algorithm.as_str()))
        .filter(signing_keys::retired_at.is_null().or(signing_keys::retired_at.gt(since)))
        .order((signing_keys::created_at.desc(), signing_keys::kid))
        .select((signing_keys::key, signing_keys::retired_at))
        .load(conn)?;
    Ok(rows.into_iter().map(|(key, retired_at)| StoredKey { key, retired: retired_at.is_some() }).collect())
}
