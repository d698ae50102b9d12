//! API keys: created, listed, rotated and revoked by operators, by users with the role `admin`, and by other keys. A
//! key never grants more than its maker has.

mod verify;

use chrono::{Datelike, TimeDelta};
use ipnet::IpNet;
use serde::Serialize;
use utoipa::ToSchema;

use super::authority::{Authority, Grants};
use super::{Accounts, AdminError, Caller, Error};
use crate::auth::api_key::PlainApiKey;
use crate::clock::{Timestamp, rfc3339, serialize_rfc3339};
use crate::db::Conn;
use crate::models::api_keys::{self, ApiKey, NewApiKey};
use crate::models::audit_events::{self, Action};
use crate::models::invitations;
use doorward_core::domain::{ApiKeyId, Invalid, KeyScopes, is_display_control};

pub(super) use verify::VerifiedKeys;

/// Keys that are neither revoked nor expired. More are a mistake of a program that makes them.
const MOST: i64 = 1000;

/// How long a replaced secret may stay valid.
const MAX_OVERLAP: TimeDelta = TimeDelta::days(7);

/// In characters.
const MAX_NAME: usize = 64;

/// RFC 3339 has no later one.
const MAX_YEAR: i32 = 9999;

/// Networks of one key.
const MAX_NETWORKS: usize = 32;

/// What a new key is for.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    name: String,
    scopes: KeyScopes,
    expires_at: Option<Timestamp>,
    /// None of them: any address.
    networks: Vec<IpNet>,
}

impl KeyRequest {
    /// `name` has 1 to 64 characters and no control characters; there is at least one scope, and at most 32 networks.
    ///
    /// # Errors
    /// [`Invalid`] about `name`, `scopes`, `addresses`, or an `expires_at` past the year 9999.
    pub fn new(
        name: &str,
        scopes: KeyScopes,
        expires_at: Option<Timestamp>,
        networks: &[IpNet],
    ) -> Result<Self, Invalid> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(is_display_control) {
            let detail = "The name of a key has 1 to 64 characters, and no control characters.";
            return Err(Invalid::new("name", detail));
        }
        if scopes.is_empty() {
            return Err(Invalid::new("scopes", "A key needs at least one scope."));
        }
        if expires_at.is_some_and(|end| end.year() > MAX_YEAR) {
            return Err(Invalid::new("expires_at", "The end of a key must be before the year 10000."));
        }
        if networks.len() > MAX_NETWORKS {
            return Err(Invalid::new("addresses", "A key has at most 32 networks."));
        }
        let networks = networks.iter().map(IpNet::trunc).collect();
        Ok(Self { name: name.to_owned(), scopes, expires_at, networks })
    }
}

/// An API key as operators see it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyInfo {
    #[schema(value_type = uuid::Uuid)]
    pub id: ApiKeyId,
    #[schema(example = "shop")]
    pub name: String,
    #[schema(value_type = Vec<String>, example = json!(["users:read"]))]
    pub scopes: KeyScopes,
    /// The networks that it can be used from; none is any address.
    pub addresses: Vec<String>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    pub state: &'static str,
    /// `operator:NAME`, `user:ID` or `api_key:ID`.
    #[schema(example = "operator:root")]
    pub created_by: String,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub expires_at: Option<String>,
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub rotated_at: Option<String>,
    /// Until when the secret before the last rotation is valid, if it is.
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub previous_valid_until: Option<String>,
    /// Recorded at most once a minute.
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub last_used_at: Option<String>,
    #[schema(example = "203.0.113.7")]
    pub last_used_ip: Option<String>,
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub revoked_at: Option<String>,
}

impl ApiKeyInfo {
    fn new(key: ApiKey, now: Timestamp) -> Self {
        let state = match key.revoked_at {
            Some(_) => "revoked",
            None if key.is_active(now) => "active",
            None => "expired",
        };
        let previous = key.previous_until.filter(|until| state == "active" && *until > now);
        Self {
            scopes: key.scopes(),
            addresses: key.networks().unwrap_or_default().iter().map(IpNet::to_string).collect(),
            state,
            id: key.id,
            name: key.name,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at.map(rfc3339),
            rotated_at: key.rotated_at.map(rfc3339),
            previous_valid_until: previous.map(rfc3339),
            last_used_at: key.last_used_at.map(rfc3339),
            last_used_ip: key.last_used_ip,
            revoked_at: key.revoked_at.map(rfc3339),
        }
    }
}

/// A new key or secret, with the text that is shown once. No `Debug`: it holds a secret.
pub struct NewKey {
    pub info: ApiKeyInfo,
    pub plain: PlainApiKey,
}

