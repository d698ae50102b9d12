//! A mail address.

use super::Invalid;

/// In bytes, RFC 5321 section 4.5.3.1: a path of 256 less its angle brackets, and the local part.
const MAX_LENGTH: usize = 254;
const MAX_LOCAL: usize = 64;

/// An address that mail can be sent to, in lower case: hosts fold by rule, local parts by everyone's habit,
/// and an address that differed only in case would be two holders of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads what a person typed. Refuses what is legal but nobody has: quotes, comments, literal addresses.
    ///
    /// # Errors
    /// `invalid_email`.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        // Before the work of folding: what is this long is no address.
        let address = if typed.len() <= MAX_LENGTH { typed.to_lowercase() } else { String::new() };
        let sound = address.len() <= MAX_LENGTH
            && address.split_once('@').is_some_and(|(local, host)| is_local(local) && is_host(host))
            // The last judge is who will have to send to it.
            && address.parse::<lettre::Address>().is_ok();
        if sound {
            Ok(Self(address))
        } else {
            Err(Invalid::new("invalid_email", "This is not a mail address like name@example.org."))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    /// The mailbox that an address most likely leads to: without the tag that many servers let follow a `+` (RFC 5233).
    #[must_use]
    pub fn mailbox_of(address: &str) -> String {
        match address.rsplit_once('@') {
            Some((local, host)) => {
                let plain = local.split_once('+').map_or(local, |(plain, _)| plain);
                format!("{}@{host}", if plain.is_empty() { local } else { plain }).to_lowercase()
            }
            None => address.to_lowercase(),
        }
    }

    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }
}

fn is_local(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= MAX_LOCAL
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
}

fn is_host(host: &str) -> bool {
    (host == "localhost" || host.contains('.'))
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_addresses_are_read_and_folded() {
        assert_eq!(Email::parse("Ada.L+x@Example.ORG").unwrap().as_str(), "ada.l+x@example.org");
        assert_eq!(Email::parse("root@localhost").unwrap().local_part(), "root");
    }

    #[test]
    fn a_tag_leads_to_the_same_mailbox() {
        for (address, mailbox) in [
            ("ada+news@x.org", "ada@x.org"),
            ("Ada@x.org", "ada@x.org"),
            ("+a@x.org", "+a@x.org"),
            ("a", "a"),
        ] {
            assert_eq!(Email::mailbox_of(address), mailbox);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", "a.".repeat(130));
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a@@b.c",
            "a@b@c.d",
            "a b@c.d",
            "a@b .c",
            "a@b..c",
            "a@.b",
            "a\n@b.c",
            "\"a\"@b.c",
            "a@[127.0.0.1]",
            "a@-b.c",
            "a\0@b.c",
            &long_local,
            &long,
        ] {
            assert_eq!(Email::parse(bad).unwrap_err().code, "invalid_email", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            drop(Email::parse(&text));
        }

        #[test]
        fn what_is_read_can_be_mailed_to(text in "[a-zA-Z0-9.+'\\-]{1,12}@[a-zA-Z0-9.\\-]{1,12}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.as_str().parse::<lettre::Address>().is_ok());
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
