//! The HTTP routes. [`configure`] is the one table of them.

mod admin;
pub mod client;
mod cookie;
mod cors;
pub mod dev_mail;
mod devices;
pub mod engineio;
#[cfg(test)]
mod examples;
mod extract;
mod handshake;
pub mod health;
mod installation;
mod json;
mod kept_emails;
mod keys;
mod language;
mod limit;
mod login;
mod me;
mod misplaced_token;
mod openapi;
mod origin_log;
mod origins;
mod own_events;
mod pages;
mod pagination;
mod password;
mod problems;
mod reference;
mod register;
mod request_id;
mod requests;
mod site;
mod slash;
pub mod socketio;
#[cfg(test)]
mod tests;
mod token;
pub mod trace;
mod traceparent;
mod ws;

use actix_web::guard::fn_guard;
use actix_web::http::Method;
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route};

use crate::accounts::Accounts;
use crate::error::ApiError;
use crate::limits::RateLimits;

use pages::{account_forms, assets, dashboard, links, register as new, sign_in, visit};

pub use cors::CrossOrigin;
pub use extract::MAX_BODY;
pub use health::Readiness;
pub use requests::RequestMetrics;
pub use site::Site;

/// All routes, and what their handlers work with. A path is compared with them in this order, and those with parameters
/// cost most: what is requested most comes first.
pub fn configure(
    cfg: &mut ServiceConfig,
    accounts: &Accounts,
    site: &Site,
    limits: &RateLimits,
    readiness: &Readiness,
) {
    cfg.app_data(web::Data::new(accounts.clone()))
        .app_data(web::Data::new(site.clone()))
        .app_data(web::Data::new(limits.clone()))
        .app_data(web::Data::new(readiness.clone()))
        .app_data(web::PayloadConfig::new(MAX_BODY))
        .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::not_found().into()))
        .app_data(web::QueryConfig::default().error_handler(|_, _| extract::bad_query().into()));

    cfg.configure(of_the_server).configure(of_accounts).configure(admin::configure).configure(of_pages);

    // Emails that were kept instead of sent
    cfg.configure(dev_mail::configure);

    cfg.default_service(web::to(slash::without));
}

/// The server itself, and live sockets.
fn of_the_server(cfg: &mut ServiceConfig) {
    cfg.service(at("/.well-known/jwks.json", "GET, HEAD").route(read().to(keys::jwks)))
        .service(at("/api/openapi.json", "GET, HEAD").route(read().to(openapi::document)))
        .service(at("/docs", "GET, HEAD").route(read().to(reference::page)))
        .service(at("/healthz", "GET, HEAD").route(read().to(health::healthz)))
        .service(at("/readyz", "GET, HEAD").route(read().to(health::readyz)));

    for path in ["/ws", "/ws/"] {
        cfg.service(at(path, "GET, HEAD").route(read().to(ws::connect)));
    }
}

/// Accounts, devices, and lists of live sockets.
fn of_accounts(cfg: &mut ServiceConfig) {
    cfg.service(at("/api/register", "POST").post(register::register))
        .service(at("/api/login", "POST").post(login::login))
        .service(at("/api/refresh", "POST").post(login::refresh))
        .service(at("/api/token", "POST").post(token::token))
        .service(at("/api/logout", "POST").post(login::logout))
        .service(at("/api/forgot-password", "POST").post(password::forgot))
        .service(at("/api/reset-password", "POST").post(password::reset))
        .service(at("/api/verify-email", "POST").post(me::verify_email))
        .service(at("/api/password-strength", "POST").post(password::rate))
        .service(
            at("/api/me", "GET, HEAD, PATCH, DELETE")
                .route(read().to(me::show))
                .patch(me::change)
                .delete(me::delete),
        )
        .service(at("/api/me/export", "GET, HEAD").route(read().to(me::export)))
        .service(at("/api/me/events", "GET, HEAD").route(read().to(own_events::list)))
        .service(at("/api/me/password", "POST").post(me::change_password))
        .service(at("/api/me/email", "POST").post(me::change_email));

    // Devices and live sockets
    cfg.service(
        at("/api/logins", "GET, HEAD, DELETE").route(read().to(devices::list)).delete(devices::end_all),
    )
    .service(at("/api/logins/{id}", "DELETE").delete(devices::end))
    .service(at("/api/sessions", "GET, HEAD").route(read().to(devices::sessions)));
}

