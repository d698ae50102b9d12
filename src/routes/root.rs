//! What a person sees who opens us in a browser.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use super::Site;

/// `GET /`
pub(super) async fn index(site: web::Data<Site>) -> HttpResponse {
    text(format!(
        "Doorward: a sign-in server for live apps.\n\n\
         Try:\n\
         curl -H 'Content-Type: application/json' {}/api/register \\\n  \
         -d '{{\"username\": \"ada\", \"password\": \"plural teapot orbit\"}}'\n",
        site.public_url,
    ))
}

/// `GET /reset-password/{token}`. It changes nothing and does not even look: mail scanners follow links.
pub(super) async fn reset_password() -> HttpResponse {
    text(
        "To set a new password, send the last part of this page's address:\n\n\
         POST /api/reset-password {\"token\": \"...\", \"password\": \"your new password\"}\n",
    )
}

/// `GET /verify-email/{token}`. As above.
pub(super) async fn verify_email() -> HttpResponse {
    text(
        "To prove that this mail address is yours, send the last part of this page's address:\n\n\
         POST /api/verify-email {\"token\": \"...\"}\n",
    )
}

/// The address of such a page may hold a token: it must stay in no cache and follow nobody elsewhere.
fn text(body: impl Into<String>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(body.into())
}
