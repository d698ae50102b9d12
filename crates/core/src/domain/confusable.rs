//! Names that look alike, and names that speak for the operator (UTS 39 section 4).

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::characters::{is_invisible, is_mark};

/// It only makes a word longer.
const TATWEEL: char = '\u{640}';

/// Names that a stranger would take for the operator's: the mailboxes of RFC 2142 and RFC 6650, accounts of systems, and
/// what services call those who run them.
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "administration",
    "administrator",
    "administrators",
    "admins",
    "billing",
    "contact",
    "daemon",
    "doorward",
    "ftp",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "legal",
    "localhost",
    "mail",
    "mailer-daemon",
    "marketing",
    "moderator",
    "moderators",
    "mods",
    "news",
    "no-reply",
    "nobody",
    "noc",
    "null",
    "official",
    "operator",
    "owner",
    "password",
    "postmaster",
    "privacy",
    "root",
    "sales",
    "security",
    "service",
    "staff",
    "superadmin",
    "superuser",
    "support",
    "sysadmin",
    "sysop",
    "system",
    "team",
    "trouble",
    "undefined",
    "usenet",
    "uucp",
    "webmaster",
    "www",
];

/// What folded names that look alike have in common. Only characters beyond ASCII become those that they look like:
/// `modern` and `modem`, `user1` and `userl` stay different names, and the skeleton of an ASCII name is the name. It is
/// stored: where a newer version of Unicode changes its data, names that are there keep the older skeleton.
pub(super) fn skeleton(folded: &str) -> String {
    let mut prototype = String::with_capacity(folded.len());
    for c in folded.nfd() {
        if c.is_ascii() {
            prototype.push(c);
        } else if !is_invisible(c) && c != TATWEEL {
            let before = prototype.len();
            prototype.extend(unicode_security::skeleton(c.encode_utf8(&mut [0; 4])));
            // The data has the two letters for everything that looks like the one.
            if &prototype[before..] == "rn" {
                prototype.replace_range(before.., "m");
            }
        }
    }
    // A prototype may be a capital.
    prototype.chars().flat_map(char::to_lowercase).nfd().collect()
}

/// Names that only the command line gives out.
#[derive(Debug, Clone)]
pub struct ReservedNames(HashSet<String>);

impl ReservedNames {
    /// The built-in names and `more`, folded ones.
    pub fn new<'a>(more: impl IntoIterator<Item = &'a str>) -> Self {
        Self(RESERVED.iter().copied().chain(more).map(bare).collect())
    }

    /// Whether a name is one of them, or looks like one, also with other dots, hyphens and underscores.
    #[must_use]
    pub fn contains(&self, name: &super::Username) -> bool {
        self.0.contains(&bare(name.folded()))
    }
}

/// Here ASCII letters that look like others count as well, and marks do not: nobody needs to be called `adrnin` or
/// `ạdmin`.
fn bare(folded: &str) -> String {
    let is_letter = |c: &char| {
        !matches!(*c, '_' | '.' | '-' | TATWEEL) && !is_invisible(*c) && (c.is_ascii() || !is_mark(*c))
    };
    let letters: String = folded.nfd().filter(is_letter).collect();
    let alike: String = unicode_security::skeleton(&letters).flat_map(char::to_lowercase).nfd().collect();
    // What a letter or a digit looks like may be a full stop.
    alike.chars().filter(is_letter).collect()
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

    #[test]
    fn names_of_the_operator_are_reserved_however_they_are_written() {
        let reserved = ReservedNames::new(["acme", "größe"]);
        let holds = |name: &str| reserved.contains(&Username::parse(name).unwrap());
        for name in [
            "admin", "Admin", "ADMIN", "аdmin", "adm.in", "admin_", "adrnin", "no.reply", "noreply", "r00t",
            "acme", "a-c-m-e", "GRÖẞE",
        ] {
            assert!(holds(name), "{name}");
        }
        for name in ["admiral", "alice", "roots", "acme2", "badmin", "ad", "grosse"] {
            assert!(!holds(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_skeleton_of_an_ascii_name_is_the_name(name in "[a-z0-9][a-z0-9._-]{0,31}") {
            prop_assert_eq!(of(&name), name);
        }

        #[test]
        fn a_skeleton_never_panics(text in any::<String>()) {
            drop((skeleton(&text), bare(&text)));
        }
    }
}
