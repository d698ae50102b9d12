//! Decides which pages may act for their user, by the `Origin` and `Sec-Fetch-Site` of their requests.
//!
//! A page belongs to this server if its origin is that of `public_url`, or if it was loaded from the very
//! host and port that its request names. Another site's page has a different origin than the host of its
//! request, unless its name was made to resolve to this server (DNS rebinding). Browsers do not send our
//! cookies to such a name, so a page there can only post what any unauthenticated client can. A socket is
//! opened under such a name only if it is an address or the host of `public_url`.

use std::time::Instant;

use actix_web::dev::RequestHead;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};

use super::client::{forwarded, host};
use super::origin_log::About;
use super::site::Site;
use crate::clock::Clock;
use crate::error::ApiError;
use doorward_core::domain::{HostOrigin, WebOrigin};

impl Site {
    /// Whether pages of this origin may open a socket: this server's pages and those of
    /// `sockets.allowed_origins`. A refusal is logged once a minute for each origin.
    #[must_use]
    pub fn allows_origin(&self, origin: &str, request: &HttpRequest) -> bool {
        // No browser sends two.
        let alone = request.headers().get_all(header::ORIGIN).nth(1).is_none();
        let parsed = WebOrigin::parse(origin).filter(|_| alone);
        let allowed = parsed.is_some_and(|origin| {
            self.is_named(&origin)
                || matches!(&origin, WebOrigin::Host(page) if self.is_ours_for_certain(page, request))
        });
        if !allowed && let Some(origin) = self.origin_log.due(About::Socket, origin, now(request)) {
            tracing::warn!(
                %origin,
                public_url = %self.public_url,
                "refused a socket to a page: its origin is neither that of public_url nor in sockets.allowed_origins"
            );
        }
        allowed
    }

    /// Refuses a request made by another site's page, where the browser adds a cookie by itself.
    /// `Sec-Fetch-Site` and `Origin` are headers that a page cannot set. A client without either is not a
    /// recent browser, and `SameSite` covers the others. Over plain http, browsers send the first only to
    /// loopback addresses.
    ///
    /// # Errors
    /// 403 `cross_site`; 403 `https_required` for this server's own page opened over http although its
    /// address is https, because the browser would not keep its cookie.
    pub fn check_same_site(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let header = |name: &str| {
            let value = request.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let origin = header(header::ORIGIN.as_str());
        match (header("sec-fetch-site").as_deref(), &origin) {
            (Some("same-origin" | "none"), _) | (None, None) => return Ok(()),
            (Some(_), _) => {}
            (None, Some(origin)) => match WebOrigin::parse(origin) {
                Some(WebOrigin::Host(page)) if self.is_own_page(&page, request) => {
                    return self.check_scheme(&page, request);
                }
                Some(WebOrigin::Host(page)) if self.other_origins.contains(&page) => {}
                Some(origin @ WebOrigin::Host(_)) if self.is_named(&origin) => return Ok(()),
                _ => {}
            },
        }
        Err(self.cross_site(origin.as_deref(), request))
    }

    fn cross_site(&self, origin: Option<&str>, request: &HttpRequest) -> ApiError {
        let detail = "This request came from another site's page.";
        if let Some(origin) = origin {
            if let Some(origin) = self.origin_log.due(About::Form, origin, now(request)) {
                tracing::warn!(
                    %origin,
                    public_url = %self.public_url,
                    "refused a form: its page's origin is neither that of public_url nor the Host of its request"
                );
            }
            if let Some(WebOrigin::Host(page)) = WebOrigin::parse(origin) {
                let detail = format!(
                    "{detail} That page was opened as {page}; this server's address is {} (public_url).",
                    self.public_url
                );
                let error = ApiError::new(StatusCode::FORBIDDEN, "cross_site", detail);
                return error.with_reason("other_origin").naming("origin", &page);
            }
        }
        ApiError::new(StatusCode::FORBIDDEN, "cross_site", detail)
    }

    /// Checks the scheme of this server's own page: over http it does no harm, but the browser cannot keep a
    /// sign-in if the cookies are for https.
    fn check_scheme(&self, page: &HostOrigin, request: &HttpRequest) -> Result<(), ApiError> {
        if self.origin.as_ref() == Some(page) {
            return Ok(());
        }
        let note = self.origin_log.due(About::OpenedAs, &page.to_string(), now(request));
        if let Some(opened_as) = note {
            tracing::warn!(
                %opened_as,
                public_url = %self.public_url,
                "pages are opened under an address other than public_url, which links in emails use"
            );
        }
        if !self.secure || page.scheme == "https" {
            return Ok(());
        }
        let detail = format!(
            "This page was opened as {page}, but its address is {} (public_url): the browser keeps a sign-in there \
             only. Nothing was done; open it there.",
            self.public_url
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, "https_required", detail).naming("origin", page))
    }

