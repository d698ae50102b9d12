//! `GET /api/openapi.json`: the HTTP API as an `OpenAPI` 3.1 document.
//!
//! The document is made of the attributes beside the handlers and of the types that they read and write. A test
//! compares it with the table of routes.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{self, ServerBuilder};
use utoipa::{Modify, OpenApi};

use super::{Site, devices, health, keys, login, me, password, register, token};
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
        (name = "The server", description = "Keys and health"),
    ),
    paths(
        register::register, login::login, login::refresh, token::token, login::logout,
        me::show, me::rename, me::delete, me::change_password, me::change_email,
        devices::list, devices::end_all, devices::end, devices::sessions,
        password::forgot, password::reset, me::verify_email, password::rate,
        keys::jwks, health::healthz, health::readyz, document,
    ),
    components(schemas(Problem)),
    modifiers(&Credentials),
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
        let cookie = ApiKeyValue::with_description(
            "doorward",
            "The cookie of a browser that signed in with `cookie`. Its name has the port and path of the public URL",
        );
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
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

    use super::*;
    use crate::routes::table;

    /// Not described yet.
    const LATER: [&str; 4] = ["/api/admin/", "/api/introspect", "/api/revoke", "/api/invitations"];

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
            path.starts_with("/api/") && !LATER.iter().any(|later| path.starts_with(later))
                || matches!(path, "/.well-known/jwks.json" | "/healthz" | "/readyz")
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
