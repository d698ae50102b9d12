//! A username: users sign in with it, and others see it.

use unicode_normalization::UnicodeNormalization;
use unicode_security::MixedScript;

use super::characters::{
    ZWJ, ZWNJ, is_alphanumeric, is_display_control, is_invisible, is_mark, is_nonspacing, needs_joiner,
};
use super::{Invalid, confusable};

/// In characters.
const MAX_LENGTH: usize = 32;

/// Nonspacing marks on one letter (UTS 39 section 5.4).
const MAX_MARKS: usize = 4;

const DOT_ABOVE: char = '\u{307}';

/// Letters and digits of any script with their marks, and `_`, `.` and `-` after the first character. It
/// cannot contain an `@`, so a login name with one is an address and never another user's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    folded: String,
    typed: String,
}

impl Username {
    /// Parses the name of a new account as a person typed it, without surrounding white space.
    ///
    /// # Errors
    /// `invalid_username`, with what is wrong.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        let refuse = |reason, detail: &str| {
            Err(Invalid::new("username", detail).because(reason).naming("max", &MAX_LENGTH))
        };
        let typed = composed(typed);
        let Some(first) = typed.chars().next() else {
            return refuse("missing", "A username is required.");
        };
        if typed.chars().nth(MAX_LENGTH).is_some() {
            return refuse("too_long", "A username can have at most 32 characters.");
        }
        if !is_alphanumeric(first) {
            return refuse("start", "A username must begin with a letter or a digit.");
        }
        let folded = fold(&typed);
        // Checks both forms, so that typing the folded form, which may be shown, means the same name.
        let sound = is_sound(&typed)
            && is_sound(&folded)
            && folded.chars().nth(MAX_LENGTH).is_none()
            && fold(&folded) == folded;
        if !sound {
            return refuse("characters", "A username can only have letters, digits, '_', '.' and '-'.");
        }
        Ok(Self::shown(typed, folded))
    }

    /// Parses the name of an account that may exist, including one created when more characters were allowed.
    /// `None` if the text was never a valid name.
    #[must_use]
    pub fn lookup(typed: &str) -> Option<Self> {
        let typed = composed(typed);
        let folded = fold(&typed);
        let fits = |text: &str| !text.is_empty() && text.chars().nth(MAX_LENGTH).is_none();
        let possible =
            fits(&typed) && fits(&folded) && !folded.contains(|c| c == '@' || is_display_control(c));
        possible.then(|| Self::shown(typed, folded))
    }

    /// An upper-case letter may look like one of another script although its lower-case form does not (Greek
    /// Ν and ν), so a name that mixes scripts is shown in lower case.
    fn shown(typed: String, folded: String) -> Self {
        let typed = if typed.is_single_script() { typed } else { folded.clone() };
        Self { folded, typed }
    }

    /// The unique form: lower case.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// The form to show, as it was typed; lower case if it mixes scripts.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// A form that names which look alike have in common.
    #[must_use]
    pub fn skeleton(&self) -> String {
        confusable::skeleton(&self.folded)
    }
}

/// Composes characters, so that a name typed with another keyboard is the same name (UAX 15). Keeps one
/// character more than a name may have, to notice that it is too long.
fn composed(typed: &str) -> String {
    typed.trim().nfc().take(MAX_LENGTH + 1).collect()
}

