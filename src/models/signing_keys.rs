//! The table `signing_keys`: what signs access tokens, derives refresh tokens and tags credentials.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::signing_keys;

/// What a row's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// PKCS#8 of an Ed25519 key pair, in base64.
    EdDsa,
    /// 32 bytes from which refresh tokens are derived, in base64.
    HmacSha256,
    /// 32 bytes with which credentials are tagged, in base64. The first versions had none, and ignore it.
    CredentialTag,
}

impl Algorithm {
    const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::CredentialTag => "HMAC-SHA256-128",
        }
    }
}

/// A stored key. No `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq, Queryable)]
pub struct StoredKey {
    pub kid: String,
    pub key: String,
    pub created_at: Timestamp,
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

/// Keeps other transactions from changing the keys until this one ends: of two processes that start on an empty database
/// one makes them.
pub fn lock(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(conn) => conn.batch_execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"),
    }
}

/// The keys, the oldest first, without those that were retired by hand: nothing else sets `retired_at`.
pub fn all(conn: &mut Conn, algorithm: Algorithm) -> QueryResult<Vec<StoredKey>> {
    signing_keys::table
        .filter(signing_keys::algorithm.eq(algorithm.as_str()))
        .filter(signing_keys::retired_at.is_null())
        .order((signing_keys::created_at, signing_keys::kid))
        .select((signing_keys::kid, signing_keys::key, signing_keys::created_at))
        .load(conn)
}

/// Destroys keys; answers how many were there.
pub fn delete(conn: &mut Conn, kids: &[String]) -> QueryResult<usize> {
    diesel::delete(signing_keys::table.filter(signing_keys::kid.eq_any(kids))).execute(conn)
}
