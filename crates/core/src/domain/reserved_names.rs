//! Names that would be taken for the operator's, however they are written.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::Username;
use super::characters::{is_invisible, is_mark};
use super::confusable::TATWEEL;

/// Names that users would take for the operator's: the mailboxes of RFC 2142 and RFC 6650, system accounts,
/// and common names for a service's staff.
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

/// Names that only the command line assigns.
#[derive(Debug, Clone)]
pub struct ReservedNames(HashSet<String>);

impl ReservedNames {
    /// The built-in names and `more`, which are folded.
    pub fn new<'a>(more: impl IntoIterator<Item = &'a str>) -> Self {
        Self(RESERVED.iter().copied().chain(more).map(bare).collect())
    }

    /// Whether a name is reserved or looks like a reserved one, also with other dots, hyphens and
    /// underscores.
    #[must_use]
    pub fn contains(&self, name: &Username) -> bool {
        self.0.contains(&bare(name.folded()))
    }
}

/// A stricter skeleton: ASCII letters that look like others count as well, and marks do not. No user needs to
/// be called `adrnin` or `ạdmin`.
fn bare(folded: &str) -> String {
    let is_letter = |c: &char| {
        !matches!(*c, '_' | '.' | '-' | TATWEEL) && !is_invisible(*c) && (c.is_ascii() || !is_mark(*c))
    };
    let letters: String = folded.nfd().filter(is_letter).collect();
    let alike: String = unicode_security::skeleton(&letters).flat_map(char::to_lowercase).nfd().collect();
    // A letter or a digit may look like a full stop.
    alike.chars().filter(is_letter).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn official_names_are_reserved_in_every_spelling() {
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
        fn any_text_has_a_bare_form(text in any::<String>()) {
            drop(bare(&text));
        }
    }
}
