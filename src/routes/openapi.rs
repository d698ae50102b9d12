//! `GET /api/openapi.json`: the HTTP API as an `OpenAPI` 3.1 document.
//!
//! The document is made of the attributes beside the handlers and of the types that they read and write. A test
//! compares it with the table of routes.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{self, RefOr, Required, ServerBuilder};
use utoipa::{Modify, OpenApi};

use super::{Site, admin, devices, health, keys, login, me, own_events, password, register, token};
use crate::error::Problem;

/// Seconds for which a client may keep the document.
const MAX_AGE: &str = "public, max-age=300";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Doorward",
        description = "Accounts over HTTP, and access tokens that open live sockets. Errors are problem documents \
                       (RFC 9457); `code` is stable."
    ),
    tags(
        (name = "Signing in", description = "Register, sign in, get a new access token, sign out"),
        (name = "Account", description = "The account of the signed-in user"),
        (name = "Devices", description = "Where the user is signed in, and with which live sockets"),
        (name = "Recovery", description = "Forgotten passwords and email addresses"),
        (name = "Users", description = "For backends and administrators: accounts"),
        (name = "Invitations", description = "For backends and administrators: links to register with"),
        (name = "Rooms", description = "For backends and administrators: members, bans, room tokens, and removing sessions from rooms"),
        (name = "Lists", description = "For backends and administrators: live sockets, events, the audit trail"),
        (name = "Tokens", description = "For backends: whether a token is active"),
        (name = "API keys", description = "For backends and administrators: the keys of backends"),
        (name = "Signing keys", description = "For administrators: the keys that sign access tokens"),
        (name = "The server", description = "Keys and health"),
    ),
    paths(
        register::register, login::login, login::refresh, token::token, login::logout,
        me::show, me::change, me::delete, me::export, own_events::list, me::change_password,
        me::change_email,
        devices::list, devices::end_all, devices::end, devices::sessions,
        password::forgot, password::reset, me::verify_email, password::rate,
        admin::users::list, admin::users::create, admin::users::show,
        admin::users::change, admin::users::delete, admin::user_actions::disable,
        admin::user_actions::enable, admin::user_actions::unlock, admin::user_actions::reset_password,
        admin::user_actions::logout, admin::user_actions::end_login, admin::user_actions::export,
        admin::lists::logins, admin::lists::sessions, admin::lists::audit,
        admin::rooms::list, admin::rooms::show, admin::rooms::close, admin::rooms::members,
        admin::rooms::add_member, admin::rooms::remove_member, admin::rooms::bans, admin::rooms::ban,
        admin::rooms::unban, admin::rooms::kick, admin::room_tokens::revoke,
        admin::lists::stats, admin::events::follow, admin::invitations::list,
        admin::invitations::create, admin::invitations::revoke, admin::keys::list,
        admin::keys::show, admin::keys::create, admin::keys::rotate, admin::keys::revoke,
        admin::signing_keys::list, admin::signing_keys::rotate, admin::tokens::introspect,
        admin::tokens::revoke,
        keys::jwks, health::healthz, health::readyz, document,
    ),
    components(schemas(Problem)),
    modifiers(&Credentials, &Headers),
)]
struct Api;

