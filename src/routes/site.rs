//! What handlers have to know about where they are: our own origin, and whom we believe.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;

use crate::config::{self, Config};
use crate::error::ApiError;

/// The parts of the configuration that routes use.
#[derive(Debug, Clone)]
pub struct Site {
    /// Base of links, without a last slash.
    pub public_url: String,
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
        Self {
            public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
            origin: config.public_url.origin().ascii_serialization(),
            secure: config.public_url.scheme() == "https",
            sockets: config.sockets.clone(),
            refresh_ttl: config.tokens.refresh_ttl,
        }
    }

    /// Whether pages of this origin may act for their user.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        origin == self.origin || self.sockets.allowed_origins.iter().any(|allowed| allowed == origin)
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
            (None, Some(origin)) => self.allows_origin(origin),
            (None, None) => true,
        };
        if ours {
            return Ok(());
        }
        let status = actix_web::http::StatusCode::FORBIDDEN;
        Err(ApiError::new(status, "cross_site", "This request came from another site's page."))
    }
}
