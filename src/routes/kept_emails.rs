//! Who may read the emails that were kept instead of sent: requests of this machine alone.

use actix_web::HttpRequest;
use actix_web::http::{Version, header};

use super::site::names_loopback;
use crate::config::Config;
use crate::error::ApiError;
use crate::mail::preview::Preview;
use crate::mail::preview_directory;

/// What a proxy adds. One on this machine makes the world look like loopback.
const FORWARDED: [&str; 8] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
    "cf-connecting-ip",
    "true-client-ip",
];

/// What the page shows, if anything. The application's `web::Data`.
#[derive(Debug, Clone)]
pub struct DevMail {
    preview: Option<Preview>,
}

impl DevMail {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { preview: preview_directory(config).map(Preview::at) }
    }

    /// Whether whoever asks may look.
    pub(super) fn is_for(&self, req: &HttpRequest) -> bool {
        self.for_request(req).is_ok()
    }

    /// # Errors
    /// 404: to everybody else there is no such page.
    pub(super) fn for_request(&self, req: &HttpRequest) -> Result<Preview, ApiError> {
        let here = req.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        // A plain nginx adds no header and speaks HTTP/1.0 to what is behind it.
        let direct = req.version() > Version::HTTP_10
            && !FORWARDED.iter().any(|name| req.headers().contains_key(*name));
        let preview = self.preview.as_ref().filter(|_| here && direct && is_loopback_name(req));
        preview.cloned().ok_or_else(ApiError::not_found)
    }
}

/// Every name that the request gives for us: the target may have one as well (RFC 9112 section 3.2.2).
fn is_loopback_name(req: &HttpRequest) -> bool {
    let mut hosts = req.headers().get_all(header::HOST);
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(names_loopback)
        && req.uri().authority().is_none_or(|authority| names_loopback(authority.as_str()))
}
