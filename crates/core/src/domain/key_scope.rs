//! What an API key may do.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Invalid;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One right of an API key (RFC 6749 section 3.3). A user with the role `admin` has all of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum KeyScope {
            $($(#[$doc])* $name,)*
        }

        impl KeyScope {
            /// All of them, in the order in which they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

scopes! {
    /// Lists and shows users.
    UsersRead = "users:read",
    /// Creates users, changes their names and addresses, enables them, and starts password resets.
    UsersWrite = "users:write",
    /// Signs users out, disables and deletes them.
    UsersEnd = "users:end",
    /// Changes roles and claims.
    RolesWrite = "roles:write",
    /// Lists where users are signed in, and their live sessions.
    SessionsRead = "sessions:read",
    /// Asks whether a token is active (RFC 7662).
    TokensIntrospect = "tokens:introspect",
    /// Revokes the login of a token (RFC 7009).
    TokensRevoke = "tokens:revoke",
    /// Follows changes of users and logins.
    EventsRead = "events:read",
    /// Reads the audit trail.
    AuditRead = "audit:read",
    /// Lists API keys.
    KeysRead = "keys:read",
    /// Creates, rotates and revokes API keys that can do no more than this one.
    KeysWrite = "keys:write",
    /// Reads counts of users, logins and sessions.
    StatsRead = "stats:read",
    /// Lists the keys that sign access tokens.
    SigningKeysRead = "signing-keys:read",
    /// Makes new keys that sign access tokens, and destroys the others.
    SigningKeysWrite = "signing-keys:write",
    /// Lists rooms, their members and bans.
    RoomsRead = "rooms:read",
    /// Changes members and bans, and puts sessions out of rooms.
    RoomsWrite = "rooms:write",
}

impl KeyScope {
    /// # Errors
    /// `invalid_scopes` if there is no such scope.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == word).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            Invalid::new("scopes", format!("A scope is one of {}.", all.join(", ")))
        })
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyScopes(u32);

impl KeyScopes {
    /// Every scope.
    #[must_use]
    pub fn all() -> Self {
        KeyScope::ALL.iter().copied().collect()
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn contains(self, scope: KeyScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Those that `other` lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = KeyScope> {
        KeyScope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }

    /// Reads the stored form: words with spaces between them. A scope that a newer version has added grants nothing here.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        text.split(' ').filter_map(|word| KeyScope::parse(word).ok()).collect()
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<I: IntoIterator<Item = KeyScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

/// Words with spaces between them (RFC 6749 section 3.3), which is also the stored form.
impl fmt::Display for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl Serialize for KeyScopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_stored_and_read_back() {
        let some: KeyScopes = [KeyScope::UsersEnd, KeyScope::KeysRead].into_iter().collect();
        assert_eq!(some.to_string(), "users:end keys:read");
        assert_eq!(KeyScopes::from_stored(&some.to_string()), some);
        assert_eq!(KeyScopes::from_stored("users:end keys:read moon:land"), some);
        assert_eq!(KeyScopes::from_stored(""), KeyScopes::default());
        let all = KeyScopes::all();
        assert_eq!(KeyScopes::from_stored(&all.to_string()), all);
        assert!(some.without(all).is_empty() && !all.without(some).is_empty());
        assert!(KeyScope::ALL.iter().all(|scope| KeyScope::parse(scope.as_str()) == Ok(*scope)));
        assert!(KeyScope::parse("users").is_err());
    }
}