    /// The origin of `public_url`, or one of the allowed ones.
    fn is_named(&self, origin: &WebOrigin) -> bool {
        matches!(origin, WebOrigin::Host(page) if self.origin.as_ref() == Some(page))
            || self.sockets.allowed_origins.iter().any(|allowed| allowed.matches(origin))
    }

    /// Whether the page was loaded from the host and port that its request names.
    fn is_own_page(&self, page: &HostOrigin, request: &HttpRequest) -> bool {
        if self.origin.as_ref() == Some(page) {
            return true;
        }
        // A page loaded over http may have been modified on the way, so it may not act on https. The reverse
        // is allowed: an untrusted proxy may have terminated TLS.
        let known = page.scheme == "https" || page.scheme == "http" && !self.is_https(request);
        known
            && self
                .hosts(request)
                .any(|host| HostOrigin::of_authority(&page.scheme, host).as_ref() == Some(page))
    }

    /// The same, ruling out DNS rebinding.
    fn is_ours_for_certain(&self, page: &HostOrigin, request: &HttpRequest) -> bool {
        let known = page.is_address() || self.origin.as_ref().is_some_and(|ours| ours.host == page.host);
        known && self.is_own_page(page, request)
    }

    /// Whether the client uses https, as far as this is certain.
    fn is_https(&self, request: &HttpRequest) -> bool {
        let proto = forwarded(request.head(), &self.sockets, "x-forwarded-proto");
        proto.map_or(self.tls, |proto| proto.eq_ignore_ascii_case("https"))
    }

    /// Whether a trusted proxy says that the client uses http although the public URL is https. The proxy may
    /// be wrong if another one in front of it terminates TLS; but browsers send `Sec-Fetch-Site` over https,
    /// and not over http.
    pub(super) fn is_known_plain(&self, request: &RequestHead) -> bool {
        let proto = forwarded(request, &self.sockets, "x-forwarded-proto");
        let plain = self.secure && !request.headers.contains_key("sec-fetch-site");
        plain && proto.is_some_and(|proto| proto.eq_ignore_ascii_case("http"))
    }

    /// The server's name in the request, and the one that a trusted proxy reports.
    fn hosts<'a>(&self, request: &'a HttpRequest) -> impl Iterator<Item = &'a str> {
        let host = host(request);
        host.into_iter().chain(forwarded(request.head(), &self.sockets, "x-forwarded-host"))
    }
}

