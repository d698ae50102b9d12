//! The table `api_keys`: credentials of applications' backends.

use std::net::IpAddr;

use diesel::prelude::*;
use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::db::{Conn, each, locked};
use crate::schema::api_keys;
use doorward_core::domain::{ApiKeyId, KeyScope, KeyScopes};

/// A row. No `Debug`: it holds the hashes of secrets.
#[derive(Clone, Queryable)]
pub struct ApiKey {
    #[diesel(deserialize_as = String)]
    pub id: ApiKeyId,
    pub name: String,
    pub hash: String,
    /// The secret before the last rotation, and until when it is valid.
    pub previous_hash: Option<String>,
    pub previous_until: Option<Timestamp>,
    scopes: String,
    addresses: Option<String>,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub rotated_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub last_used_ip: Option<String>,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    #[must_use]
    pub fn scopes(&self) -> KeyScopes {
        KeyScopes::from_stored(&self.scopes)
    }

    /// Scopes that this version does not know, which grant nothing here.
    pub fn unknown_scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.split(' ').filter(|word| !word.is_empty() && KeyScope::parse(word).is_err())
    }

    /// The networks that it can be used from; none is any address. What is not a network in the row allows nothing.
    #[must_use]
    pub fn networks(&self) -> Option<Vec<IpNet>> {
        let addresses = self.addresses.as_deref()?;
        Some(addresses.split(' ').filter_map(|network| network.parse().ok()).collect())
    }

    /// Whether it is neither revoked nor expired.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it can be used from this address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks().is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
    }
}

/// A key to add. No `Debug`: it holds the hash of a secret.
pub struct NewApiKey<'a> {
    pub id: ApiKeyId,
    pub name: &'a str,
    pub hash: &'a str,
    pub scopes: KeyScopes,
    pub networks: &'a [IpNet],
    pub created_by: &'a str,
    pub expires_at: Option<Timestamp>,
}

pub fn insert(conn: &mut Conn, key: &NewApiKey<'_>, now: Timestamp) -> QueryResult<()> {
    let networks: Vec<_> = key.networks.iter().map(ToString::to_string).collect();
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(key.id.to_string()),
            api_keys::name.eq(key.name),
            api_keys::hash.eq(key.hash),
            api_keys::scopes.eq(key.scopes.to_string()),
            api_keys::addresses.eq((!networks.is_empty()).then(|| networks.join(" "))),
            api_keys::created_by.eq(key.created_by),
            api_keys::created_at.eq(now),
            api_keys::expires_at.eq(key.expires_at),
        ))
        .execute(conn)
        .map(drop)
}

pub fn find(conn: &mut Conn, id: ApiKeyId) -> QueryResult<Option<ApiKey>> {
    each!(conn, api_keys::table.find(id.to_string()), get_result).optional()
}

/// The key, locked until the transaction ends.
pub fn lock(conn: &mut Conn, id: ApiKeyId) -> QueryResult<Option<ApiKey>> {
    locked!(conn, api_keys::table.find(id.to_string()), get_result).optional()
}

/// The key, which no other transaction changes until this one ends. Others may hold it so at the same time.
pub fn lock_shared(conn: &mut Conn, id: ApiKeyId) -> QueryResult<Option<ApiKey>> {
    let key = api_keys::table.find(id.to_string());
    match conn {
        Conn::Sqlite(conn) => key.get_result(conn),
        Conn::Postgres(conn) => key.for_share().get_result(conn),
    }
    .optional()
}

/// Up to `limit` keys past `after`, the oldest first.
pub fn list(conn: &mut Conn, after: Option<ApiKeyId>, limit: i64) -> QueryResult<Vec<ApiKey>> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    api_keys::table.filter(api_keys::id.gt(after)).order(api_keys::id).limit(limit).load(conn)
}

/// How many keys are neither revoked nor expired.
pub fn count_active(conn: &mut Conn, now: Timestamp) -> QueryResult<i64> {
    api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt(now)))
        .count()
        .get_result(conn)
}

/// Replaces the secret. The one before stays valid until `until`.
pub fn rotate(
    conn: &mut Conn,
    key: &ApiKey,
    hash: &str,
    until: Option<Timestamp>,
    now: Timestamp,
) -> QueryResult<()> {
    diesel::update(api_keys::table.find(key.id.to_string()))
        .set((
            api_keys::hash.eq(hash),
            api_keys::previous_hash.eq(until.map(|_| &key.hash)),
            api_keys::previous_until.eq(until),
            api_keys::rotated_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

pub fn revoke(conn: &mut Conn, id: ApiKeyId, now: Timestamp) -> QueryResult<()> {
    diesel::update(api_keys::table.find(id.to_string()))
        .set(api_keys::revoked_at.eq(now))
        .execute(conn)
        .map(drop)
}

/// Records a use of the key, unless a later one is recorded.
pub fn record_use(conn: &mut Conn, id: ApiKeyId, address: IpAddr, now: Timestamp) -> QueryResult<()> {
    let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.assume_not_null().lt(now));
    diesel::update(api_keys::table.find(id.to_string()).filter(earlier))
        .set((api_keys::last_used_at.eq(now), api_keys::last_used_ip.eq(address.to_string())))
        .execute(conn)
        .map(drop)
}

/// Deletes up to `limit` the keys that expired or were revoked before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    let ended = || {
        api_keys::expires_at
            .assume_not_null()
            .lt(before)
            .and(api_keys::expires_at.is_not_null())
            .or(api_keys::revoked_at.assume_not_null().lt(before).and(api_keys::revoked_at.is_not_null()))
    };
    delete_some!(conn, api_keys.id: String, ended(), limit)
}