impl Accounts {
    /// Creates a key.
    ///
    /// # Errors
    /// [`AdminError::BeyondOwnRights`] if it would grant more than its maker has, [`AdminError::TooManyKeys`],
    /// [`Error::Invalid`] if it would have expired already, [`Error::ApiKey`] if the caller was revoked meanwhile.
    pub async fn create_api_key(&self, request: KeyRequest, caller: &Caller) -> Result<NewKey, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                if request.expires_at.is_some_and(|end| end <= now) {
                    return Err(Invalid::new("expires_at", "The end of a key must be in the future.").into());
                }
                let KeyRequest { scopes, expires_at, ref networks, .. } = request;
                Authority::lock(conn, &caller, now)?.check_grants(&Grants {
                    scopes,
                    expires_at,
                    networks,
                })?;
                if api_keys::count_active(conn, now)? >= MOST {
                    return Err(AdminError::TooManyKeys.into());
                }
                let plain = this.0.api_key_tags.issue(ApiKeyId(this.0.clock.new_id()));
                let key = NewApiKey {
                    id: plain.id,
                    name: &request.name,
                    hash: &plain.hash(),
                    scopes: request.scopes,
                    networks: &request.networks,
                    created_by: &caller.name(),
                    expires_at: request.expires_at,
                };
                api_keys::insert(conn, &key, now)?;
                let detail = format!("{} {:?}: {}", plain.id, request.name, request.scopes);
                this.record_key(conn, &caller, Action::ApiKeyCreated, &detail, now)?;
                let key = api_keys::find(conn, plain.id)?.ok_or(Error::NotFound)?;
                Ok(NewKey { info: ApiKeyInfo::new(key, now), plain })
            })
            .await
    }

    /// Up to `limit` keys past `after`, the oldest first; those that were revoked or have expired for 30 days as well.
    pub async fn list_api_keys(&self, after: Option<ApiKeyId>, limit: i64) -> Result<Vec<ApiKeyInfo>, Error> {
        let clock = self.0.clock.clone();
        self.0
            .db
            .run(move |conn| {
                let (keys, now) = (api_keys::list(conn, after, limit)?, clock.now());
                Ok(keys.into_iter().map(|key| ApiKeyInfo::new(key, now)).collect())
            })
            .await
    }

    /// # Errors
    /// [`Error::NotFound`] if there is no such key.
    pub async fn find_api_key(&self, id: ApiKeyId) -> Result<ApiKeyInfo, Error> {
        let clock = self.0.clock.clone();
        let find = move |conn: &mut Conn| {
            let key = api_keys::find(conn, id)?.ok_or(Error::NotFound)?;
            Ok(ApiKeyInfo::new(key, clock.now()))
        };
        self.0.db.run(find).await
    }

    /// Gives a key a new secret. The one before stays valid for `overlap`, a week at most.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such key or it is not active; [`AdminError::BeyondOwnRights`] if it grants more
    /// than the key that asks; [`Error::Invalid`] if `overlap` is too long.
    pub async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        overlap: TimeDelta,
        caller: &Caller,
    ) -> Result<NewKey, Error> {
        if overlap > MAX_OVERLAP || overlap < TimeDelta::zero() {
            return Err(Invalid::new("overlap", "A replaced secret stays valid for a week at most.").into());
        }
        let (this, caller) = (self.clone(), caller.clone());
        let new = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let key = lock_other(conn, id, &caller, now)?;
                if !key.is_active(now) {
                    return Err(Error::NotFound);
                }
                let plain = this.0.api_key_tags.issue(id);
                let until = (overlap > TimeDelta::zero()).then(|| now + overlap);
                api_keys::rotate(conn, &key, &plain.hash(), until, now)?;
                this.record_key(conn, &caller, Action::ApiKeyRotated, &named(&key), now)?;
                let key = api_keys::find(conn, id)?.ok_or(Error::NotFound)?;
                Ok(NewKey { info: ApiKeyInfo::new(key, now), plain })
            })
            .await?;
        self.0.verified_keys.forget(id);
        Ok(new)
    }

    /// Revokes a key, and the open invitations that it made. Other nodes refuse it within two seconds. One that is revoked already stays so.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such key; [`AdminError::BeyondOwnRights`] if it grants more than the key that asks.
    pub async fn revoke_api_key(&self, id: ApiKeyId, caller: &Caller) -> Result<(), Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction_with_reserve(move |conn| {
                let now = this.0.clock.now();
                let key = lock_other(conn, id, &caller, now)?;
                if key.revoked_at.is_none() {
                    api_keys::revoke(conn, id, now)?;
                    invitations::revoke_by(conn, &id.to_string())?;
                    this.record_key(conn, &caller, Action::ApiKeyRevoked, &named(&key), now)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.0.verified_keys.forget(id);
        Ok(())
    }

    fn record_key(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        action: Action,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut event = caller.event(self.0.clock.new_id(), action, None);
        event.detail = Some(detail);
        Ok(audit_events::insert(conn, &event, now)?)
    }
}

fn named(key: &ApiKey) -> String {
    format!("{} {:?}", key.id, key.name)
}

/// The key to change, if it grants no more than its changer has.
fn lock_other(conn: &mut Conn, id: ApiKeyId, caller: &Caller, now: Timestamp) -> Result<ApiKey, Error> {
    if let Some(own) = caller.key {
        // In the order of their ids, like every transaction that locks several.
        for id in [own.min(id), own.max(id)] {
            api_keys::lock(conn, id)?;
        }
    }
    let authority = Authority::lock(conn, caller, now)?;
    let key = api_keys::lock(conn, id)?.ok_or(Error::NotFound)?;
    authority.check_key(&key)?;
    Ok(key)
}
