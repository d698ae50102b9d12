//! The cookie of a browser's login.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};

use super::Site;
use crate::accounts::Accounts;
use crate::accounts::Grant;
use crate::auth::device::PresentedDevices;
use crate::auth::refresh::Credential;

/// How long a browser remembers who has signed in on it: browsers keep no cookie longer (RFC 6265bis section 5.5).
const DEVICE_MAX_AGE: Duration = Duration::days(400);

impl Site {
    /// Under https the prefix makes browsers hold the cookie to this host, this path and https (RFC 6265bis
    /// section 4.1.3.2): no neighbouring subdomain can plant one.
    const fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-doorward" } else { "doorward" }
    }

    /// The cookie that came with a request.
    pub(super) fn read_cookie(&self, request: &HttpRequest) -> Option<String> {
        request.cookie(self.cookie_name()).map(|cookie| cookie.value().to_owned())
    }

    /// The cookie to give a browser.
    pub(super) fn make_cookie(&self, credential: &Credential) -> Cookie<'static> {
        self.lasting_cookie(credential.expose())
    }

    pub(super) fn give_cookie(&self, response: &mut HttpResponse, credential: &Credential) {
        add(response, &self.make_cookie(credential));
    }

    /// Gives a browser the cookie that it sent once more, with a new end.
    pub(super) fn renew_cookie(
        &self,
        accounts: &Accounts,
        request: &HttpRequest,
        response: &mut HttpResponse,
    ) {
        if let Some(value) = self.read_cookie(request).and_then(|value| accounts.renewed_cookie(&value)) {
            add(response, &self.lasting_cookie(value));
        }
    }

    /// It lives as long as its login, which each use prolongs.
    fn lasting_cookie(&self, value: String) -> Cookie<'static> {
        let seconds = i64::try_from(self.refresh_ttl.as_secs()).unwrap_or(i64::MAX);
        self.bare_cookie(self.cookie_name(), value, Duration::seconds(seconds))
    }

    const fn device_cookie_name(&self) -> &'static str {
        if self.secure { "__Host-doorward-device" } else { "doorward-device" }
    }

    /// By what a browser says that its users have signed in on it before.
    pub(super) fn read_devices(&self, request: &HttpRequest) -> PresentedDevices {
        let cookie = request.cookie(self.device_cookie_name());
        cookie.map(|cookie| PresentedDevices::parse(cookie.value())).unwrap_or_default()
    }

    /// Has a browser remember that the user of a sign-in has signed in on it. It stays when they sign out: it opens nothing.
    pub(super) fn device_cookie(&self, request: &HttpRequest, grant: &Grant) -> Option<Cookie<'static>> {
        let value = self.read_devices(request).remember(grant.device_token.as_deref()?);
        Some(self.bare_cookie(self.device_cookie_name(), value, DEVICE_MAX_AGE))
    }

    /// Makes the browser forget its cookie.
    pub(super) fn forget_cookie(&self, response: &mut HttpResponse) {
        let mut cookie = self.bare_cookie(self.cookie_name(), String::new(), Duration::ZERO);
        cookie.make_removal();
        add(response, &cookie);
    }

    fn bare_cookie(&self, name: &'static str, value: String, max_age: Duration) -> Cookie<'static> {
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
    // Fails only for a value that is no header: ours are empty, made by us, or came in one.
    if response.add_cookie(cookie).is_err() {
        tracing::error!("could not set a cookie");
    }
}
