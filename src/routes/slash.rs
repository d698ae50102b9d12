//! Redirects paths with superfluous slashes at the end.

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::handshake;
use super::site::Site;
use crate::error::ApiError;

/// The default route: redirects to the same path without trailing slashes, if that exists. 308 keeps the
/// method and the body (RFC 9110 section 15.4.9). A DELETE is not redirected: with an id missing at the end,
/// it would delete all instead of one.
///
/// # Errors
/// 404 if there is no such path.
pub(super) async fn without(request: HttpRequest, site: web::Data<Site>) -> Result<HttpResponse, ApiError> {
    let may_follow = matches!(*request.method(), Method::GET | Method::HEAD | Method::POST);
    // Clients do not follow a redirect of a handshake.
    let path = trimmed(request.path()).filter(|_| may_follow && !handshake::is_wanted(request.headers()));
    let Some(path) = path.filter(|path| request.resource_map().has_resource(path)) else {
        return Err(handshake::not_found(&request));
    };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}{path}{query}", site.base);
    Ok(HttpResponse::PermanentRedirect().insert_header((header::LOCATION, location)).finish())
}

/// The path without trailing slashes. None if it has none, or if a browser might read the rest as the name of
/// another host.
fn trimmed(path: &str) -> Option<&str> {
    let bare = path.trim_end_matches('/');
    let plain = bare.starts_with('/') && !bare.contains("//") && !bare.contains(['\\', '?', '#']);
    (plain && bare.len() < path.len() && bare.bytes().all(|byte| byte.is_ascii_graphic())).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trailing_slashes_are_removed() {
        assert_eq!(trimmed("/login/"), Some("/login"));
        assert_eq!(trimmed("/login///"), Some("/login"));
        assert_eq!(trimmed("/verify-email/x/"), Some("/verify-email/x"));
        for path in
            ["/", "//", "/login", "//evil.example/", "/\\evil.example/", "///evil.example//", "/a//b/", ""]
        {
            assert_eq!(trimmed(path), None, "{path}");
        }
    }
}