/// Folds each character on its own, because folding must not depend on the neighbours, as a final sigma's
/// would. Compatibility forms (full-width letters, ligatures) become the letters they stand for.
fn fold(typed: &str) -> String {
    typed.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Whether each character is allowed at its position.
fn is_sound(name: &str) -> bool {
    // Decomposed, so that all marks of a letter are counted.
    let chars: Vec<char> = name.nfd().collect();
    // The letter that marks belong to, and the number of its nonspacing marks so far.
    let (mut base, mut marks) = (None, 0);
    for (at, c) in chars.iter().copied().enumerate() {
        if matches!(c, ZWJ | ZWNJ) {
            if !needs_joiner(&chars[..at], c, &chars[at + 1..]) {
                return false;
            }
        } else if is_invisible(c) {
            return false;
        } else if is_alphanumeric(c) {
            (base, marks) = (Some(c), 0);
        } else if is_mark(c) {
            marks += usize::from(is_nonspacing(c));
            // A dot above a letter that has one, and the same mark twice, are invisible (UTS 39 section 5.4).
            let unseen = c == DOT_ABOVE && matches!(base, Some('i' | 'j' | 'l' | 'ı' | 'ȷ'))
                || is_nonspacing(c) && at > 0 && chars[at - 1] == c;
            if base.is_none() || unseen || marks > MAX_MARKS {
                return false;
            }
        } else if matches!(c, '_' | '.' | '-') {
            base = None;
        } else {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shown_form_signs_in_and_one_name_has_one_form() {
        let folded = |typed: &str| Username::parse(typed).map(|name| name.folded().to_owned());
        assert_eq!(folded("cafe\u{301}"), folded("caf\u{e9}"));
        assert_eq!(folded("\u{ff41}lice"), folded("alice"));
        assert_eq!(folded("\u{fb01}sher"), folded("fisher"));
        assert_eq!(folded("\u{1112}\u{1161}\u{11ab}"), folded("\u{d55c}"));
        // Its lower-case form is an i with two dots, which looks as if it had one.
        assert!(folded("\u{130}x").is_err());
    }

    #[test]
    fn a_name_that_mixes_scripts_is_shown_in_lower_case() {
        let shown = |typed: &str| Username::parse(typed).unwrap().typed().to_owned();
        for name in ["ADMI\u{39d}", "ROO\u{3a4}", "\u{41c}ODERATOR", "\u{39d}ORA"] {
            assert_eq!(shown(name), name.to_lowercase(), "{name}");
        }
        for name in ["Ždan", "Вера", "Νίκος", "東京タワー", "Ann_1"] {
            assert_eq!(shown(name), name);
        }
    }

    #[test]
    fn letters_of_any_script_are_folded_and_kept_as_typed() {
        let name = Username::parse("Žofie_99.x-y").unwrap();
        assert_eq!((name.folded(), name.typed()), ("žofie_99.x-y", "Žofie_99.x-y"));
        assert_eq!(Username::parse("ΟΔΟΣ").unwrap().folded(), Username::parse("οδοσ").unwrap().folded());
        assert!(Username::parse(&"a".repeat(32)).is_ok());
    }

    #[test]
    fn marks_and_joiners_belong_to_the_scripts_that_have_them() {
        for good in [
            "हिन्दी",
            "தமிழ்",
            "বাংলা",
            "ไทยดี",
            "မြန်မာ",
            "ខ្មែរ",
            "עִבְרִית",
            "مُحَمَّد",
            "x\u{302}y",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ශ්\u{200d}රී",
        ] {
            let name = Username::parse(good).map_err(|invalid| format!("{good}: {invalid}")).unwrap();
            assert_eq!(Username::lookup(good).as_ref(), Some(&name));
        }
        for bad in [
            "\u{93f}क",
            "\u{301}a",
            "a.\u{301}",
            "a\u{200d}b",
            "a\u{200c}b",
            "ab\u{200d}",
            "a\u{302}\u{302}",
            "i\u{307}x",
            "a\u{302}\u{303}\u{306}\u{30a}\u{30c}\u{311}",
        ] {
            assert_eq!(Username::parse(bad).unwrap_err().field, "username", "{bad:?}");
        }
    }

    #[test]
    fn white_space_around_a_name_is_not_part_of_it() {
        for typed in [" alice", "alice\u{a0}", "\talice\t", "\u{3000}alice\r\n", "alice\u{2003}"] {
            assert_eq!(Username::parse(typed).unwrap().folded(), "alice", "{typed:?}");
            assert_eq!(Username::lookup(typed).unwrap().folded(), "alice", "{typed:?}");
        }
        assert!(Username::parse(&format!(" {} ", "a".repeat(32))).is_ok());
    }

    #[test]
    fn an_invalid_name_is_refused() {
        for bad in [
            "",
            " ",
            "_a",
            ".",
            "-x",
            "a b",
            "a\u{a0}b",
            "a@b",
            "a\0",
            "a\nb",
            "a/b",
            "\u{3164}\u{3164}\u{3164}",
            "alice\u{3164}",
            "alice\u{ffa0}",
            "\u{115f}a",
            "al\u{ad}ice",
            "alice\u{200b}",
            "\u{feff}alice",
            "alice\u{fe0f}",
            "alice\u{202e}",
            "alice\u{200e}",
            "alice\u{e0061}",
            "a\u{34f}b",
            "ខ\u{17b4}",
            "a\u{e000}",
            "a\u{378}",
            "a\u{2800}",
            "🅰",
            &"a".repeat(33),
        ] {
            assert_eq!(Username::parse(bad).unwrap_err().field, "username", "{bad:?}");
        }
    }

    #[test]
    fn a_name_that_was_once_allowed_is_still_found() {
        for old in ["\u{3164}\u{3164}\u{3164}", "alice\u{3164}", "\u{1f170}", "\u{93f}"] {
            assert!(Username::parse(old).is_err() && Username::lookup(old).is_some(), "{old:?}");
        }
        for never in ["", " ", "a\0b", "a@b", "a\u{202e}b", &"a".repeat(33)] {
            assert_eq!(Username::lookup(never), None, "{never:?}");
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
                let typed: String = text.trim().nfc().collect();
                prop_assert!(name.typed() == typed || name.typed() == name.folded());
                prop_assert!(!name.folded().contains(|c: char| c == '@' || c.is_whitespace() || is_display_control(c)));
                prop_assert_eq!(Username::lookup(&text), Some(name));
            }
        }
    }
}
