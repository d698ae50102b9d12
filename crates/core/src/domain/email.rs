//! An email address.

use std::borrow::Cow;

use email_address::EmailAddress;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use unicode_security::MixedScript;

use super::Invalid;
use super::characters::{is_alphanumeric, is_invisible, is_mark};

/// In bytes (RFC 5321 section 4.5.3.1): a path of 256 less its angle brackets, and the local part.
const MAX_LENGTH: usize = 254;
const MAX_LOCAL: usize = 64;

/// Bytes that are parsed: a domain in Unicode may be longer than in ASCII.
const MAX_TYPED: usize = 4 * MAX_LENGTH;

/// An address that email can be sent to, in one canonical form: the local part in lower case, as is common
/// practice, and the domain in ASCII as in DNS (A-labels, RFC 5890). Two forms of one address would let two
/// accounts hold one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses what a person typed, without surrounding white space and the dot that ends a full domain.
    /// Refuses what is legal but unused: quotes, comments, address literals.
    ///
    /// # Errors
    /// [`Invalid`] about `email` if no email could be sent there.
    pub fn parse(typed: &str) -> Result<Self, Invalid> {
        Self::fold(typed.trim()).ok_or_else(|| {
            Invalid::new("email", "This is not an email address like name@example.org.").because("malformed")
        })
    }

    fn fold(typed: &str) -> Option<Self> {
        // Refused before the work of folding: no address is this long.
        let (local, domain) = typed.split_once('@').filter(|_| typed.len() <= MAX_TYPED)?;
        let local: String = local.to_lowercase().nfc().collect();
        let domain = to_ascii(domain)?;
        if !is_local(&local) || !is_domain(&domain) {
            return None;
        }
        let address = format!("{local}@{domain}");
        // The same check as in the mail library, which would not send to anything else.
        let sound = address.len() <= MAX_LENGTH
            && EmailAddress::is_valid_local_part(&local)
            && EmailAddress::is_valid_domain(&domain);
        sound.then_some(Self(address))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address as people know it: the domain in the letters of its language, unless it mixes scripts to
    /// look like another one (UTS 39 section 5.1).
    #[must_use]
    pub fn display_form(address: &str) -> Cow<'_, str> {
        match address.rsplit_once('@') {
            Some((local, domain)) if domain.contains("xn--") => {
                let plain = |label: &[char], _: &[char], _: bool| {
                    let label: String = label.iter().collect();
                    label.is_single_script()
                };
                let (domain, read) = Uts46::new().to_user_interface(
                    domain.as_bytes(),
                    AsciiDenyList::STD3,
                    Hyphens::Allow,
                    plain,
                );
                if read.is_ok() { Cow::Owned(format!("{local}@{domain}")) } else { Cow::Borrowed(address) }
            }
            _ => Cow::Borrowed(address),
        }
    }

    /// A part of an address in its stored form, for a search.
    #[must_use]
    pub fn stored_form(part: &str) -> Option<String> {
        let (local, domain) = part.rsplit_once('@').map_or(("", part), |(local, domain)| (local, domain));
        let ascii = to_ascii(domain).filter(|_| !domain.is_ascii())?;
        Some(if part.contains('@') { format!("{local}@{ascii}") } else { ascii })
    }

    /// The mailbox that an address most likely leads to: without the tag that many servers allow after a `+`
    /// (RFC 5233).
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
}

/// A domain as DNS has it (UTS 46): folded, in ASCII, without the dot of the root. Its labels have 1 to 63
/// letters, digits and hyphens.
fn to_ascii(domain: &str) -> Option<String> {
    let (deny, hyphens, length) =
        (AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::VerifyAllowRootDot);
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), deny, hyphens, length).ok()?;
    Some(ascii.strip_suffix('.').unwrap_or(&ascii).to_owned())
}

fn is_local(local: &str) -> bool {
    local.len() <= MAX_LOCAL
        && local.chars().next().is_some_and(|c| !is_mark(c))
        && local.chars().all(|c| {
            (is_alphanumeric(c) || is_mark(c)) && !is_invisible(c) || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        })
}

