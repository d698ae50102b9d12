//! The cookies of a browser: its login, the users who have signed in on it, and the language that was chosen.
//!
//! Browsers send a cookie to all ports of a host, and to all paths unless restricted. So each installation
//! has cookie names of its own, made from the port and path of its public URL. A cookie of an earlier
//! version, with a name without them, is still read. Only cookies that this installation issued are ever
//! removed; those of others stay.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};

use super::Site;
use crate::accounts::Accounts;
use crate::accounts::Grant;
use crate::auth::device::PresentedDevices;
use crate::auth::refresh::Credential;
use crate::text::Language;

/// How long a browser remembers who has signed in on it, and the language; browsers keep no cookie longer (RFC 6265bis section
/// 5.5).
const LONGEST: Duration = Duration::days(400);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Login,
    Device,
    Language,
}

impl Site {
    /// The name of a cookie before installations were told apart. With https, the prefix makes browsers
    /// restrict the cookie to this host, the root path and https (RFC 6265bis section 4.1.3.2), so that no
    /// neighbouring subdomain can set it.
    const fn bare_name(&self, kind: Kind) -> &'static str {
        match (kind, self.secure) {
            (Kind::Login, true) => "__Host-doorward",
            (Kind::Login, false) => "doorward",
            (Kind::Device, true) => "__Host-doorward-device",
            (Kind::Device, false) => "doorward-device",
            (Kind::Language, true) => "__Host-doorward-language",
            (Kind::Language, false) => "doorward-language",
        }
    }

    fn cookie_name(&self, kind: Kind, request: &HttpRequest) -> String {
        format!("{}{}", self.bare_name(kind), self.installation.suffix(request))
    }

    /// The cookies of these names in a request, in the order of the names.
    fn presented(&self, kind: Kind, request: &HttpRequest) -> Vec<Cookie<'static>> {
        let (name, bare) = (self.cookie_name(kind, request), self.bare_name(kind));
        // An invalid cookie header counts as none.
        let Ok(cookies) = request.cookies() else { return Vec::new() };
        let named =
            |name: &str| cookies.iter().filter(move |cookie| cookie.name() == name).cloned().collect();
        let mut found: Vec<_> = named(&name);
        if name != bare {
            let mut older: Vec<_> = named(bare);
            found.append(&mut older);
        }
        found
    }

    /// The login's cookie in a request: one that was issued here, or else the one under this installation's
    /// name.
    pub(super) fn read_cookie(&self, accounts: &Accounts, request: &HttpRequest) -> Option<String> {
        let presented = self.presented(Kind::Login, request);
        let ours = presented.iter().find(|cookie| accounts.issued_cookie(cookie.value()));
        // Under the name without a port and path there may be another installation's cookie.
        let name = self.cookie_name(Kind::Login, request);
        let chosen = ours.or_else(|| presented.iter().find(|cookie| cookie.name() == name));
        chosen.map(|cookie| cookie.value().to_owned())
    }

    /// The cookie to give to a browser.
    pub(super) fn make_cookie(&self, request: &HttpRequest, credential: &Credential) -> Cookie<'static> {
        self.lasting_cookie(request, credential.expose())
    }

    pub(super) fn give_cookie(
        &self,
        request: &HttpRequest,
        response: &mut HttpResponse,
        credential: &Credential,
    ) {
        add(response, &self.make_cookie(request, credential));
    }

    /// Sends a browser's cookie again with a new expiry.
    pub(super) fn renew_cookie(
        &self,
        accounts: &Accounts,
        request: &HttpRequest,
        response: &mut HttpResponse,
    ) {
        let presented = self.read_cookie(accounts, request);
        if let Some(value) = presented.and_then(|value| accounts.renewed_cookie(&value)) {
            add(response, &self.lasting_cookie(request, value));
        }
    }

    /// Expires with its login, which each use extends.
    fn lasting_cookie(&self, request: &HttpRequest, value: String) -> Cookie<'static> {
        let seconds = i64::try_from(self.refresh_ttl.as_secs()).unwrap_or(i64::MAX);
        self.bare_cookie(self.cookie_name(Kind::Login, request), value, Duration::seconds(seconds))
    }

    /// The device tokens in a browser's cookie.
    pub(super) fn read_devices(&self, request: &HttpRequest) -> PresentedDevices {
        let presented = self.presented(Kind::Device, request);
        presented.first().map(|cookie| PresentedDevices::parse(cookie.value())).unwrap_or_default()
    }

    /// Makes a browser remember that this user has signed in on it. The cookie stays after a sign-out: it
    /// grants no access.
    pub(super) fn device_cookie(&self, request: &HttpRequest, grant: &Grant) -> Option<Cookie<'static>> {
        let value = self.read_devices(request).remember(grant.device_token.as_deref()?);
        Some(self.bare_cookie(self.cookie_name(Kind::Device, request), value, LONGEST))
    }

    /// The tag of the language that was chosen in this browser.
    pub(super) fn read_language(&self, request: &HttpRequest) -> Option<String> {
        self.presented(Kind::Language, request).first().map(|cookie| cookie.value().to_owned())
    }

    pub(super) fn language_cookie(&self, request: &HttpRequest, language: &Language) -> Cookie<'static> {
        self.bare_cookie(self.cookie_name(Kind::Language, request), language.tag().to_owned(), LONGEST)
    }

    /// Removes the language that was chosen in this browser, if there is one.
    pub(super) fn forget_language(&self, request: &HttpRequest, response: &mut HttpResponse) {
        for presented in self.presented(Kind::Language, request) {
            self.remove(presented.name().to_owned(), response);
        }
    }

    fn remove(&self, name: String, response: &mut HttpResponse) {
        let mut cookie = self.bare_cookie(name, String::new(), Duration::ZERO);
        cookie.make_removal();
        add(response, &cookie);
    }

    /// Removes the login's cookies that the browser sent and that were issued here.
    pub(super) fn forget_cookie(
        &self,
        accounts: &Accounts,
        request: &HttpRequest,
        response: &mut HttpResponse,
    ) {
        for presented in self.presented(Kind::Login, request) {
            if accounts.issued_cookie(presented.value()) {
                self.remove(presented.name().to_owned(), response);
            }
        }
    }

    fn bare_cookie(&self, name: String, value: String, max_age: Duration) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .max_age(max_age)
            .finish()
    }
}

pub(super) fn add(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // Fails only for an invalid header value: these are empty, generated here, or were received in a header.
    if response.add_cookie(cookie).is_err() {
        tracing::error!("could not set a cookie");
    }
}
