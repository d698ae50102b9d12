//! The table `signing_keys`: what signs access tokens, derives refresh tokens and tags credentials.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::config::SigningAlgorithm;
use crate::db::Conn;
use crate::schema::signing_keys;

/// What a row's key is for, besides those that sign access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// 32 bytes from which refresh tokens are derived, in base64.
    HmacSha256,
    /// 32 bytes with which credentials are tagged, in base64. The first versions had none, and ignore it.
    CredentialTag,
}

impl Secret {
    const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HMAC-SHA256",
            Self::CredentialTag => "HMAC-SHA256-128",
        }
    }
}

/// A stored secret. No `Debug`.
#[derive(Clone, PartialEq, Eq, Queryable)]
pub struct StoredSecret {
    pub key: String,
    pub created_at: Timestamp,
}

/// A key that signs access tokens. No `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// PKCS#8 of the key pair, in base64.
    pub key: String,
    pub created_at: Timestamp,
}

pub fn insert_secret(
    conn: &mut Conn,
    kid: &str,
    secret: Secret,
    key: &str,
    now: Timestamp,
) -> QueryResult<()> {
    insert_row(conn, kid, secret.as_str(), key, now)
}

pub fn insert(conn: &mut Conn, key: &StoredKey) -> QueryResult<()> {
    insert_row(conn, &key.kid, key.algorithm.name(), &key.key, key.created_at)
}

fn insert_row(conn: &mut Conn, kid: &str, algorithm: &str, key: &str, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(kid),
            signing_keys::algorithm.eq(algorithm),
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

/// The keys that sign access tokens, the oldest first, without those that were retired by hand: nothing else sets
/// `retired_at`.
pub fn all(conn: &mut Conn) -> QueryResult<Vec<StoredKey>> {
    let rows: Vec<(String, String, String, Timestamp)> = signing_keys::table
        .filter(signing_keys::algorithm.eq_any(SigningAlgorithm::ALL.map(SigningAlgorithm::name)))
        .filter(signing_keys::retired_at.is_null())
        .order((signing_keys::created_at, signing_keys::kid))
        .select((signing_keys::kid, signing_keys::algorithm, signing_keys::key, signing_keys::created_at))
        .load(conn)?;
    let known = rows.into_iter().filter_map(|(kid, algorithm, key, created_at)| {
        SigningAlgorithm::of_name(&algorithm).map(|algorithm| StoredKey { kid, algorithm, key, created_at })
    });
    Ok(known.collect())
}

/// The oldest secret of this kind that was not retired by hand.
pub fn secret(conn: &mut Conn, secret: Secret) -> QueryResult<Option<StoredSecret>> {
    signing_keys::table
        .filter(signing_keys::algorithm.eq(secret.as_str()))
        .filter(signing_keys::retired_at.is_null())
        .order((signing_keys::created_at, signing_keys::kid))
        .select((signing_keys::key, signing_keys::created_at))
        .first(conn)
        .optional()
}

/// Destroys keys; returns how many were there.
pub fn delete(conn: &mut Conn, kids: &[String]) -> QueryResult<usize> {
    diesel::delete(signing_keys::table.filter(signing_keys::kid.eq_any(kids))).execute(conn)
}
