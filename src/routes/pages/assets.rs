//! `/static/`: the static files that pages load.

use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::super::site::Site;
use crate::error::ApiError;
use crate::pages::assets::{self, Asset};

/// A year, the usual value for caching for good.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// `GET /static/{version}/{name}`: the URLs in our pages. A page of the previous or the next version, while
/// nodes are replaced one by one, gets this version's file without caching it.
pub(in super::super) async fn versioned(
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let asset = assets::find(&name).ok_or_else(ApiError::not_found)?;
    Ok(serve(&request, asset, if version == assets::version() { FOR_GOOD } else { "no-cache" }))
}

/// `GET /static/{name}`: a stable URL for other applications.
pub(in super::super) async fn latest(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asset = assets::find(&name).ok_or_else(ApiError::not_found)?;
    Ok(serve(&request, asset, "no-cache"))
}

/// `GET /static/brand/{version}/{name}`: the logo and the stylesheet of the configuration. A page of the previous or
/// the next version gets this version's file, as above.
pub(in super::super) async fn brand(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    site: web::Data<Site>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = site.brand.file(&name).ok_or_else(ApiError::not_found)?;
    let caching = if version == site.brand.version() { FOR_GOOD } else { "no-cache" };
    let (mut response, is_known) = headers(&request, site.brand.version(), caching);
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.content_type(file.content_type).body(file.body.clone()))
}

fn serve(request: &HttpRequest, asset: &'static Asset, caching: &'static str) -> HttpResponse {
    let (mut response, is_known) = headers(request, assets::version(), caching);
    if is_known {
        return response.finish();
    }
    response.content_type(asset.content_type).body(asset.body)
}

/// The head of the answer, and whether the client already has the file.
fn headers(request: &HttpRequest, version: &str, caching: &'static str) -> (HttpResponseBuilder, bool) {
    // Weak because it may be sent compressed (RFC 9110 section 8.8.1).
    let tag = EntityTag::new_weak(version.to_owned());
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|other| tag.weak_eq(other)),
        Ok(IfNoneMatch::Any) | Err(_) => false,
    };
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header(header::ETag(tag))
        // CORS applies to a module that another origin's page imports; these files are not secret.
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    (response, known)
}

/// `GET /favicon.ico`: requested by browsers and feed readers where no page names an icon.
pub(in super::super) async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .content_type("image/x-icon")
        .body(assets::FAVICON)
}

/// `GET /robots.txt`: allows the start page, and neither account pages nor links of emails.
pub(in super::super) async fn robots(site: web::Data<Site>) -> HttpResponse {
    let base = &site.base;
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .content_type("text/plain; charset=utf-8")
        .body(format!("User-agent: *\nAllow: {base}/$\nDisallow: {base}/\n"))
}
