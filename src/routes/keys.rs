//! `GET /.well-known/jwks.json`

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::accounts::Accounts;

/// The public keys (RFC 7517 section 5). A cached set must not hide a new key for long.
pub(super) async fn jwks(accounts: web::Data<Accounts>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(accounts.jwks())
}
