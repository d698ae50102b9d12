//! Invitations to register. The link is in the answer that makes one, and nowhere else; one with an address is sent
//! there instead.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::extract::{Body, Query, optional};
use super::super::pagination;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, Error, INVITATION_TTL, InvitationInfo, Invite, MadeInvitation};
use crate::error::ApiError;
use doorward_core::domain::{Email, KeyScope, Roles};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// Only invitations that are older than this one
    after: Option<Uuid>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of the open invitations.
#[derive(Serialize, ToSchema)]
struct InvitationList {
    invitations: Vec<InvitationInfo>,
    /// The `after` of the next part, if there is one.
    #[schema(format = Uuid)]
    next: Option<String>,
}

/// `GET /api/admin/invitations`
#[utoipa::path(
    get,
    path = "/api/admin/invitations",
    operation_id = "listInvitations",
    tag = "Invitations",
    summary = "List open invitations",
    params(Listing),
    responses((status = 200, description = "A part of the invitations, the newest first", body = InvitationList), Problems),
    security(("api_key" = ["users:read"]), ("access_token" = [])),
)]
pub(super) async fn list(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<Listing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let invitations = accounts.list_invitations(query.after, pagination::one_more(limit)).await?;
    let (invitations, next) = pagination::cut(invitations, limit, |invitation| invitation.id.clone());
    Ok(HttpResponse::Ok().json(InvitationList { invitations, next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateInvitationRequest)]
pub(super) struct CreateRequest {
    #[schema(example = "bob@example.org")]
    email: Option<String>,
    #[serde(default)]
    #[schema(example = json!(["editor"]))]
    roles: Vec<String>,
    /// Seconds.
    #[schema(minimum = 60, maximum = 31_622_400, example = 604_800)]
    expires_in: Option<u32>,
}

/// `POST /api/admin/invitations`
#[utoipa::path(
    post,
    path = "/api/admin/invitations",
    operation_id = "createInvitation",
    tag = "Invitations",
    summary = "Make an invitation to register",
    request_body = CreateRequest,
    responses((status = 201, description = "The invitation; its link is shown this once", body = MadeInvitation), Problems),
    security(("api_key" = ["users:write"]), ("access_token" = [])),
)]
pub(super) async fn create(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    Body(body): Body<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    if !body.roles.is_empty() {
        authorized.require(KeyScope::RolesWrite)?;
    }
    let email = optional(body.email).map(|email| Email::parse(&email)).transpose().map_err(Error::from)?;
    let ttl = body.expires_in.map_or(Invite::DEFAULT_TTL, |seconds| Duration::from_secs(seconds.into()));
    if !INVITATION_TTL.contains(&ttl) {
        let why = "An invitation works for 60 to 31,622,400 seconds (366 days).";
        return Err(ApiError::field("expires_in", why));
    }
    let invite = Invite { email, roles: Roles::parse(&body.roles).map_err(Error::from)?, ttl };
    let invited = accounts.invite(invite, &authorized.caller).await?;
    let location = format!("/api/admin/invitations/{}", invited.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(invited))
}

/// `DELETE /api/admin/invitations/{id}`
#[utoipa::path(
    delete,
    path = "/api/admin/invitations/{id}",
    operation_id = "revokeInvitation",
    tag = "Invitations",
    summary = "Revoke an invitation",
    params(("id" = Uuid, Path, description = "The invitation")),
    responses((status = 204, description = "Its link no longer works"), Problems),
    security(("api_key" = ["users:write"]), ("access_token" = [])),
)]
pub(super) async fn revoke(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    accounts.revoke_invitation(&id.to_string(), &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
