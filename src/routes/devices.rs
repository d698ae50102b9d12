//! Where the user is signed in, and with which live sockets.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::extract::SignedIn;
use crate::accounts::Accounts;
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::error::ApiError;
use crate::models::stored::Stored;
use doorward_core::domain::{LoginId, LoginKind, describe_user_agent};

#[derive(Serialize)]
struct LoginView {
    id: LoginId,
    /// `token`, `browser` or `connection`.
    kind: Stored<LoginKind>,
    user_agent: Option<String>,
    /// The same in words, such as `Firefox on Linux`.
    device: String,
    ip: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    last_seen_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    expires_at: Timestamp,
    /// The one that this request is made with.
    current: bool,
}

#[derive(Serialize)]
struct Logins {
    logins: Vec<LoginView>,
}

/// `GET /api/logins`
pub(super) async fn list(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
) -> Result<HttpResponse, ApiError> {
    let logins = accounts.list_logins(access.user).await?.into_iter().map(|login| LoginView {
        current: login.id == access.login,
        id: login.id,
        kind: login.kind,
        device: describe_user_agent(login.user_agent.as_deref()),
        user_agent: login.user_agent,
        ip: login.ip,
        created_at: login.created_at,
        last_seen_at: login.last_seen_at,
        expires_at: login.expires_at,
    });
    Ok(HttpResponse::Ok().json(Logins { logins: logins.collect() }))
}

#[derive(Deserialize)]
pub(super) struct EndQuery {
    except: Option<Except>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Except {
    Current,
}

/// `DELETE /api/logins[?except=current]`
pub(super) async fn end_all(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
    query: web::Query<EndQuery>,
) -> Result<HttpResponse, ApiError> {
    accounts.sign_out_all(&access, query.except.is_some()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /api/logins/{id}`
pub(super) async fn end(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
    id: web::Path<LoginId>,
) -> Result<HttpResponse, ApiError> {
    accounts.revoke_login(&access, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/sessions`
pub(super) async fn sessions(SignedIn(access): SignedIn, accounts: web::Data<Accounts>) -> HttpResponse {
    let sessions = accounts.list_sessions(access.user);
    let sessions: Vec<_> = sessions.iter().map(AsRef::as_ref).collect();
    HttpResponse::Ok().json(serde_json::json!({ "sessions": sessions }))
}
