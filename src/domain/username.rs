//! A user's name: what one signs in with, and what others see.

use super::Invalid;

/// In characters.
const MAX_LENGTH: usize = 32;

/// Letters and digits of any script, and `_`, `.` and `-` after the first. It cannot hold an `@`, so a login
/// name with one is an address and never somebody else's username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    folded: String,
    typed: String,
}

impl Username {
    /// Reads what a person typed; nothing is trimmed.
    ///
    /// # Errors
    /// `invalid_username`, with what is wrong.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let refuse = |detail: &str| Err(Invalid::new("invalid_username", detail));
        let Some(first) = typed.chars().next() else {
            return refuse("A username is needed.");
        };
        if typed.chars().nth(MAX_LENGTH).is_some() {
            return refuse("A username has at most 32 characters.");
        }
        if !first.is_alphanumeric() {
            return refuse("A username begins with a letter or a digit.");
        }
        if !typed.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')) {
            return refuse("A username has only letters, digits, '_', '.' and '-'.");
        }
        // A character at a time: folding must not depend on the neighbours, as a final sigma's would.
        let folded = typed.chars().flat_map(char::to_lowercase).collect();
        Ok(Self { folded, typed: typed.to_owned() })
    }

    /// The form that is unique: lower case.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// The form that is shown, as it was typed.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_of_any_script_are_folded_and_kept_as_typed() {
        let name = Username::parse("Žofie_99.x-y").unwrap();
        assert_eq!((name.folded(), name.typed()), ("žofie_99.x-y", "Žofie_99.x-y"));
        assert_eq!(Username::parse("ΟΔΟΣ").unwrap().folded(), Username::parse("οδοσ").unwrap().folded());
        assert!(Username::parse(&"a".repeat(32)).is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", " ", "_a", ".", "-x", "a b", "a@b", "a\0", "a\n", "a/b", &"a".repeat(33)] {
            assert_eq!(Username::parse(bad).unwrap_err().code, "invalid_username", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(name.typed(), text);
                prop_assert!(!name.folded().contains(char::is_whitespace));
                prop_assert!(!name.folded().contains('@'));
            }
        }
    }
}
