//! The server API: what an application's backend may ask for with an API key, and a user with the role `admin`.
//! [`guard::ROUTES`] says which scope opens which route.

pub(super) mod events;
pub(super) mod guard;
mod idempotency;
pub(super) mod invitations;
pub(super) mod keys;
pub(super) mod lists;
pub(super) mod room_tokens;
pub(super) mod rooms;
pub(super) mod signing_keys;
pub(super) mod tokens;
pub(super) mod user_actions;
pub(super) mod users;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::{read, within};

const PREFIX: &str = "/api/admin";

/// The routes. A handler runs only if the guard has let its caller pass.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    let at = |path, allow| within(PREFIX, path, allow);
    let admin = web::scope(PREFIX)
        .wrap(from_fn(guard::authorize))
        .service(at("/users", "GET, HEAD, POST").route(read().to(users::list)).post(users::create))
        .service(
            at("/users/{id}", "GET, HEAD, PATCH, DELETE")
                .route(read().to(users::show))
                .patch(users::change)
                .delete(users::delete),
        )
        .service(at("/users/{id}/disable", "POST").post(user_actions::disable))
        .service(at("/users/{id}/enable", "POST").post(user_actions::enable))
        .service(at("/users/{id}/unlock", "POST").post(user_actions::unlock))
        .service(at("/users/{id}/reset-password", "POST").post(user_actions::reset_password))
        .service(at("/users/{id}/logout", "POST").post(user_actions::logout))
        .service(at("/users/{id}/export", "GET, HEAD").route(read().to(user_actions::export)))
        .service(at("/users/{id}/logins", "GET, HEAD").route(read().to(lists::logins)))
        .service(at("/users/{id}/logins/{login}", "DELETE").delete(user_actions::end_login))
        .service(
            at("/invitations", "GET, HEAD, POST")
                .route(read().to(invitations::list))
                .post(invitations::create),
        )
        .service(at("/invitations/{id}", "DELETE").delete(invitations::revoke))
        .configure(configure_rooms)
        .service(at("/sessions", "GET, HEAD").route(read().to(lists::sessions)))
        .service(at("/audit", "GET, HEAD").route(read().to(lists::audit)))
        .service(at("/events", "GET, HEAD").route(read().to(events::follow)))
        .service(at("/stats", "GET, HEAD").route(read().to(lists::stats)))
        .service(at("/keys", "GET, HEAD, POST").route(read().to(keys::list)).post(keys::create))
        .service(at("/keys/{id}", "GET, HEAD, DELETE").route(read().to(keys::show)).delete(keys::revoke))
        .service(at("/keys/{id}/rotate", "POST").post(keys::rotate))
        .service(at("/signing-keys", "GET, HEAD").route(read().to(signing_keys::list)))
        .service(at("/signing-keys/rotate", "POST").post(signing_keys::rotate));
    cfg.service(admin)
        .service(
            super::at("/api/introspect", "POST").post(tokens::introspect).wrap(from_fn(guard::authorize)),
        )
        .service(super::at("/api/revoke", "POST").post(tokens::revoke).wrap(from_fn(guard::authorize)));
}

/// Members, bans, who is put out, and which tokens are revoked.
fn configure_rooms(cfg: &mut ServiceConfig) {
    let at = |path, allow| within(PREFIX, path, allow);
    cfg.service(at("/rooms", "GET, HEAD").route(read().to(rooms::list)))
        .service(at("/rooms/{room}", "GET, HEAD, DELETE").route(read().to(rooms::show)).delete(rooms::close))
        .service(at("/rooms/{room}/members", "GET, HEAD").route(read().to(rooms::members)))
        .service(
            at("/rooms/{room}/members/{user}", "PUT, DELETE")
                .put(rooms::add_member)
                .delete(rooms::remove_member),
        )
        .service(at("/rooms/{room}/bans", "GET, HEAD").route(read().to(rooms::bans)))
        .service(at("/rooms/{room}/bans/{user}", "PUT, DELETE").put(rooms::ban).delete(rooms::unban))
        .service(at("/rooms/{room}/kick", "POST").post(rooms::kick))
        .service(at("/room-tokens/revoke", "POST").post(room_tokens::revoke));
}
