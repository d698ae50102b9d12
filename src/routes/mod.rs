//! The HTTP routes. [`configure`] is the one table of them.

pub mod client;
mod cookie;
pub mod dev_mail;
mod devices;
mod extract;
pub mod health;
mod keys;
mod login;
mod me;
mod password;
mod register;
mod root;
mod site;
#[cfg(test)]
mod tests;
pub mod trace;
mod ws;

use actix_web::web::{self, ServiceConfig};
use actix_web::{Resource, ResponseError};

use crate::accounts::Accounts;
use crate::error::ApiError;

pub use extract::{Body, MAX_BODY, SignedIn};
pub use health::Readiness;
pub use site::Site;

/// Every route there is, and what its handlers work with.
pub fn configure(cfg: &mut ServiceConfig, accounts: &Accounts, site: &Site, readiness: &Readiness) {
    cfg.app_data(web::Data::new(accounts.clone()))
        .app_data(web::Data::new(site.clone()))
        .app_data(web::Data::new(readiness.clone()))
        .app_data(web::PayloadConfig::new(MAX_BODY))
        .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::not_found().into()))
        .app_data(web::QueryConfig::default().error_handler(|_, _| extract::bad_query().into()));

    // Accounts
    cfg.service(at("/api/register", "POST").post(register::register))
        .service(at("/api/login", "POST").post(login::login))
        .service(at("/api/refresh", "POST").post(login::refresh))
        .service(at("/api/token", "POST").post(login::token))
        .service(at("/api/logout", "POST").post(login::logout))
        .service(at("/api/forgot-password", "POST").post(password::forgot))
        .service(at("/api/reset-password", "POST").post(password::reset))
        .service(at("/api/verify-email", "POST").post(me::verify_email))
        .service(at("/api/me", "GET, PATCH, DELETE").get(me::show).patch(me::rename).delete(me::delete))
        .service(at("/api/me/password", "POST").post(me::change_password))
        .service(at("/api/me/email", "POST").post(me::change_email));

    // Devices and live sockets
    cfg.service(at("/api/logins", "GET, DELETE").get(devices::list).delete(devices::end_all))
        .service(at("/api/logins/{id}", "DELETE").delete(devices::end))
        .service(at("/api/sessions", "GET").get(devices::sessions));

    // Links in mails
    cfg.service(at("/reset-password/{token}", "GET").get(root::reset_password))
        .service(at("/verify-email/{token}", "GET").get(root::verify_email));

    // The house itself
    cfg.service(at("/", "GET").get(root::index))
        .service(at("/.well-known/jwks.json", "GET").get(keys::jwks))
        .service(at("/healthz", "GET").get(health::healthz))
        .service(at("/readyz", "GET").get(health::readyz));

    // Live sockets
    cfg.service(at("/ws", "GET").get(ws::connect));

    // Mails that were kept instead of sent
    cfg.configure(dev_mail::configure);

    cfg.default_service(web::to(|| async { ApiError::not_found().error_response() }));
}

/// A resource that says which methods it knows to whoever tries another.
fn at(path: &str, allow: &'static str) -> Resource {
    web::resource(path)
        .default_service(web::to(move || async move { ApiError::method_not_allowed(allow).error_response() }))
}
