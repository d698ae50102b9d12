//! With whose rights a change is made, as the rows say inside the transaction of the change: the guard of a route has decided earlier,
//! and a key may have been revoked since, or a role taken away.

use diesel::QueryResult;
use ipnet::IpNet;

use super::error::GONE;
use super::key_error::{Beyond, KeyError};
use super::{AdminError, Caller, Error};
use crate::auth::tokens::TokenError;
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::api_keys::{self, ApiKey};
use crate::models::audit_events::Actor;
use crate::models::logins;
use crate::models::users::{self, User};
use doorward_core::domain::{ADMIN, KeyScope, KeyScopes};

/// The name that all changes of roles and claims lock, and all that may take an administrator away. So the numbers of
/// changes are in the order of their commits, and of two administrators who remove each other one stays. It is locked
/// before any row. A change that an administrator makes shares it: until it has ended, the role stays.
const LOCK: &str = "roles and claims";

/// With whose rights a change is made.
pub(super) enum Authority {
    /// The command line, an invitation that it made, or the application that embeds Doorward: may do everything.
    Operator,
    /// A user with the role `admin`: may do everything as well.
    Admin,
    /// What this key has.
    Key(Box<ApiKey>),
}

/// What a key grants, or a role.
pub(super) struct Grants<'a> {
    pub scopes: KeyScopes,
    pub expires_at: Option<Timestamp>,
    /// None of them: any address.
    pub networks: &'a [IpNet],
}

impl Authority {
    /// Reads who the caller is now. A key and the role of a user stay as they are until the transaction ends; a login may
    /// be revoked in the meantime. After [`lock_admins`] if the transaction needs that, and before any row but those of
    /// keys.
    ///
    /// # Errors
    /// [`Error::ApiKey`] if the key was revoked or has expired since; [`Error::Token`] if the user is no longer signed in
    /// or no longer an administrator.
    pub fn lock(conn: &mut Conn, caller: &Caller, now: Timestamp) -> Result<Self, Error> {
        if caller.is_application {
            return Ok(Self::Operator);
        }
        match (caller.actor, caller.key, caller.user, caller.login) {
            (Actor::Operator, ..) => Ok(Self::Operator),
            (Actor::ApiKey, Some(id), ..) => {
                let key = api_keys::lock_shared(conn, id)?.ok_or(KeyError::Invalid)?;
                match key.revoked_at {
                    Some(_) => Err(KeyError::Revoked.into()),
                    None if !key.is_active(now) => Err(KeyError::Expired.into()),
                    None => Ok(Self::Key(Box::new(key))),
                }
            }
            (Actor::User, _, Some(user), Some(login)) => {
                db::lock_name_shared(conn, LOCK)?;
                if let Some(inactive) = logins::inactive_among(conn, &[login])?.first() {
                    return Err(TokenError::Revoked(inactive.reason).into());
                }
                let user = users::find_active(conn, user)?.ok_or(GONE)?;
                // The token is from before the change.
                if user.rights().roles.has(ADMIN) {
                    Ok(Self::Admin)
                } else {
                    Err(TokenError::StaleClaims.into())
                }
            }
            _ => Err(TokenError::Invalid.into()),
        }
    }

    /// # Errors
    /// [`AdminError::MissingScope`] if it is a key without this scope.
    pub fn require(&self, scope: KeyScope) -> Result<(), Error> {
        match self {
            Self::Key(key) if !key.scopes().contains(scope) => Err(AdminError::MissingScope(scope).into()),
            Self::Operator | Self::Admin | Self::Key(_) => Ok(()),
        }
    }

    /// This time, or when the caller's key ends, if that is earlier: what a key makes ends with it.
    pub fn ends_before(&self, at: Timestamp) -> Timestamp {
        match self {
            Self::Key(key) => key.expires_at.map_or(at, |end| end.min(at)),
            Self::Operator | Self::Admin => at,
        }
    }

    /// Whether the caller may change the address of this user, and take their account away or give it back. For an
    /// administrator's that needs more: a client that can read an administrator's emails can become one by a password
    /// reset.
    ///
    /// # Errors
    /// [`AdminError::MissingScope`] if it is an administrator's and the key lacks `roles:write`.
    pub fn check_subject(&self, user: &User) -> Result<(), Error> {
        if user.rights().roles.has(ADMIN) { self.require(KeyScope::RolesWrite) } else { Ok(()) }
    }

    /// Whether the caller may give the role `admin`, and take it away.
    ///
    /// # Errors
    /// [`AdminError::AdminBeyondOwnRights`] if it is a key that grants less than an administrator has.
    pub fn check_admin_role(&self) -> Result<(), Error> {
        // What the keys can have that an administrator makes.
        let all = Grants { scopes: KeyScopes::all(), expires_at: None, networks: &[] };
        self.exceeded_by(&all).map_or(Ok(()), |beyond| Err(AdminError::AdminBeyondOwnRights(beyond).into()))
    }

    /// Whether the caller may make a key that grants this.
    ///
    /// # Errors
    /// [`AdminError::BeyondOwnRights`] if it is a key that has less.
    pub fn check_grants(&self, grants: &Grants<'_>) -> Result<(), Error> {
        self.exceeded_by(grants).map_or(Ok(()), |beyond| Err(AdminError::BeyondOwnRights(beyond).into()))
    }

    /// Whether the caller may change this key: the new secret of a stronger key would be a way to its rights.
    ///
    /// # Errors
    /// [`AdminError::BeyondOwnRights`] if it is a key that has less.
    pub fn check_key(&self, key: &ApiKey) -> Result<(), Error> {
        if let Self::Key(own) = self
            && key.unknown_scopes().any(|scope| own.unknown_scopes().all(|known| known != scope))
        {
            return Err(AdminError::BeyondOwnRights(Beyond::UnknownScopes).into());
        }
        let networks = key.networks();
        self.check_grants(&Grants {
            scopes: key.scopes(),
            expires_at: key.expires_at,
            networks: networks.as_deref().unwrap_or_default(),
        })
    }

    /// In what this is more than the caller has.
    fn exceeded_by(&self, grants: &Grants<'_>) -> Option<Beyond> {
        let Self::Key(key) = self else { return None };
        let missing = grants.scopes.without(key.scopes());
        if !missing.is_empty() {
            return Some(Beyond::Scopes(missing));
        }
        if key.expires_at.is_some_and(|last| grants.expires_at.is_none_or(|end| end > last)) {
            return Some(Beyond::End);
        }
        let covers = |outer: &[IpNet]| {
            let within = |net: &IpNet| outer.iter().any(|outer| outer.contains(net));
            !grants.networks.is_empty() && grants.networks.iter().all(within)
        };
        key.networks().is_some_and(|networks| !covers(&networks)).then_some(Beyond::Addresses)
    }
}

/// Locks out other transactions that may take an administrator away, until this one ends. Before any row is locked.
pub(super) fn lock_admins(conn: &mut Conn) -> QueryResult<()> {
    db::lock_name(conn, LOCK)
}