pub(super) fn now(request: &HttpRequest) -> Instant {
    let clock = request.app_data::<web::Data<Clock>>();
    clock.map_or_else(|| Clock::System.instant(), |clock| clock.instant())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::brand::Brand;
    use crate::config::Config;
    use crate::text::Languages;

    fn site(public_url: &str) -> Site {
        let pairs = [
            ("public_url", public_url),
            ("sockets.trusted_proxies", "10.0.0.1"),
            (
                "sockets.allowed_origins",
                "https://app.example.org, null, file://, https://*.tenants.example.org",
            ),
        ];
        let config = Config::from_pairs(pairs).unwrap();
        Site::new(&config, Brand::load(&config.brand).unwrap(), Languages::built_in())
    }

    fn request(peer: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::post().peer_addr(format!("{peer}:1").parse().unwrap());
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        request.to_http_request()
    }

    /// The response to this page's form, requested under this host.
    fn form(site: &Site, host: &str, origin: &str) -> String {
        let checked = site.check_same_site(&request("192.0.2.7", &[("host", host), ("origin", origin)]));
        checked.map_or_else(|error| error.code(), |()| "ok".to_owned())
    }

    #[test]
    fn an_own_page_is_one_from_the_host_of_the_request() {
        let site = site("http://localhost:8080");
        for (host, origin) in [
            ("192.168.1.50:8080", "http://192.168.1.50:8080"),
            ("Door.Test:8080", "http://door.test:8080"),
            ("door.test.:8080", "http://door.test:8080"),
            ("door.test", "http://door.test"),
            ("door.test:80", "http://door.test"),
            ("[fd00::1]:8080", "http://[fd00::1]:8080"),
            ("[FD00:0:0::1]:8080", "http://[fd00::1]:8080"),
            ("elsewhere:8080", "http://localhost:8080"),
            // Behind a proxy that terminates TLS.
            ("door.test", "https://door.test"),
        ] {
            assert_eq!(form(&site, host, origin), "ok", "{host} {origin}");
        }
        for (host, origin) in [
            ("192.168.1.50:8080", "http://192.168.1.50:8081"),
            ("192.168.1.50:8080", "http://192.168.1.51:8080"),
            ("192.168.1.50:8080", "http://192.168.1.50"),
            ("door.test", "http://evil.example"),
            ("door.test", "http://door.test.evil.example"),
            ("door.test@evil.example", "http://evil.example"),
            ("door.test", "ftp://door.test"),
            ("door.test", "null"),
            ("door.test", "file://"),
            ("door.test", ""),
        ] {
            assert_eq!(form(&site, host, origin), "cross_site", "{host} {origin}");
        }
        // An origin allowed by name may post; a sandboxed frame of any page never may.
        assert_eq!(form(&site, "localhost:8080", "https://app.example.org:443/"), "ok");
        assert_eq!(form(&site, "localhost:8080", "null"), "cross_site");
    }

    #[test]
    fn a_refusal_names_both_addresses() {
        let site = site("http://localhost:8080");
        let refused = request("192.0.2.7", &[("host", "backend"), ("origin", "http://192.168.1.50:8080")]);
        let detail = site.check_same_site(&refused).unwrap_err().detail().to_owned();
        assert!(
            detail.contains("another site") && detail.contains("opened as http://192.168.1.50:8080"),
            "{detail}"
        );
        assert!(detail.contains("http://localhost:8080 (public_url)"), "{detail}");
    }

    #[test]
    fn an_https_address_opened_over_http_is_reported() {
        let site = site("https://id.example.org");
        for (host, origin) in
            [("id.example.org", "http://id.example.org"), ("192.168.1.50:8080", "http://192.168.1.50:8080")]
        {
            assert_eq!(form(&site, host, origin), "https_required");
        }
        assert_eq!(form(&site, "backend:8080", "https://id.example.org"), "ok");
        assert_eq!(
            form(&site, "id.example.net", "https://id.example.net"),
            "ok",
            "another name, also under https"
        );
        assert_eq!(form(&site, "backend:8080", "http://id.example.org"), "cross_site");
    }

    #[test]
    fn only_trusted_proxies_describe_the_original_request() {
        let site = site("https://id.example.org");
        let check = |peer: &str, origin: &str, proto: &str| {
            let headers = [
                ("host", "backend:8080"),
                ("origin", origin),
                ("x-forwarded-host", "evil.example, door.test"),
                ("x-forwarded-proto", proto),
            ];
            let request = request(peer, &headers);
            let checked = site.check_same_site(&request).map_err(|error| error.code());
            (checked.map_or_else(|code| code, |()| "ok".to_owned()), site.is_known_plain(request.head()))
        };
        assert_eq!(check("10.0.0.1", "https://door.test", "https"), ("ok".to_owned(), false));
        assert_eq!(check("192.0.2.7", "https://door.test", "https").0, "cross_site");
        assert_eq!(check("10.0.0.1", "https://evil.example", "https").0, "cross_site");
        // A page from http must not act on https.
        assert_eq!(check("10.0.0.1", "http://door.test", "https").0, "cross_site");
        assert_eq!(check("10.0.0.1", "http://door.test", "http"), ("https_required".to_owned(), true));
        assert!(!check("192.0.2.7", "http://door.test", "http").1);
    }

    #[test]
    fn sockets_are_for_allowed_origins_and_own_pages() {
        let site = site("http://id.example.org");
        let opens = |host: &str, origin: &str| {
            site.allows_origin(origin, &request("192.0.2.7", &[("host", host), ("origin", origin)]))
        };
        for (host, origin) in [
            ("backend", "http://id.example.org"),
            ("backend", "HTTP://ID.example.org:80/"),
            ("backend", "https://app.example.org"),
            ("backend", "https://app.example.org:443"),
            ("backend", "https://a.tenants.example.org"),
            ("backend", "null"),
            ("backend", "file://"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("192.168.1.50:8080", "http://192.168.1.50:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("localhost:8080", "http://LOCALHOST:8080"),
            ("id.example.org:8080", "http://id.example.org:8080"),
            ("id.example.org", "https://id.example.org"),
        ] {
            assert!(opens(host, origin), "{host} {origin}");
        }
        for (host, origin) in [
            ("backend", "https://a.b.tenants.example.org"),
            ("backend", "http://app.example.org"),
            ("evil.example", "http://evil.example"),
            ("127.0.0.1:8080", "http://127.0.0.1:1"),
            ("127.0.0.1:8080", "http://192.168.1.50:8080"),
            ("backend", "garbage"),
            ("backend", ""),
        ] {
            assert!(!opens(host, origin), "{host} {origin}");
        }
        let twice = [("origin", "http://id.example.org"), ("origin", "http://evil.example")];
        assert!(!site.allows_origin("http://id.example.org", &request("192.0.2.7", &twice)));
    }
}