fn is_domain(ascii: &str) -> bool {
    // A numeric last label makes an IP address, not a domain (URL Standard, section 3.5).
    let is_number = |label: &str| {
        let hexadecimal = label.strip_prefix("0x");
        hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || label.bytes().all(|byte| byte.is_ascii_digit())
    };
    ascii == "localhost" || ascii.rsplit_once('.').is_some_and(|(_, last)| !is_number(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_addresses_are_read_and_folded() {
        assert_eq!(Email::parse("Ada.L+x@Example.ORG").unwrap().as_str(), "ada.l+x@example.org");
        assert_eq!(Email::parse("root@localhost").unwrap().as_str(), "root@localhost");
    }

    #[test]
    fn an_international_domain_has_one_form() {
        for typed in [
            "info@bücher.example",
            "info@BÜCHER.example",
            "INFO@bu\u{308}cher.example",
            "info@xn--bcher-kva.example",
            "info@XN--BCHER-KVA.example.",
            "info@bücher。example",
            " info@ｂücher.example\u{a0}",
        ] {
            assert_eq!(Email::parse(typed).unwrap().as_str(), "info@xn--bcher-kva.example", "{typed}");
        }
        assert_eq!(Email::parse("a@faß.example").unwrap().as_str(), "a@xn--fa-hia.example");
        assert_eq!(Email::display_form("info@xn--bcher-kva.example"), "info@bücher.example");
        assert_eq!(Email::display_form("info@example.org"), "info@example.org");
        // Latin letters with a Cyrillic one among them.
        let spoof = Email::parse("a@pаypal.example").unwrap();
        assert_eq!(Email::display_form(spoof.as_str()), spoof.as_str());
        assert_eq!(Email::stored_form("bücher.ex").as_deref(), Some("xn--bcher-kva.ex"));
        assert_eq!(Email::stored_form("info@bücher.ex").as_deref(), Some("info@xn--bcher-kva.ex"));
        assert_eq!(Email::stored_form("example.org"), None);
    }

    #[test]
    fn the_dot_of_the_root_and_white_space_are_removed() {
        for typed in ["a@example.org.", "a@example.org", "\ta@example.org ", "a@EXAMPLE.org.\u{a0}"] {
            assert_eq!(Email::parse(typed).unwrap().as_str(), "a@example.org", "{typed:?}");
        }
        assert_eq!(Email::parse("root@localhost.").unwrap().as_str(), "root@localhost");
        assert!(Email::parse("a@ab--cd.4chan.org").is_ok());
        assert!(Email::parse(&format!("a@{}.org", "b".repeat(63))).is_ok());
    }

    #[test]
    fn a_local_part_has_letters_of_any_script() {
        assert_eq!(Email::parse("Zoe\u{308}@example.org").unwrap().as_str(), "zo\u{eb}@example.org");
        assert_eq!(Email::parse("नेहा@example.org").unwrap().as_str(), "नेहा@example.org");
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
    fn anything_but_an_address_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long = format!("a@{}.org", "a.".repeat(130));
        let long_label = format!("a@{}.org", "b".repeat(64));
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
            "a@127.0.0.1",
            "a@1.2",
            "a@example.123",
            "a@example.0x7f",
            "a@example.0x",
            "a@1.2.",
            "a@example.org..",
            "a@.",
            "a@localhost.5",
            "a@-b.c",
            "a@b-.c",
            "a@b_c.org",
            "a\u{3164}@example.org",
            "a\u{200b}b@example.org",
            "\u{301}a@example.org",
            "a@xn--a.org",
            &long_label,
            "a\0@b.c",
            &long_local,
            &long,
        ] {
            assert_eq!(Email::parse(bad).unwrap_err().field, "email", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>()) {
            drop(Email::parse(&text));
            drop((Email::display_form(&text), Email::stored_form(&text)));
        }

        #[test]
        fn a_domain_of_any_letters_has_one_form(text in "[a-zäéßя漢.]{1,8}\\.(example|рф|中国)") {
            if let Ok(email) = Email::parse(&format!("a@{text}")) {
                prop_assert!(email.as_str().is_ascii());
                let shown = Email::display_form(email.as_str()).into_owned();
                prop_assert_eq!(Email::parse(&shown), Ok(email));
            }
        }

        #[test]
        fn a_parsed_address_can_be_mailed_to(text in "[a-zA-Z0-9.+'\\-]{1,12}@[a-zA-Z0-9.\\-]{1,12}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.as_str().parse::<lettre::Address>().is_ok());
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
