//! The keys: made at the first start, read at every other start and again while the server runs, changed by rotation.
//!
//! When each key is used follows from the rows alone, so that all nodes agree: the newest key that is older than
//! [`LEAD`] signs; the keys before it verify until the last token that they signed has expired.

use chrono::TimeDelta;
use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::authority::Authority;
use super::{Accounts, Caller, Error};
use crate::auth::keys::Keyring;
use crate::auth::refresh::CredentialKeys;
use crate::auth::signing_key::{DamagedKey, SigningKey};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::config::SigningAlgorithm;
use crate::db::Conn;
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::signing_keys::{self, Secret, StoredKey, StoredSecret};

/// How long a key is published before it signs: longer than the set of keys may be cached elsewhere, and than
/// another node takes to read it.
const LEAD: TimeDelta = TimeDelta::minutes(6);

/// A key that no longer verifies anything is kept a little longer, for a node whose clock is behind.
const DESTROY_AFTER: TimeDelta = TimeDelta::hours(1);

pub(super) struct Keys {
    pub keyring: Keyring,
    pub credentials: CredentialKeys,
    /// Since when credentials carry a tag, if there were credentials before.
    pub tagged_since: Option<Timestamp>,
}

/// What a key is for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It is published, and signs soon.
    Next,
    Signing,
    /// It only verifies what it signed.
    Retiring,
    /// It is no longer used, and is destroyed soon.
    Retired,
}

/// A key as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct KeyInfo {
    #[schema(example = "Yk1qzJ...")]
    pub kid: String,
    #[schema(value_type = String, example = "EdDSA")]
    pub algorithm: SigningAlgorithm,
    #[schema(value_type = String, example = "signing")]
    pub state: KeyState,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
}

/// The states of keys, which come with the oldest first.
fn states(created: &[Timestamp], now: Timestamp, access_ttl: TimeDelta) -> Vec<KeyState> {
    // At the first start there is one, and no client has cached a set yet.
    let signing = created.iter().rposition(|created| *created + LEAD <= now).unwrap_or(0);
    created
        .iter()
        .enumerate()
        .map(|(index, _)| match index.cmp(&signing) {
            std::cmp::Ordering::Greater => KeyState::Next,
            std::cmp::Ordering::Equal => KeyState::Signing,
            // Its successor has signed since then.
            std::cmp::Ordering::Less if created[index + 1] + LEAD + access_ttl > now => KeyState::Retiring,
            std::cmp::Ordering::Less => KeyState::Retired,
        })
        .collect()
}

fn with_states(rows: Vec<StoredKey>, now: Timestamp, access_ttl: TimeDelta) -> Vec<(StoredKey, KeyState)> {
    let created: Vec<Timestamp> = rows.iter().map(|row| row.created_at).collect();
    rows.into_iter().zip(states(&created, now, access_ttl)).collect()
}

/// The keys in use; none if there are no rows.
fn keyring(
    rows: Vec<StoredKey>,
    now: Timestamp,
    access_ttl: TimeDelta,
) -> Result<Option<Keyring>, DamagedKey> {
    let (mut current, mut others) = (None, Vec::new());
    let read = |row: &StoredKey| SigningKey::from_stored(row.algorithm, &row.key);
    for (row, state) in with_states(rows, now, access_ttl) {
        match state {
            KeyState::Signing => current = Some(read(&row)?),
            KeyState::Next | KeyState::Retiring => others.push(read(&row)?),
            KeyState::Retired => {}
        }
    }
    Ok(current.map(|current| Keyring::new(current, others)))
}

/// Reads the keys, or makes those that are missing. To be called in a transaction that writes, so that of two nodes that
/// start on an empty database one makes them and the other reads them.
pub(super) fn load_or_create(
    conn: &mut Conn,
    algorithm: SigningAlgorithm,
    now: Timestamp,
    access_ttl: TimeDelta,
) -> Result<Keys, Error> {
    signing_keys::lock(conn)?;
    let rows = signing_keys::all(conn)?;
    let keyring = match keyring(rows, now, access_ttl)? {
        Some(keyring) => keyring,
        None => Keyring::new(make(conn, algorithm, now)?, Vec::new()),
    };
    let chain = find_or_make(conn, "refresh", Secret::HmacSha256, now)?;
    // Made together, unless an earlier version has made the first.
    let tags = find_or_make(conn, "tags", Secret::CredentialTag, now)?;
    Ok(Keys {
        keyring,
        credentials: CredentialKeys::from_stored(&chain.key, &tags.key)?,
        tagged_since: Some(tags.created_at).filter(|since| *since > chain.created_at),
    })
}

fn find_or_make(conn: &mut Conn, kid: &str, secret: Secret, now: Timestamp) -> QueryResult<StoredSecret> {
    if let Some(row) = signing_keys::secret(conn, secret)? {
        return Ok(row);
    }
    let key = CredentialKeys::generate_stored();
    signing_keys::insert_secret(conn, kid, secret, &key, now)?;
    Ok(StoredSecret { key, created_at: now })
}

fn make(conn: &mut Conn, algorithm: SigningAlgorithm, now: Timestamp) -> Result<SigningKey, Error> {
    let key = SigningKey::generate(algorithm)?;
    let row = StoredKey { kid: key.kid().to_owned(), algorithm, key: key.stored(), created_at: now };
    signing_keys::insert(conn, &row)?;
    tracing::info!(kid = key.kid(), algorithm = algorithm.name(), "made a signing key");
    Ok(key)
}

