//! Names that look alike (UTS 39 section 4).

use unicode_normalization::UnicodeNormalization;

use super::characters::is_invisible;

/// Only lengthens a word.
pub(super) const TATWEEL: char = '\u{640}';

/// A form that names which look alike have in common. Only characters beyond ASCII are replaced by what they
/// look like: `modern` and `modem`, `user1` and `userl` stay different names, and the skeleton of an ASCII
/// name is the name itself. The skeleton is stored: when a newer version of Unicode changes its data,
/// existing names keep their older skeleton.
pub(super) fn skeleton(folded: &str) -> String {
    let mut prototype = String::with_capacity(folded.len());
    for c in folded.nfd() {
        if c.is_ascii() {
            prototype.push(c);
        } else if !is_invisible(c) && c != TATWEEL {
            let before = prototype.len();
            prototype.extend(unicode_security::skeleton(c.encode_utf8(&mut [0; 4])));
            // The data uses the two letters for everything that looks like the one.
            if &prototype[before..] == "rn" {
                prototype.replace_range(before.., "m");
            }
        }
    }
    // A prototype may be an upper-case letter.
    prototype.chars().flat_map(char::to_lowercase).nfd().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Username;
    use super::*;

    fn of(name: &str) -> String {
        Username::parse(name).unwrap().skeleton()
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (other, ascii) in [
            ("\u{430}lice", "alice"),
            ("\u{410}LICE", "alice"),
            ("аӏісе", "alice"),
            ("sсоре", "scope"),
            ("pаypаl", "paypal"),
            ("ο\u{3c5}ρ", "oup"),
            ("bоb", "bob"),
            ("ѕаm", "sam"),
            ("d\u{131}ana", "diana"),
        ] {
            assert_eq!(of(other), ascii, "{other}");
        }
        // Arabic and Persian letters of one shape, with a joiner and without.
        assert_eq!(of("عل\u{64a}"), of("عل\u{6cc}"));
        assert_eq!(of("علی\u{200c}رضا"), of("علیرضا"));
        assert_eq!(of("محـمد"), of("محمد"));
    }

    #[test]
    fn other_names_stay_other_names() {
        for (one, other) in [
            ("modern", "modem"),
            ("user1", "userl"),
            ("o0", "oo"),
            ("zoë", "zoe"),
            ("müller", "muller"),
            ("иван", "ivan"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn the_skeleton_of_an_ascii_name_is_the_name(name in "[a-z0-9][a-z0-9._-]{0,31}") {
            prop_assert_eq!(of(&name), name);
        }

        #[test]
        fn a_skeleton_never_panics(text in any::<String>()) {
            drop(skeleton(&text));
        }
    }
}