/// Pages, their files, and what browsers and crawlers request by themselves.
fn of_pages(cfg: &mut ServiceConfig) {
    let wants_socket = fn_guard(|context| handshake::is_wanted(context.head().headers()));
    cfg.service(web::resource("/").guard(wants_socket).default_service(web::to(handshake::nowhere)));
    cfg.service(at("/", "GET, HEAD").route(plain()).route(read().to(sign_in::home)))
        .service(page("/register", read().to(new::show)).post(new::register))
        .service(page("/login", read().to(sign_in::show_login)).post(sign_in::login))
        .service(page("/continue", read().to(sign_in::show_continue)).post(sign_in::go_on))
        .service(page("/logout", read().to(sign_in::show_logout)).post(sign_in::logout))
        .service(page("/forgot-password", read().to(sign_in::show_forgot)).post(sign_in::forgot))
        .service(page("/reset-password/{token}", read().to(links::show_reset)).post(links::reset))
        .service(page("/undo-email/{token}", read().to(links::show_reset)).post(links::reset))
        .service(page("/not-me/{token}", read().to(links::show_not_me)).post(links::not_me))
        .service(page("/verify-email/{token}", read().to(links::show_verify)).post(links::verify))
        .service(page("/invitation/{token}", read().to(new::show_invitation)).post(new::accept_invitation))
        .service(at("/dashboard", "GET, HEAD").route(plain()).route(read().to(dashboard::show)))
        .service(page("/dashboard/profile", read().to(dashboard::back)).post(account_forms::rename))
        .service(page("/dashboard/password", read().to(dashboard::back)).post(account_forms::change_password))
        .service(page("/dashboard/email", read().to(dashboard::back)).post(account_forms::change_email))
        .service(
            page("/dashboard/email/resend", read().to(dashboard::back)).post(account_forms::resend_email),
        )
        .service(
            page("/dashboard/email/cancel", read().to(dashboard::back)).post(account_forms::cancel_email),
        )
        .service(page("/dashboard/export", read().to(dashboard::back)).post(account_forms::export))
        .service(page("/dashboard/delete", read().to(dashboard::back)).post(account_forms::delete))
        .service(page("/dashboard/sign-out", read().to(dashboard::back)).post(account_forms::sign_out))
        .service(
            page("/dashboard/sign-out-others", read().to(dashboard::back))
                .post(account_forms::sign_out_others),
        )
        .service(
            page("/dashboard/sign-out-everywhere", read().to(dashboard::back))
                .post(account_forms::sign_out_everywhere),
        )
        .service(file("/static/{name}").route(read().to(assets::latest)).wrap(Compress::default()))
        .service(
            file("/static/{version}/{name}").route(read().to(assets::versioned)).wrap(Compress::default()),
        )
        .service(
            file("/static/brand/{version}/{name}").route(read().to(assets::brand)).wrap(Compress::default()),
        );

    // Paths that browsers and crawlers request by themselves
    cfg.service(
        at("/.well-known/change-password", "GET, HEAD").route(read().to(dashboard::to_change_password)),
    )
    .service(file("/favicon.ico").route(read().to(assets::favicon)))
    .service(file("/robots.txt").route(read().to(assets::robots)));
}

/// GET, and HEAD, which is answered the same without the body (RFC 9110 section 9.3.2).
fn read() -> Route {
    web::route().guard(fn_guard(|context| matches!(context.head().method, Method::GET | Method::HEAD)))
}

/// A resource that answers any other method with those that it has.
fn at(path: &str, allow: &'static str) -> Resource {
    within("", path, allow)
}

/// The same inside a scope, whose paths begin with `prefix`.
#[cfg_attr(not(test), expect(unused_variables, reason = "for the table of routes alone"))]
fn within(prefix: &str, path: &str, allow: &'static str) -> Resource {
    #[cfg(test)]
    table::note(&format!("{prefix}{path}"), allow);
    web::resource(path).default_service(web::to(move || async move {
        Err::<HttpResponse, _>(ApiError::method_not_allowed(allow))
    }))
}

/// A page with a form that posts to the page's own address.
fn page(path: &str, show: Route) -> Resource {
    at(path, "GET, HEAD, POST").route(plain()).route(show)
}

/// Redirects a page that was requested over http although its address is https, if a trusted proxy says so. Without a
/// proxy it cannot be told, and a redirect might never end.
fn plain() -> Route {
    read().guard(fn_guard(visit::is_plain)).to(visit::to_https)
}

fn file(path: &str) -> Resource {
    at(path, "GET, HEAD")
}

/// The routes that were configured, for tests that compare the table with something else.
#[cfg(test)]
mod table {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static ENTRIES: RefCell<BTreeSet<(String, &'static str)>> = RefCell::default();
    }

    pub fn note(path: &str, allow: &'static str) {
        ENTRIES.with_borrow_mut(|entries| entries.insert((path.to_owned(), allow)));
    }

    /// Paths and their methods, of all tables that this thread has configured.
    pub fn entries() -> BTreeSet<(String, &'static str)> {
        ENTRIES.with_borrow(Clone::clone)
    }
}
