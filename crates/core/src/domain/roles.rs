//! Roles: names that an application gives to what a user may do.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::Invalid;

/// The role whose users may use the admin API.
pub const ADMIN: &str = "admin";

/// The name of a role: 1 to 64 characters of `a` to `z`, `0` to `9`, `_`, `.`, `:` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoleName(String);

impl RoleName {
    pub const MAX_LENGTH: usize = 64;

    /// White space around the name is removed.
    ///
    /// # Errors
    /// [`Invalid`] about `roles` if it is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = text.trim();
        let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.:-".contains(&b);
        if name.is_empty() || name.len() > Self::MAX_LENGTH || !name.bytes().all(is_allowed) {
            let detail = format!(
                "The name of a role has 1 to {} characters: a to z, 0 to 9, and any of _ . : -",
                Self::MAX_LENGTH
            );
            return Err(Invalid::new("roles", detail));
        }
        Ok(Self(name.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// At most [`Roles::MAX`] roles, sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Roles(Vec<RoleName>);

impl Roles {
    pub const MAX: usize = 32;

    /// Sorts the names; one that is repeated counts once.
    ///
    /// # Errors
    /// [`Invalid`] about `roles` if there are too many.
    pub fn new(names: impl IntoIterator<Item = RoleName>) -> Result<Self, Invalid> {
        let mut names: Vec<RoleName> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > Self::MAX {
            return Err(Invalid::new("roles", format!("A user can have at most {} roles.", Self::MAX)));
        }
        names.shrink_to_fit();
        Ok(Self(names))
    }

    /// # Errors
    /// As [`RoleName::parse`] and [`Roles::new`].
    pub fn parse<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self, Invalid> {
        let names = names.into_iter().map(|name| RoleName::parse(name.as_ref()));
        Self::new(names.collect::<Result<Vec<_>, _>>()?)
    }

    #[must_use]
    pub fn has(&self, role: &str) -> bool {
        self.0.binary_search_by(|name| name.as_str().cmp(role)).is_ok()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(RoleName::as_str)
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Names that a token or a message carries.
impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Vec::<String>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Separated by commas, as a person reads them.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.iter();
        if let Some(first) = names.next() {
            f.write_str(first)?;
        }
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

/// A change of a user's roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolesChange {
    Replace(Roles),
    /// Adds and removes roles; one that is in both is removed.
    Edit {
        add: Vec<RoleName>,
        remove: Vec<RoleName>,
    },
}

impl RolesChange {
    /// The roles after the change.
    ///
    /// # Errors
    /// As [`Roles::new`].
    pub fn apply(&self, roles: &Roles) -> Result<Roles, Invalid> {
        match self {
            Self::Replace(roles) => Ok(roles.clone()),
            Self::Edit { add, remove } => {
                let names = roles.0.iter().chain(add).filter(|name| !remove.contains(name));
                Roles::new(names.cloned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn roles(names: &[&str]) -> Roles {
        Roles::parse(names).unwrap()
    }

    #[test]
    fn names_have_few_characters_and_a_bound() {
        let long = "x".repeat(RoleName::MAX_LENGTH);
        for good in ["admin", "a", "9", "team:red", "org.unit-7_x", &long, " padded "] {
            assert_eq!(RoleName::parse(good).unwrap().as_str(), good.trim());
        }
        let longer = "x".repeat(RoleName::MAX_LENGTH + 1);
        for bad in ["", " ", "Admin", "a b", "rôle", "a,b", "a\"b", "a/b", "a\0", &longer] {
            assert_eq!(RoleName::parse(bad).unwrap_err().field, "roles", "{bad:?}");
        }
    }

    #[test]
    fn roles_are_sorted_unique_and_bounded() {
        let some = roles(&["b", "a", "b"]);
        assert_eq!(some.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(some.has("a") && some.has("b") && !some.has("c"));
        assert_eq!(some.to_string(), "a, b");
        let many = |count: usize| Roles::parse((0..count).map(|n| format!("r{n}")));
        assert!(many(Roles::MAX).is_ok() && many(Roles::MAX + 1).is_err());
        assert!(serde_json::from_str::<Roles>(r#"["B"]"#).is_err());
        assert_eq!(serde_json::from_str::<Roles>(r#"["b","a"]"#).unwrap(), some);
    }

    #[test]
    fn an_edit_adds_and_removes() {
        let edit = |add: &[&str], remove: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| RoleName::parse(name).unwrap()).collect();
            RolesChange::Edit { add: names(add), remove: names(remove) }
        };
        let before = roles(&["a", "b"]);
        assert_eq!(edit(&["c"], &["a"]).apply(&before).unwrap(), roles(&["b", "c"]));
        assert_eq!(edit(&["a"], &["x"]).apply(&before).unwrap(), before);
        assert_eq!(edit(&["c"], &["c"]).apply(&before).unwrap(), before, "removed wins");
        assert_eq!(RolesChange::Replace(roles(&["z"])).apply(&before).unwrap(), roles(&["z"]));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_read_back(names in prop::collection::vec("[a-z0-9_.:-]{1,64}", 0..32)) {
            let roles = Roles::parse(&names).unwrap();
            let text = serde_json::to_string(&roles).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Roles>(&text).unwrap(), &roles);
            prop_assert!(names.iter().all(|name| roles.has(name)));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = RoleName::parse(&text);
            let _ = serde_json::from_str::<Roles>(&text);
        }
    }
}
