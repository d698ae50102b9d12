//! Who may use which route of the server API. The identity comes from the API key or access token alone, never from a
//! body or a path.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError, web};
use tracing::Instrument;

use super::super::client::client_address;
use super::super::extract::{self, bearer};
use super::super::request_id::note_user;
use super::super::{Site, limit, misplaced_token};
use super::idempotency;
use crate::accounts::{self, Accounts, Caller, KeyError, RequestName};
use crate::auth::token_shape;
use crate::auth::tokens::TokenError;
use crate::error::ApiError;
use doorward_core::domain::KeyScope::{
    self, AuditRead, EventsRead, KeysRead, KeysWrite, RolesWrite, RoomsRead, RoomsWrite, SessionsRead,
    SigningKeysRead, SigningKeysWrite, StatsRead, TokensIntrospect, TokensRevoke, UsersEnd, UsersRead,
    UsersWrite,
};
use doorward_core::domain::KeyScopes;

/// A route, and the scopes of which one is needed.
pub(in super::super) type Rule = (Method, &'static str, &'static [KeyScope]);

/// The whole server API: a route that is missing here answers to no caller.
pub(in super::super) const ROUTES: &[Rule] = &[
    (Method::POST, "/api/introspect", &[TokensIntrospect]),
    (Method::POST, "/api/revoke", &[TokensRevoke]),
    (Method::GET, "/api/admin/users", &[UsersRead]),
    (Method::POST, "/api/admin/users", &[UsersWrite]),
    (Method::GET, "/api/admin/users/{id}", &[UsersRead]),
    (Method::PATCH, "/api/admin/users/{id}", &[UsersWrite, RolesWrite]),
    (Method::DELETE, "/api/admin/users/{id}", &[UsersEnd]),
    (Method::POST, "/api/admin/users/{id}/disable", &[UsersEnd]),
    (Method::POST, "/api/admin/users/{id}/enable", &[UsersWrite]),
    (Method::POST, "/api/admin/users/{id}/unlock", &[UsersWrite]),
    (Method::POST, "/api/admin/users/{id}/reset-password", &[UsersWrite]),
    (Method::POST, "/api/admin/users/{id}/logout", &[UsersEnd]),
    (Method::GET, "/api/admin/users/{id}/export", &[UsersRead]),
    (Method::GET, "/api/admin/users/{id}/logins", &[SessionsRead]),
    (Method::DELETE, "/api/admin/users/{id}/logins/{login}", &[UsersEnd]),
    (Method::GET, "/api/admin/invitations", &[UsersRead]),
    (Method::POST, "/api/admin/invitations", &[UsersWrite]),
    (Method::DELETE, "/api/admin/invitations/{id}", &[UsersWrite]),
    (Method::GET, "/api/admin/rooms", &[RoomsRead]),
    (Method::GET, "/api/admin/rooms/{room}", &[RoomsRead]),
    (Method::DELETE, "/api/admin/rooms/{room}", &[RoomsWrite]),
    (Method::GET, "/api/admin/rooms/{room}/members", &[RoomsRead]),
    (Method::PUT, "/api/admin/rooms/{room}/members/{user}", &[RoomsWrite]),
    (Method::DELETE, "/api/admin/rooms/{room}/members/{user}", &[RoomsWrite]),
    (Method::GET, "/api/admin/rooms/{room}/bans", &[RoomsRead]),
    (Method::PUT, "/api/admin/rooms/{room}/bans/{user}", &[RoomsWrite]),
    (Method::DELETE, "/api/admin/rooms/{room}/bans/{user}", &[RoomsWrite]),
    (Method::POST, "/api/admin/rooms/{room}/kick", &[RoomsWrite]),
    (Method::POST, "/api/admin/room-tokens/revoke", &[RoomsWrite]),
    (Method::GET, "/api/admin/sessions", &[SessionsRead]),
    (Method::GET, "/api/admin/events", &[EventsRead]),
    (Method::GET, "/api/admin/audit", &[AuditRead]),
    (Method::GET, "/api/admin/stats", &[StatsRead]),
    (Method::GET, "/api/admin/keys", &[KeysRead]),
    (Method::POST, "/api/admin/keys", &[KeysWrite]),
    (Method::GET, "/api/admin/keys/{id}", &[KeysRead]),
    (Method::DELETE, "/api/admin/keys/{id}", &[KeysWrite]),
    (Method::POST, "/api/admin/keys/{id}/rotate", &[KeysWrite]),
    (Method::GET, "/api/admin/signing-keys", &[SigningKeysRead]),
    (Method::POST, "/api/admin/signing-keys/rotate", &[SigningKeysWrite]),
];

/// Who uses the server API.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Principal {
    Key(KeyScopes),
    /// A user whose current role is `admin`.
    Admin,
}

/// A caller whom the guard has let pass. A change asks once more, inside its transaction.
#[derive(Clone)]
pub(in super::super) struct Authorized {
    pub principal: Principal,
    pub caller: Caller,
    /// Those of the route.
    scopes: &'static [KeyScope],
    /// The `Idempotency-Key` of the request, until the request is run.
    once: Option<RequestName>,
}

impl Authorized {
    /// Checks a scope that only a part of a request needs.
    ///
    /// # Errors
    /// 403 if an API key lacks it.
    pub fn require(&self, scope: KeyScope) -> Result<(), ApiError> {
        match self.principal {
            Principal::Key(scopes) if !scopes.contains(scope) => Err(ApiError::insufficient_scope(&[scope])),
            Principal::Key(_) | Principal::Admin => Ok(()),
        }
    }

