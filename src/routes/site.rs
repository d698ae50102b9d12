//! The parts of the configuration that handlers use: this server's own origin, and the trusted proxies.

use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::installation::Installation;
use super::origin_log::OriginLog;
use crate::brand::Brand;
use crate::config::{self, Config};
use crate::text::Languages;
use doorward_core::domain::HostOrigin;

/// The parts of the configuration that routes use.
#[derive(Debug, Clone)]
pub struct Site {
    /// The base of links, without a trailing slash.
    pub public_url: String,
    /// The path of the public URL without a trailing slash: the prefix of every path in a page.
    pub base: String,
    /// The public origin with a WebSocket scheme; not all browsers apply `'self'` to it.
    pub socket_origin: String,
    /// The origin of the public URL; a URL with a host always has one.
    pub(super) origin: Option<HostOrigin>,
    /// Served over https: cookies must not be sent otherwise.
    pub secure: bool,
    /// The listener itself speaks TLS.
    pub(super) tls: bool,
    pub(super) installation: Installation,
    pub(super) origin_log: Arc<OriginLog>,
    /// Other origins whose pages may use the API with tokens: never with a cookie of this one.
    pub(super) other_origins: Vec<HostOrigin>,
    pub registration: config::Registration,
    pub sockets: config::Sockets,
    pub refresh_ttl: Duration,
    pub languages: Languages,
    pub brand: Arc<Brand>,
    /// Whether the account page shows the demo card.
    pub secret_card: bool,
    /// The command that adds an administrator to this server's data, for people on this machine.
    pub add_admin: Option<String>,
}

impl Site {
    #[must_use]
    pub fn new(config: &Config, brand: impl Into<Arc<Brand>>, languages: Languages) -> Self {
        let origin = config.public_url.origin().ascii_serialization();
        Self {
            base: config.public_url.path().trim_end_matches('/').to_owned(),
            // http becomes ws, https becomes wss.
            socket_origin: origin.replacen("http", "ws", 1),
            public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
            origin: HostOrigin::of(&config.public_url),
            tls: config.tls.is_some(),
            installation: Installation::of(&config.public_url),
            origin_log: Arc::default(),
            secure: config.public_url.scheme() == "https",
            other_origins: config.web.allowed_origins.clone(),
            registration: config.registration.clone(),
            sockets: config.sockets.clone(),
            refresh_ttl: config.tokens.refresh_ttl,
            languages,
            brand: brand.into(),
            secret_card: config.pages.secret_card,
            add_admin: config.suggest("user add NAME --role admin"),
        }
    }
}

/// Whether `host[:port]` is this machine under a name that no page of the public web can have, whatever names
/// resolve to (DNS rebinding).
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
