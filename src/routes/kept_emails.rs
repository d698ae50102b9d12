//! Access to the emails that were kept instead of sent, which only this machine has.

use actix_web::HttpRequest;
use actix_web::http::{Version, header};

use super::site::names_loopback;
use crate::config::Config;
use crate::error::ApiError;
use crate::mail::preview::Preview;
use crate::mail::preview_directory;

/// Headers that proxies add. With a proxy on this machine, every client looks local.
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

/// The emails to show, if any. The application's `web::Data`.
#[derive(Debug, Clone)]
pub struct DevMail {
    preview: Option<Preview>,
}

impl DevMail {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { preview: preview_directory(config).map(Preview::at) }
    }

    /// Whether the page may be shown to this client.
    pub(super) fn is_for(&self, req: &HttpRequest) -> bool {
        self.for_request(req).is_ok()
    }

    /// The kept emails.
    ///
    /// # Errors
    /// 404 for any client that may not see the page.
    pub(super) fn for_request(&self, req: &HttpRequest) -> Result<Preview, ApiError> {
        let preview = self.preview.as_ref().filter(|_| is_on_this_machine(req));
        preview.cloned().ok_or_else(ApiError::not_found)
    }
}

/// Whether the client is a program on this machine that asks this server, not a proxy.
pub(super) fn is_on_this_machine(req: &HttpRequest) -> bool {
    let here = req.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    // A plain nginx adds no header; before version 1.29.7 it speaks HTTP/1.0 to its upstream.
    let direct =
        req.version() > Version::HTTP_10 && !FORWARDED.iter().any(|name| req.headers().contains_key(*name));
    here && direct && is_loopback_name(req)
}

/// Whether every name of the server in the request is a loopback name: the target may contain one as well
/// (RFC 9112 section 3.2.2).
fn is_loopback_name(req: &HttpRequest) -> bool {
    let mut hosts = req.headers().get_all(header::HOST);
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(names_loopback)
        && req.uri().authority().is_none_or(|authority| names_loopback(authority.as_str()))
}
