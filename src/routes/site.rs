//! What handlers have to know about where they are: our own origin, and whom we believe.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use url::{Host, Url};

use crate::config::{self, Config};
use crate::error::ApiError;

/// The parts of the configuration that routes use.
#[derive(Debug, Clone)]
pub struct Site {
    /// Base of links, without a last slash.
    pub public_url: String,
    /// The path of the public URL without a last slash: before every address in a page.
    pub base: String,
    /// The public origin as a WebSocket has it; browsers do not all see that `'self'` means it.
    pub socket_origin: String,
    /// `scheme://host[:port]`, as browsers write it (RFC 6454 section 6.2).
    pub origin: String,
    /// Served under https: cookies must not travel otherwise.
    pub secure: bool,
    pub sockets: config::Sockets,
    pub refresh_ttl: Duration,
}

impl Site {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let origin = config.public_url.origin().ascii_serialization();
        Self {
            base: config.public_url.path().trim_end_matches('/').to_owned(),
            // http to ws, https to wss
            socket_origin: origin.replacen("http", "ws", 1),
            public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
            origin,
            secure: config.public_url.scheme() == "https",
            sockets: config.sockets.clone(),
            refresh_ttl: config.tokens.refresh_ttl,
        }
    }

    /// Whether pages of this origin may act for their user: our own, those of the allow-list, and, for whoever
    /// opens us as `127.0.0.1` or on another port than `public_url` says, our own under a loopback name.
    #[must_use]
    pub fn allows_origin(&self, origin: &str, request: &HttpRequest) -> bool {
        origin == self.origin
            || self.sockets.allowed_origins.iter().any(|allowed| allowed == origin)
            || origin.strip_prefix("http://").is_some_and(|authority| {
                let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
                host == Some(authority) && names_loopback(authority)
            })
    }

    /// Refuses a request that another site's page made, for requests in which the browser adds a cookie by
    /// itself. `Sec-Fetch-Site` and `Origin` are headers that a page cannot set; a client without either is
    /// no browser of the last years, and `SameSite` covers the rest.
    ///
    /// # Errors
    /// 403 `cross_site`.
    pub fn check_same_site(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        let ours = match (header("sec-fetch-site"), header(header::ORIGIN.as_str())) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => self.allows_origin(origin, request),
            (None, None) => true,
        };
        if ours {
            return Ok(());
        }
        let status = actix_web::http::StatusCode::FORBIDDEN;
        Err(ApiError::new(status, "cross_site", "This request came from another site's page."))
    }
}

/// Whether `host[:port]` is this machine by a name that no page of the wide web can have, however its own
/// name resolves (DNS rebinding).
#[must_use]
pub fn names_loopback(authority: &str) -> bool {
    match Url::parse(&format!("http://{authority}/")).as_ref().map(Url::host) {
        Ok(Some(Host::Ipv4(ip))) => ip.is_loopback(),
        Ok(Some(Host::Ipv6(ip))) => ip.to_canonical().is_loopback(),
        Ok(Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_name_loopback() {
        for here in
            ["localhost", "localhost:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "[::ffff:127.0.0.1]"]
        {
            assert!(names_loopback(here), "{here}");
        }
        for there in [
            "",
            "evil.example",
            "localhost.evil.example",
            "192.0.2.1",
            "[2001:db8::1]",
            "x@evil.example",
            "a b",
        ] {
            assert!(!names_loopback(there), "{there}");
        }
    }
}
