//! `GET /.well-known/jwks.json`

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::accounts::Accounts;
use crate::auth::keys::Jwks;

/// The public keys (RFC 7517 section 5). A cached set must not hide a new key for long.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "The server",
    summary = "The public keys that verify access tokens",
    responses((status = 200, description = "A JWK set (RFC 7517 section 5)", body = Jwks)),
    security(()),
)]
pub(super) async fn jwks(accounts: web::Data<Accounts>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(accounts.jwks())
}
