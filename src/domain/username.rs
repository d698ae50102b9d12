//! A user's name: what one signs in with, and what others see.

use unicode_normalization::UnicodeNormalization;

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
        // Composed: the same name typed with another keyboard is the same name (Unicode Standard Annex 15).
        let typed: String = typed.nfc().take(MAX_LENGTH + 1).collect();
        let Some(first) = typed.chars().next() else {
            return refuse("A username is needed.");
        };
        if typed.chars().nth(MAX_LENGTH).is_some() {
            return refuse("A username has at most 32 characters.");
        }
        if !first.is_alphanumeric() {
            return refuse("A username begins with a letter or a digit.");
        }
        // A character at a time: folding must not depend on the neighbours, as a final sigma's would.
        // Compatibility forms (full-width letters, ligatures) are the letters they stand for.
        let folded: String = typed.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        // Both, so that whoever types the folded form, which is the one that is shown, means the same name.
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !typed.chars().chain(folded.chars()).all(allowed) || folded.chars().nth(MAX_LENGTH).is_some() {
            return refuse("A username has only letters, digits, '_', '.' and '-'.");
        }
        Ok(Self { folded, typed })
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
    fn what_is_shown_signs_in_and_one_name_has_one_form() {
        let folded = |typed: &str| Username::parse(typed).map(|name| name.folded().to_owned());
        assert_eq!(folded("cafe\u{301}"), folded("caf\u{e9}"));
        assert_eq!(folded("\u{ff41}lice"), folded("alice"));
        assert_eq!(folded("\u{fb01}sher"), folded("fisher"));
        assert_eq!(folded("\u{1112}\u{1161}\u{11ab}"), folded("\u{d55c}"));
        // Its small form is two characters, of which one is no letter.
        assert!(folded("\u{130}x").is_err());
    }

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
        fn folding_again_changes_nothing(typed in "\\PC{1,12}") {
            if let Ok(name) = Username::parse(&typed) {
                let again = Username::parse(name.folded());
                prop_assert_eq!(again.map(|name| name.folded().to_owned()), Ok(name.folded().to_owned()));
            }
        }

        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(name.typed(), text.nfc().collect::<String>());
                prop_assert!(!name.folded().contains(char::is_whitespace));
                prop_assert!(!name.folded().contains('@'));
            }
        }
    }
}
