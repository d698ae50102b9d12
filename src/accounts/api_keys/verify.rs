//! Verifying API keys. A key that was verified is remembered for a second: after that its row is read again, so that a
//! revocation by another process is effective within two seconds. If the row cannot be read, the key is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::super::{Accounts, Caller, Error, KeyError};
use crate::clock::Timestamp;
use crate::directory::freshness::boot_millis;
use crate::models::api_keys::{self, ApiKey};
use crate::models::audit_events::{Action, Actor, Reason};
use doorward_core::domain::{ApiKeyId, KeyScopes};

/// How old a row may be, in milliseconds of real time.
const FRESH: u64 = 1000;

/// The same while another request reads it again.
const FRESH_WHILE_READING: u64 = 1500;

/// How often a use is recorded.
const USE_PACE: TimeDelta = TimeDelta::minutes(1);

/// Keys that are remembered. There are not so many that are active.
const MOST: usize = 5000;

/// A key that was verified for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey {
    pub id: ApiKeyId,
    pub scopes: KeyScopes,
}

/// Rows that were read lately.
#[derive(Default)]
pub(crate) struct VerifiedKeys(Mutex<HashMap<ApiKeyId, Entry>>);

struct Entry {
    key: Arc<ApiKey>,
    /// When it was read.
    read_at: u64,
    /// A request reads it again.
    reading: bool,
    use_recorded_at: Option<Timestamp>,
}

impl VerifiedKeys {
    fn lock(&self) -> MutexGuard<'_, HashMap<ApiKeyId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row that is fresh enough; else the caller has to read it.
    fn get(&self, id: ApiKeyId, now: u64) -> Option<Arc<ApiKey>> {
        let mut keys = self.lock();
        let entry = keys.get_mut(&id)?;
        let age = now.saturating_sub(entry.read_at);
        if age < FRESH || entry.reading && age < FRESH_WHILE_READING {
            return Some(Arc::clone(&entry.key));
        }
        entry.reading = true;
        None
    }

    /// Remembers a row that was read at `read_at`, unless a later one is known.
    fn insert(&self, key: &Arc<ApiKey>, read_at: u64) {
        let mut keys = self.lock();
        if keys.len() >= MOST {
            keys.clear();
        }
        let known = keys.get(&key.id);
        if known.is_some_and(|entry| entry.read_at > read_at) {
            return;
        }
        let use_recorded_at = known.and_then(|entry| entry.use_recorded_at).max(key.last_used_at);
        keys.insert(key.id, Entry { key: Arc::clone(key), read_at, reading: false, use_recorded_at });
    }

    pub(super) fn forget(&self, id: ApiKeyId) {
        self.lock().remove(&id);
    }

    /// Whether a use of the key now is to be recorded.
    fn note_use(&self, id: ApiKeyId, now: Timestamp) -> bool {
        let mut keys = self.lock();
        let Some(entry) = keys.get_mut(&id) else { return false };
        let due = entry.use_recorded_at.is_none_or(|at| now - at >= USE_PACE);
        if due {
            entry.use_recorded_at = Some(now);
        }
        due
    }
}

impl Accounts {
    /// Whether this text is an API key that was issued here, though it may have been revoked since. Makes no query.
    #[must_use]
    pub fn is_issued_api_key(&self, text: &str) -> bool {
        self.0.api_key_tags.read(text).is_some()
    }

    /// Verifies an API key that a client presented from `address`. A made-up one costs no query, any other one at most one.
    ///
    /// # Errors
    /// [`Error::ApiKey`]; [`Error::Db`] or [`Error::Query`] if its row cannot be read.
    pub async fn authenticate_api_key(
        &self,
        text: &str,
        address: IpAddr,
        caller: &Caller,
    ) -> Result<UsedKey, Error> {
        let verified = self.verify_api_key(text, address).await;
        if let Err(Error::ApiKey(error)) = &verified {
            // Named only if it was issued here: of another one the text may be a secret.
            let key = self.0.api_key_tags.read(text).map(|presented| presented.id);
            let caller = Caller { actor: Actor::ApiKey, key, ..caller.clone() };
            let reason = match error {
                KeyError::Invalid => Reason::UnknownKey,
                KeyError::Expired => Reason::Expired,
                KeyError::Revoked => Reason::Revoked,
                KeyError::Address => Reason::OtherAddress,
            };
            self.record_failure(&caller, Action::ApiKeyRefused, reason, None);
        }
        verified
    }

    async fn verify_api_key(&self, text: &str, address: IpAddr) -> Result<UsedKey, Error> {
        let presented = self.0.api_key_tags.read(text).ok_or(KeyError::Invalid)?;
        let key = self.api_key_row(presented.id).await?.ok_or(KeyError::Invalid)?;
        let now = self.0.clock.now();
        let previous =
            key.previous_hash.as_deref().filter(|_| key.previous_until.is_some_and(|end| now < end));
        if !presented.matches(&key.hash) && !previous.is_some_and(|hash| presented.matches(hash)) {
            return Err(KeyError::Invalid.into());
        }
        if key.revoked_at.is_some() {
            return Err(KeyError::Revoked.into());
        }
        if !key.is_active(now) {
            return Err(KeyError::Expired.into());
        }
        if !key.allows(address) {
            return Err(KeyError::Address.into());
        }
        if self.0.verified_keys.note_use(key.id, now) {
            self.record_use(key.id, address, now);
        }
        Ok(UsedKey { id: key.id, scopes: key.scopes() })
    }

    async fn api_key_row(&self, id: ApiKeyId) -> Result<Option<Arc<ApiKey>>, Error> {
        let now = boot_millis();
        if let Some(key) = self.0.verified_keys.get(id, now) {
            return Ok(Some(key));
        }
        let row = self.0.db.run(move |conn| Ok::<_, Error>(api_keys::find(conn, id)?)).await?;
        let Some(row) = row.map(Arc::new) else {
            self.0.verified_keys.forget(id);
            return Ok(None);
        };
        self.0.verified_keys.insert(&row, now);
        Ok(Some(row))
    }

    /// Beside the request, which does not depend on it.
    fn record_use(&self, id: ApiKeyId, address: IpAddr, now: Timestamp) {
        let db = self.0.db.clone();
        actix::spawn(async move {
            let record = move |conn: &mut crate::db::Conn| {
                Ok::<_, Error>(api_keys::record_use(conn, id, address, now)?)
            };
            if let Err(error) = db.transaction(record).await {
                tracing::warn!(%error, key = %id, "could not record that an API key is used");
            }
        });
    }
}
