//! Who may register: the rules of the configuration.

use super::Error;
use crate::config::{Registration, WhoRegisters};
use doorward_core::domain::{Email, Invalid};

impl Registration {
    /// # Errors
    /// [`Error::RegistrationClosed`] if no client may register.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.who == WhoRegisters::NoOne { Err(Error::RegistrationClosed) } else { Ok(()) }
    }

    /// Whether a client may register, with an invitation or without one.
    ///
    /// # Errors
    /// [`Error::RegistrationClosed`] if no client may; [`Error::InvitationRequired`] if one without an invitation may not.
    pub(super) fn check(&self, is_invited: bool) -> Result<(), Error> {
        self.check_open()?;
        if self.who == WhoRegisters::Invited && !is_invited {
            return Err(Error::InvitationRequired);
        }
        Ok(())
    }

    /// Whether a user may have this address.
    ///
    /// # Errors
    /// [`Error::Invalid`] about `email` if one is required or its domain is not allowed.
    pub(super) fn check_address(&self, email: Option<&Email>) -> Result<(), Error> {
        let invalid = |why: String| Invalid::new("email", why);
        let Some(email) = email else {
            let required = self.require_verified_email || !self.allowed_domains.is_empty();
            let why = "An email address is required here.".to_owned();
            return if required { Err(invalid(why).because("required").into()) } else { Ok(()) };
        };
        let domain = email.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
        if self.allowed_domains.is_empty() || self.allowed_domains.iter().any(|allowed| allowed == domain) {
            return Ok(());
        }
        let domains = self.allowed_domains.join(", ");
        let invalid = invalid(format!("Only addresses of {domains} can be used here."));
        Err(invalid.because("domain").naming("domains", &domains).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(who: WhoRegisters, domains: &[&str], verified: bool) -> Registration {
        let allowed_domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        Registration { who, allowed_domains, require_verified_email: verified }
    }

    #[test]
    fn an_invitation_opens_what_is_not_closed() {
        for (who, without, with) in [
            (WhoRegisters::Anyone, true, true),
            (WhoRegisters::Invited, false, true),
            (WhoRegisters::NoOne, false, false),
        ] {
            let rules = rules(who, &[], false);
            assert_eq!((rules.check(false).is_ok(), rules.check(true).is_ok()), (without, with), "{who:?}");
        }
    }

    #[test]
    fn a_domain_is_matched_whole() {
        let email = |text: &str| Email::parse(text).unwrap();
        let some = rules(WhoRegisters::Anyone, &["example.org", "xn--bcher-kva.example"], false);
        for text in ["ann@example.org", "ANN@Example.ORG.", "ann@bücher.example"] {
            assert!(some.check_address(Some(&email(text))).is_ok(), "{text}");
        }
        for text in
            ["ann@example.com", "ann@evil-example.org", "ann@mail.example.org", "ann@example.org.evil.test"]
        {
            assert!(some.check_address(Some(&email(text))).is_err(), "{text}");
        }
        assert!(some.check_address(None).is_err(), "without an address there is no domain");
        assert!(rules(WhoRegisters::Anyone, &[], true).check_address(None).is_err());
        assert!(rules(WhoRegisters::Anyone, &[], false).check_address(None).is_ok());
    }
}