/// The credentials that requests carry.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token that a sign-in answers with (RFC 6750 section 2.1)"));
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer.build()));
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("dwk_...")
            .description(Some("An API key with one of the named scopes, or an administrator's access token"));
        components.add_security_scheme("api_key", SecurityScheme::Http(key.build()));
        let cookie = ApiKeyValue::with_description(
            "doorward",
            "The cookie of a browser that signed in with `cookie`. Its name has the port and path of the public URL",
        );
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The headers that several operations of the server API take.
struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let header = |name: &str, description: &str| -> RefOr<Parameter> {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
            parameter
                .description(Some(description))
                .required(Required::False)
                .schema(Some(text))
                .build()
                .into()
        };
        let once =
            header("Idempotency-Key", "The request is done once, however often it is sent with this key");
        let state = header("If-Match", "The account is changed only in the state that this ETag names");
        for (path, item) in &mut document.paths.paths {
            let is_about_user = path.starts_with("/api/admin/users/{id}");
            if let Some(post) = item.post.as_mut().filter(|_| path.starts_with("/api/admin/")) {
                post.parameters.get_or_insert_default().push(once.clone());
                if is_about_user && (path.ends_with("/disable") || path.ends_with("/enable")) {
                    post.parameters.get_or_insert_default().push(state.clone());
                }
            }
            if path == "/api/admin/users/{id}" {
                for operation in [&mut item.patch, &mut item.delete].into_iter().flatten() {
                    operation.parameters.get_or_insert_default().push(state.clone());
                }
            }
        }
    }
}

/// The document, without the server's address.
static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(Api::openapi);

pub(super) fn document_of(site: &Site) -> openapi::OpenApi {
    let mut document = DOCUMENT.clone();
    document.servers = Some(vec![ServerBuilder::new().url(&site.public_url).build()]);
    document
}

/// `GET /api/openapi.json`
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "The server",
    summary = "This document",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)),
    security(()),
)]
pub(super) async fn document(site: web::Data<Site>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, MAX_AGE)).json(document_of(&site))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::routes::table;

    /// Methods of paths below `/api`, and what is read by programs beside it.
    fn documented() -> BTreeSet<(String, String)> {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_ascii_uppercase()))
            })
            .collect()
    }

    #[actix_web::test]
    async fn the_document_and_the_table_of_routes_are_equal() {
        let _configured = crate::routes::tests::start().await;
        let is_for_programs = |path: &str| {
            path.starts_with("/api/") || matches!(path, "/.well-known/jwks.json" | "/healthz" | "/readyz")
        };
        let routed: BTreeSet<_> = table::entries()
            .into_iter()
            .filter(|(path, _)| is_for_programs(path))
            .flat_map(|(path, allow)| {
                // HEAD is GET without the body; the document does not repeat it.
                let methods = allow.split(", ").filter(|method| *method != "HEAD").map(str::to_owned);
                methods.map(move |method| (path.clone(), method)).collect::<Vec<_>>()
            })
            .collect();
        assert!(routed.len() > 20, "{routed:?}");
        assert_eq!(documented(), routed);
    }

    /// What opens an operation of the server API is what the guard says.
    #[test]
    fn the_document_names_the_scopes_of_each_route() {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        for (method, path, scopes) in crate::routes::admin::guard::ROUTES {
            let security = &document["paths"][path][method.as_str().to_ascii_lowercase()]["security"];
            let alternatives = security.as_array().unwrap_or_else(|| panic!("{method} {path}"));
            let named: Vec<_> = alternatives.iter().filter_map(|one| one.get("api_key")).collect();
            let all = json!(["users:read", "sessions:read", "audit:read"]);
            let wanted: Vec<_> = match path.strip_suffix("/export") {
                Some(_) => vec![all],
                None => scopes.iter().map(|scope| json!([scope])).collect(),
            };
            assert_eq!(named, wanted.iter().collect::<Vec<_>>(), "{method} {path}");
        }
    }

    #[test]
    fn every_answer_has_an_example() {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut without = Vec::new();
        for (name, schema) in schemas.iter().filter(|(_, schema)| schema["example"].is_null()) {
            if let Some(properties) = schema["properties"].as_object() {
                for (property, schema) in properties {
                    let text = schema.to_string();
                    // What needs none: references, ids, booleans, lists, and objects of the application.
                    let shown = ["\"example", "$ref", "uuid", "boolean", "\"items\"", "\"object\""];
                    if !shown.iter().any(|word| text.contains(word)) {
                        without.push(format!("{name}.{property}"));
                    }
                }
            }
        }
        assert_eq!(without, Vec::<String>::new());
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["security"].is_array(), "{method} {path}");
            }
        }
    }
}
