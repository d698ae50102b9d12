//! Which pages may act for their user, by the `Origin` and `Sec-Fetch-Site` of their requests.
//!
//! A page is ours if its origin is that of `public_url`, or if it was loaded from the very host and port that its
//! request names. Another site's page has another origin than the host that it asks, unless its name was made to
//! resolve to us (DNS rebinding). Our cookies are not sent to such a name, so it can post what any client without
//! an account can; sockets are opened under such a name only if it is an address or the host of `public_url`.

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
    /// Whether pages of this origin may open a socket: our own and those of `sockets.allowed_origins`. A refusal is
    /// logged, once a minute for an origin.
    #[must_use]
    pub fn allows_origin(&self, origin: &str, request: &HttpRequest) -> bool {
        // Two are no browser's.
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
                "a page was refused a socket: its origin is neither that of public_url nor in sockets.allowed_origins"
            );
        }
        allowed
    }

    /// Refuses a request that another site's page made, for requests in which the browser adds a cookie by
    /// itself. `Sec-Fetch-Site` and `Origin` are headers that a page cannot set; a client without either is
    /// no browser of the last years, and `SameSite` covers the rest. Over plain http browsers send the first to
    /// loopback addresses only.
    ///
    /// # Errors
    /// 403 `cross_site`; 403 `https_required` for our own page that was opened by http although our address is
    /// https: the browser would not keep its cookie.
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
                Some(origin @ WebOrigin::Host(_)) if self.is_named(&origin) => return Ok(()),
                _ => {}
            },
        }
        Err(self.cross_site(origin.as_deref(), request))
    }

    fn cross_site(&self, origin: Option<&str>, request: &HttpRequest) -> ApiError {
        let mut detail = "This request came from another site's page.".to_owned();
        if let Some(origin) = origin {
            if let Some(origin) = self.origin_log.due(About::Form, origin, now(request)) {
                tracing::warn!(
                    %origin,
                    public_url = %self.public_url,
                    "a form was refused: its page's origin is not that of public_url, nor the Host of its request"
                );
            }
            if let Some(WebOrigin::Host(page)) = WebOrigin::parse(origin) {
                detail = format!(
                    "{detail} That page was opened as {page}; this server's address is {} (public_url).",
                    self.public_url
                );
            }
        }
        ApiError::new(StatusCode::FORBIDDEN, "cross_site", detail)
    }

    /// Our own page does no harm, but it cannot keep anybody signed in if our cookies are for https.
    fn check_scheme(&self, page: &HostOrigin, request: &HttpRequest) -> Result<(), ApiError> {
        if self.origin.as_ref() == Some(page) {
            return Ok(());
        }
        let note = self.origin_log.due(About::OpenedAs, &page.to_string(), now(request));
        if let Some(opened_as) = note {
            tracing::warn!(
                %opened_as,
                public_url = %self.public_url,
                "pages are opened under another address than public_url, which links in emails lead to"
            );
        }
        if !self.secure || page.scheme == "https" {
            return Ok(());
        }
        let detail = format!(
            "This page was opened as {page}, and its address is {} (public_url): the browser keeps a sign-in there \
             only. Nothing was done; open it there.",
            self.public_url
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, "https_required", detail))
    }

    /// That of `public_url`, or one of the list.
    fn is_named(&self, origin: &WebOrigin) -> bool {
        matches!(origin, WebOrigin::Host(page) if self.origin.as_ref() == Some(page))
            || self.sockets.allowed_origins.iter().any(|allowed| allowed.matches(origin))
    }

    /// Whether the page was loaded from the host and port that its request names.
    fn is_own_page(&self, page: &HostOrigin, request: &HttpRequest) -> bool {
        if self.origin.as_ref() == Some(page) {
            return true;
        }
        // A page that came by http may have been written by anybody on the way, and is not let into https. The other
        // way round a proxy that is not trusted may have ended TLS.
        let known = page.scheme == "https" || page.scheme == "http" && !self.is_https(request);
        known
            && self
                .hosts(request)
                .any(|host| HostOrigin::of_authority(&page.scheme, host).as_ref() == Some(page))
    }

    /// The same where DNS rebinding must not help either.
    fn is_ours_for_certain(&self, page: &HostOrigin, request: &HttpRequest) -> bool {
        let known = page.is_address() || self.origin.as_ref().is_some_and(|ours| ours.host == page.host);
        known && self.is_own_page(page, request)
    }

    /// Whether the client speaks https, as far as we know for certain.
    fn is_https(&self, request: &HttpRequest) -> bool {
        let proto = forwarded(request.head(), &self.sockets, "x-forwarded-proto");
        proto.map_or(self.tls, |proto| proto.eq_ignore_ascii_case("https"))
    }

    /// Whether a trusted proxy says that the client speaks http, although our address is https. It may know no better,
    /// if another one in front of it has ended TLS: browsers send `Sec-Fetch-Site` over https, and not over http.
    pub(super) fn is_known_plain(&self, request: &RequestHead) -> bool {
        let proto = forwarded(request, &self.sockets, "x-forwarded-proto");
        let plain = self.secure && !request.headers.contains_key("sec-fetch-site");
        plain && proto.is_some_and(|proto| proto.eq_ignore_ascii_case("http"))
    }

    /// What the client calls us, and what a trusted proxy says that it did.
    fn hosts<'a>(&self, request: &'a HttpRequest) -> impl Iterator<Item = &'a str> {
        let host = host(request);
        host.into_iter().chain(forwarded(request.head(), &self.sockets, "x-forwarded-host"))
    }
}

fn now(request: &HttpRequest) -> Instant {
    let clock = request.app_data::<web::Data<Clock>>();
    clock.map_or_else(|| Clock::System.instant(), |clock| clock.instant())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Config;

    fn site(public_url: &str) -> Site {
        let pairs = [
            ("public_url", public_url),
            ("sockets.trusted_proxies", "10.0.0.1"),
            (
                "sockets.allowed_origins",
                "https://app.example.org, null, file://, https://*.tenants.example.org",
            ),
        ];
        Site::new(&Config::from_pairs(pairs).unwrap())
    }

    fn request(peer: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::post().peer_addr(format!("{peer}:1").parse().unwrap());
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        request.to_http_request()
    }

    /// What a form of this page is answered, asked under this host.
    fn form(site: &Site, host: &str, origin: &str) -> String {
        let checked = site.check_same_site(&request("192.0.2.7", &[("host", host), ("origin", origin)]));
        checked.map_or_else(|error| error.code(), |()| "ok".to_owned())
    }

    #[test]
    fn our_own_page_is_the_one_from_the_host_that_is_asked() {
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
            // Behind a proxy that ends TLS.
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
        // What is allowed by name; a sandboxed frame of anybody's never posts.
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
    fn an_https_address_that_was_opened_by_http_says_so() {
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
    fn only_trusted_proxies_say_how_they_were_asked() {
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
        // A page from http has no business under https.
        assert_eq!(check("10.0.0.1", "http://door.test", "https").0, "cross_site");
        assert_eq!(check("10.0.0.1", "http://door.test", "http"), ("https_required".to_owned(), true));
        assert!(!check("192.0.2.7", "http://door.test", "http").1);
    }

    #[test]
    fn sockets_are_for_named_origins_and_our_own_pages() {
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
