//! Room tokens over HTTP: those that an application's backend has signed are taken back.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::{Body, Time};
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::Accounts;
use crate::cluster::message::NodeId;
use crate::error::ApiError;
use doorward_core::domain::UserId;
use doorward_core::rooms::RevokedTokens;

/// Which tokens: `jti` alone; or those of `user`, or of all users, that were issued before a moment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RevokeRoomTokensRequest)]
pub(super) struct RevokeRequest {
    /// The `jti` of one token, of 1 to 128 bytes.
    #[schema(example = "0190f3c4-order-17")]
    jti: Option<String>,
    #[schema(value_type = Option<Uuid>)]
    user: Option<UserId>,
    /// Tokens whose `iat` is before this moment, which must not be in the future; with `user`, now if absent.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-28T09:31:02.123Z")]
    issued_before: Option<Time>,
}

/// The nodes that have not said within a second that they have applied it.
#[derive(Serialize, ToSchema)]
#[schema(as = RoomTokensRevoked)]
struct Revoked {
    #[schema(value_type = Vec<Uuid>)]
    silent_nodes: Vec<NodeId>,
}

/// `POST /api/admin/room-tokens/revoke`
#[utoipa::path(
    post,
    path = "/api/admin/room-tokens/revoke",
    operation_id = "revokeRoomTokens",
    tag = "Rooms",
    summary = "Revoke room tokens: by jti, or all that were issued before a moment",
    request_body = RevokeRequest,
    responses(
        (status = 200, description = "Every node has applied it", body = Revoked),
        (status = 202, description = "It is done; some nodes have not confirmed it", body = Revoked),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn revoke(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    Body(body): Body<RevokeRequest>,
) -> Result<HttpResponse, ApiError> {
    let tokens = match body {
        RevokeRequest { jti: Some(jti), user: None, issued_before: None } => RevokedTokens::One(jti.into()),
        RevokeRequest { jti: None, user, issued_before: Some(Time(before)) } => {
            RevokedTokens::IssuedBefore(before, user)
        }
        RevokeRequest { jti: None, user: Some(user), issued_before: None } => {
            accounts.room_tokens_until_now(Some(user))
        }
        _ => {
            return Err(ApiError::field("jti", "Name a `jti`, or else a `user` or `issued_before` or both."));
        }
    };
    let silent_nodes = accounts.revoke_room_tokens(tokens, &authorized.caller).await?;
    // Within three seconds these have applied it, or deliver nothing.
    let mut response = if silent_nodes.is_empty() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(response.json(Revoked { silent_nodes }))
}