    /// Whether the caller may still do what it was let pass for: for a request that waits.
    ///
    /// # Errors
    /// Those of the guard: the key or login was revoked or has expired meanwhile, the secret of the key was replaced, or
    /// the user's roles have changed.
    pub async fn check_again(&self, request: &HttpRequest) -> Result<(), ApiError> {
        admit(request, self.scopes).await.map(drop)
    }
}

impl FromRequest for Authorized {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(ApiError::unauthorized))
    }
}

/// The scopes of which one opens a route.
fn scopes_of(method: &Method, path: &str) -> Option<&'static [KeyScope]> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let rule = ROUTES.iter().find(|(known, pattern, _)| known == method && *pattern == path);
    rule.map(|(_, _, scopes)| *scopes)
}

/// Middleware of the server API: it finds out who asks and whether they may, before the body is read and once more when
/// it was, which may take ten seconds.
pub(super) async fn authorize(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.match_pattern().unwrap_or_default();
    // Another path or method: the resource answers that it lacks it, and no handler runs.
    let Some(scopes) = scopes_of(request.method(), &path) else { return next.call(request).await };
    match admit_with_body(&mut request, scopes).await {
        Ok(mut authorized) => {
            let once = authorized.once.take();
            request.extensions_mut().insert(authorized);
            match once {
                Some(name) => run_once(request, name, next).await,
                None => next.call(request).await,
            }
        }
        Err(error) => Ok(request.into_response(error.error_response())),
    }
}

async fn admit_with_body(
    request: &mut ServiceRequest,
    scopes: &'static [KeyScope],
) -> Result<Authorized, ApiError> {
    let authorized = admit(request.request(), scopes).await?;
    // No handler reads the body of another method.
    if ![Method::POST, Method::PATCH, Method::PUT].contains(request.method()) {
        return Ok(authorized);
    }
    let body = extract::buffer(request).await?;
    let authorized = admit(request.request(), scopes).await?;
    let once = idempotency::name(request.request(), &authorized.caller, &body)?;
    Ok(Authorized { once, ..authorized })
}

/// Runs a request that its client may send again: once.
async fn run_once(
    request: ServiceRequest,
    name: RequestName,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // `configure` always sets it.
    let Some(accounts) = request.app_data::<web::Data<Accounts>>().cloned() else {
        return Ok(request.into_response(ApiError::not_found().error_response()));
    };
    match idempotency::begin(&accounts, &name).await {
        Ok(None) => {}
        Ok(Some(answer)) => return Ok(request.into_response(answer)),
        Err(error) => return Ok(request.into_response(error.error_response())),
    }
    // In a task of its own: a client that has hung up asks again, and must get the answer then.
    let run = async move {
        match next.call(request).await {
            Ok(response) => Ok(idempotency::finish(&accounts, name, response).await),
            Err(error) => {
                idempotency::forget(&accounts, name).await;
                Err(error)
            }
        }
    };
    actix_web::rt::spawn(run.in_current_span())
        .await
        .unwrap_or_else(|panicked| Err(ApiError::internal(&panicked).into()))
}

async fn admit(request: &HttpRequest, scopes: &'static [KeyScope]) -> Result<Authorized, ApiError> {
    let token = bearer(request).ok_or_else(|| unauthorized(request))?;
    // `configure` always sets these.
    let accounts = request.app_data::<web::Data<Accounts>>().ok_or_else(ApiError::unauthorized)?;
    let site = request.app_data::<web::Data<Site>>().ok_or_else(ApiError::unauthorized)?;
    let caller = extract::caller(request, site);
    if token_shape::is_api_key(token) {
        limit::check_refusals_unless(request, || accounts.is_issued_api_key(token))?;
        let address = client_address(request, &site.sockets);
        let key = accounts.authenticate_api_key(token, address, &caller).await.inspect_err(|error| {
            if matches!(error, accounts::Error::ApiKey(KeyError::Invalid)) {
                limit::count_refusal(request);
            }
        })?;
        if !scopes.iter().any(|scope| key.scopes.contains(*scope)) {
            return Err(ApiError::insufficient_scope(scopes));
        }
        note_user(request, format!("key {}", key.id).into());
        let caller = caller.with_api_key(key.id);
        return Ok(Authorized { principal: Principal::Key(key.scopes), caller, scopes, once: None });
    }
    limit::check_refusals_unless(request, || accounts.is_cached(token))?;
    let access = accounts.authenticate(token).map_err(|error| {
        if error == TokenError::Invalid {
            limit::count_refusal(request);
        }
        misplaced_token::refused(error, token)
    })?;
    note_user(request, access.username.clone());
    if !accounts.is_admin(&access) {
        return Err(ApiError::insufficient_scope(scopes));
    }
    let caller = caller.signed_in(&access);
    Ok(Authorized { principal: Principal::Admin, caller, scopes, once: None })
}

/// The response to a request without a key or token in the right place.
fn unauthorized(request: &HttpRequest) -> ApiError {
    let error = misplaced_token::unauthorized(request);
    if error.code() == "unauthorized" && misplaced_token::find(request).is_none() {
        return error.with_detail("This needs an API key: Authorization: Bearer dwk_...");
    }
    error
}