/// Destroys the keys that have been retired for a while.
pub(super) fn purge(conn: &mut Conn, now: Timestamp, access_ttl: TimeDelta) -> Result<usize, Error> {
    signing_keys::lock(conn)?;
    let rows = signing_keys::all(conn)?;
    let done = with_states(rows, now - DESTROY_AFTER, access_ttl).into_iter();
    let kids: Vec<String> =
        done.filter(|(_, state)| *state == KeyState::Retired).map(|(row, _)| row.kid).collect();
    if kids.is_empty() { Ok(0) } else { Ok(signing_keys::delete(conn, &kids)?) }
}

impl Accounts {
    /// Reads the signing keys again: another process may have changed them, and their states change with time.
    ///
    /// # Errors
    /// [`Error::Db`], [`Error::Query`] or [`Error::DamagedKey`]; the keys before stay in use.
    pub async fn reread_keys(&self) -> Result<(), Error> {
        let this = self.clone();
        self.0
            .db
            .run(move |conn| {
                let rows = signing_keys::all(conn)?;
                // If there is none, the next start makes one; until then those that are known stay in use.
                if let Some(keyring) = keyring(rows, this.0.clock.now(), this.0.access_ttl)? {
                    this.0.tokens.use_keyring(keyring);
                }
                Ok(())
            })
            .await
    }

    /// The signing keys, the newest first.
    pub async fn list_keys(&self) -> Result<Vec<KeyInfo>, Error> {
        let this = self.clone();
        self.0
            .db
            .run(move |conn| {
                let rows = signing_keys::all(conn)?;
                let keys = with_states(rows, this.0.clock.now(), this.0.access_ttl).into_iter().rev();
                Ok(keys
                    .map(|(row, state)| KeyInfo {
                        kid: row.kid,
                        algorithm: row.algorithm,
                        state,
                        created_at: row.created_at,
                    })
                    .collect())
            })
            .await
    }

    /// Makes a new signing key as a rotation does, if the newest one is for another algorithm than
    /// `tokens.algorithm`. Tokens that were issued stay valid.
    ///
    /// # Errors
    /// [`Error::Randomness`], [`Error::Db`] or [`Error::Query`]; then nothing has changed.
    pub async fn adopt_algorithm(&self) -> Result<(), Error> {
        let this = self.clone();
        let made = self
            .0
            .db
            .transaction(move |conn| {
                signing_keys::lock(conn)?;
                let newest = signing_keys::all(conn)?.pop();
                if newest.is_none_or(|newest| newest.algorithm == this.0.algorithm) {
                    return Ok(false);
                }
                let now = this.0.clock.now();
                make(conn, this.0.algorithm, now)?;
                let event = NewEvent::of_server(this.0.clock.new_id(), Action::KeysRotated, None);
                audit_events::insert(conn, &event, now)?;
                Ok::<_, Error>(true)
            })
            .await?;
        if made { self.reread_keys().await } else { Ok(()) }
    }

    /// Makes a new signing key, which takes over soon; or `at_once`, destroying all others: access tokens that
    /// they signed are refused, and clients refresh.
    ///
    /// # Errors
    /// [`Error::Randomness`], [`Error::Db`] or [`Error::Query`]; [`Error::ApiKey`] or [`Error::Token`] if the caller may no
    /// longer do it. Then nothing has changed.
    pub async fn rotate_keys(&self, at_once: bool, caller: &Caller) -> Result<(), Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction_with_reserve(move |conn| {
                let now = this.0.clock.now();
                Authority::lock(conn, &caller, now)?;
                signing_keys::lock(conn)?;
                if at_once {
                    let rows = signing_keys::all(conn)?;
                    let kids: Vec<String> = rows.into_iter().map(|row| row.kid).collect();
                    signing_keys::delete(conn, &kids)?;
                }
                make(conn, this.0.algorithm, now)?;
                this.record(conn, &caller, Action::KeysRotated, None, now)?;
                Ok::<_, Error>(())
            })
            .await?;
        if let Err(error) = self.reread_keys().await {
            // It is done: the poll reads them within a second.
            tracing::warn!(%error, "could not read the signing keys after their rotation");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_then_signs_then_only_verifies() {
        let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap().naive_utc();
        let ttl = TimeDelta::minutes(15);
        let at = |minutes: i64, created: &[i64]| {
            let created: Vec<_> = created.iter().map(|minute| start + TimeDelta::minutes(*minute)).collect();
            states(&created, start + TimeDelta::minutes(minutes), ttl)
        };
        assert_eq!(at(0, &[0]), [KeyState::Signing]);
        assert_eq!(at(1000, &[0]), [KeyState::Signing]);
        // The second one is made at 100.
        assert_eq!(at(105, &[0, 100]), [KeyState::Signing, KeyState::Next]);
        assert_eq!(at(106, &[0, 100]), [KeyState::Retiring, KeyState::Signing]);
        assert_eq!(at(120, &[0, 100]), [KeyState::Retiring, KeyState::Signing]);
        assert_eq!(at(121, &[0, 100]), [KeyState::Retired, KeyState::Signing]);
        // Twice within the lead: neither signs before its time.
        assert_eq!(at(3, &[0, 1, 2]), [KeyState::Signing, KeyState::Next, KeyState::Next]);
        assert_eq!(at(7, &[0, 1, 2]), [KeyState::Retiring, KeyState::Signing, KeyState::Next]);
        assert_eq!(at(22, &[0, 1, 2]), [KeyState::Retired, KeyState::Retiring, KeyState::Signing]);
        assert_eq!(at(0, &[]), []);
    }
}
