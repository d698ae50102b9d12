//! The server API: what an application's backend may ask for with an API key, and a user with the role `admin`.
//! [`guard::ROUTES`] says which scope opens which route.

mod events;
pub(super) mod guard;
mod keys;
mod lists;
mod tokens;
mod users;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::{at, read};

/// The routes. A handler runs only if the guard has let its caller pass.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    let admin = web::scope("/api/admin")
        .wrap(from_fn(guard::authorize))
        .service(at("/users", "GET, HEAD, POST").route(read().to(users::list)).post(users::create))
        .service(
            at("/users/{id}", "GET, HEAD, PATCH, DELETE")
                .route(read().to(users::show))
                .patch(users::change)
                .delete(users::delete),
        )
        .service(at("/users/{id}/disable", "POST").post(users::disable))
        .service(at("/users/{id}/enable", "POST").post(users::enable))
        .service(at("/users/{id}/reset-password", "POST").post(users::reset_password))
        .service(at("/users/{id}/logout", "POST").post(users::logout))
        .service(at("/users/{id}/logins", "GET, HEAD").route(read().to(lists::logins)))
        .service(at("/users/{id}/logins/{login}", "DELETE").delete(users::end_login))
        .service(at("/sessions", "GET, HEAD").route(read().to(lists::sessions)))
        .service(at("/audit", "GET, HEAD").route(read().to(lists::audit)))
        .service(at("/events", "GET, HEAD").route(read().to(events::follow)))
        .service(at("/stats", "GET, HEAD").route(read().to(lists::stats)))
        .service(at("/keys", "GET, HEAD, POST").route(read().to(keys::list)).post(keys::create))
        .service(at("/keys/{id}", "GET, HEAD, DELETE").route(read().to(keys::show)).delete(keys::revoke))
        .service(at("/keys/{id}/rotate", "POST").post(keys::rotate));
    cfg.service(admin)
        .service(at("/api/introspect", "POST").post(tokens::introspect).wrap(from_fn(guard::authorize)))
        .service(at("/api/revoke", "POST").post(tokens::revoke).wrap(from_fn(guard::authorize)));
}
