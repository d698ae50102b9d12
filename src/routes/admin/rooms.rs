//! Rooms over HTTP: what there is, and who may be there. An answer to a change that takes a right comes when it has ended.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::{Body, Query, Time};
use super::super::pagination;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, ListedRight, RoomInfo, RoomRightChange};
use crate::clock::{Timestamp, serialize_rfc3339_or_null};
use crate::cluster::message::NodeId;
use crate::error::ApiError;
use doorward_core::domain::UserId;
use doorward_core::rooms::{KindName, RoomName, Scope};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// Only rooms of this kind
    #[param(example = "chat")]
    kind: Option<String>,
    /// The `next` of the part before
    #[serde(default)]
    after: String,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of the rooms.
#[derive(Serialize, ToSchema)]
struct RoomList {
    rooms: Vec<RoomInfo>,
    /// The `after` of the next part, if there is one.
    #[schema(example = "chat:lobby")]
    next: Option<String>,
}

/// `GET /api/admin/rooms`
#[utoipa::path(
    get,
    path = "/api/admin/rooms",
    operation_id = "listRooms",
    tag = "Rooms",
    summary = "List rooms that have members, bans, or sessions of this node",
    params(Listing),
    responses((status = 200, description = "A part of the rooms, by name", body = RoomList), Problems),
    security(("api_key" = ["rooms:read"]), ("access_token" = [])),
)]
pub(super) async fn list(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(Listing { kind, after, limit }): Query<Listing>,
) -> Result<HttpResponse, ApiError> {
    let bad_kind = || ApiError::field("kind", "This is not the name of a kind of rooms.");
    let kind = kind.map(|kind| KindName::parse(&kind).ok_or_else(bad_kind)).transpose()?;
    let limit = pagination::limit(limit);
    let rooms = accounts.list_rooms(kind, after, limit + 1).await?;
    let (rooms, next) = pagination::cut(rooms, limit, |room| room.room.clone());
    Ok(HttpResponse::Ok().json(RoomList { rooms, next }))
}

/// `GET /api/admin/rooms/{room}`
#[utoipa::path(
    get,
    path = "/api/admin/rooms/{room}",
    operation_id = "showRoom",
    tag = "Rooms",
    summary = "Show a room",
    params(("room" = String, Path, description = "The room", example = "chat:lobby")),
    responses((status = 200, description = "The room, also if there is nothing of it", body = RoomInfo), Problems),
    security(("api_key" = ["rooms:read"]), ("access_token" = [])),
)]
pub(super) async fn show(
    _: Authorized,
    accounts: web::Data<Accounts>,
    room: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(accounts.show_room(parse_room(&room)?).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RightListing {
    /// The `next` of the part before
    #[param(value_type = Option<Uuid>)]
    after: Option<UserId>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

impl RightListing {
    fn after(&self) -> String {
        self.after.map(|after| after.to_string()).unwrap_or_default()
    }
}

/// A part of the members of a room.
#[derive(Serialize, ToSchema)]
struct MemberList {
    members: Vec<ListedRight>,
    /// The `after` of the next part, if there is one.
    #[schema(format = Uuid)]
    next: Option<String>,
}

/// A part of the bans from a room or from all rooms of a kind.
#[derive(Serialize, ToSchema)]
struct BanList {
    bans: Vec<ListedRight>,
    /// The `after` of the next part, if there is one.
    #[schema(format = Uuid)]
    next: Option<String>,
}

/// `GET /api/admin/rooms/{room}/members`
#[utoipa::path(
    get,
    path = "/api/admin/rooms/{room}/members",
    operation_id = "listRoomMembers",
    tag = "Rooms",
    summary = "List the members of a room",
    params(("room" = String, Path, description = "The room", example = "chat:lobby"), RightListing),
    responses((status = 200, description = "A part of the members, by their ids", body = MemberList), Problems),
    security(("api_key" = ["rooms:read"]), ("access_token" = [])),
)]
pub(super) async fn members(
    _: Authorized,
    accounts: web::Data<Accounts>,
    room: web::Path<String>,
    Query(query): Query<RightListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let members =
        accounts.room_members(parse_room(&room)?, query.after(), pagination::one_more(limit)).await?;
    let (members, next) = pagination::cut(members, limit, |member| member.right.user.clone());
    Ok(HttpResponse::Ok().json(MemberList { members, next }))
}

/// `GET /api/admin/rooms/{room}/bans`
#[utoipa::path(
    get,
    path = "/api/admin/rooms/{room}/bans",
    operation_id = "listRoomBans",
    tag = "Rooms",
    summary = "List who is banned from a room, or from all rooms of a kind",
    params(("room" = String, Path, description = "The room, or `KIND:*`", example = "chat:*"), RightListing),
    responses((status = 200, description = "A part of the bans, by the users' ids", body = BanList), Problems),
    security(("api_key" = ["rooms:read"]), ("access_token" = [])),
)]
pub(super) async fn bans(
    _: Authorized,
    accounts: web::Data<Accounts>,
    room: web::Path<String>,
    Query(query): Query<RightListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let bans = accounts.room_bans(parse_scope(&room)?, query.after(), pagination::one_more(limit)).await?;
    let (bans, next) = pagination::cut(bans, limit, |ban| ban.right.user.clone());
    Ok(HttpResponse::Ok().json(BanList { bans, next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoomRightRequest)]
pub(super) struct UntilRequest {
    /// When it ends; without one it has no end.
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-01T00:00:00Z")]
    until: Option<Time>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KickRequest)]
pub(super) struct KickRequest {
    #[schema(value_type = Uuid)]
    user: UserId,
}

/// What was changed, and the nodes that have not said within a second that they have applied it.
#[derive(Serialize, ToSchema)]
#[schema(as = RoomRightChanged)]
struct Changed {
    /// The room, or of a ban also `KIND:*`.
    #[schema(example = "chat:lobby")]
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    user: Option<UserId>,
    #[serde(serialize_with = "serialize_rfc3339_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-01T00:00:00.000Z")]
    until: Option<Timestamp>,
    #[schema(value_type = Vec<Uuid>)]
    silent_nodes: Vec<NodeId>,
}

/// `PUT /api/admin/rooms/{room}/members/{user}`
#[utoipa::path(
    put,
    path = "/api/admin/rooms/{room}/members/{user}",
    operation_id = "addRoomMember",
    tag = "Rooms",
    summary = "Make a user a member of a room, or change until when",
    params(
        ("room" = String, Path, description = "The room", example = "chat:lobby"),
        ("user" = Uuid, Path, description = "The account"),
    ),
    request_body = UntilRequest,
    responses(
        (status = 200, description = "The user is a member", body = Changed),
        (status = 202, description = "The same; some nodes have not confirmed it", body = Changed),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn add_member(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    path: web::Path<(String, UserId)>,
    Body(body): Body<UntilRequest>,
) -> Result<HttpResponse, ApiError> {
    let (room, user) = path.into_inner();
    let until = body.until.map(|Time(at)| at);
    change(&accounts, &authorized, RoomRightChange::Add(parse_room(&room)?, user, until)).await
}

/// `DELETE /api/admin/rooms/{room}/members/{user}`
#[utoipa::path(
    delete,
    path = "/api/admin/rooms/{room}/members/{user}",
    operation_id = "removeRoomMember",
    tag = "Rooms",
    summary = "End a membership",
    params(
        ("room" = String, Path, description = "The room", example = "chat:lobby"),
        ("user" = Uuid, Path, description = "The account"),
    ),
    responses(
        (status = 200, description = "Every node has applied it; also if the user was not a member", body = Changed),
        (status = 202, description = "It is done; some nodes have not confirmed it", body = Changed),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn remove_member(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    path: web::Path<(String, UserId)>,
) -> Result<HttpResponse, ApiError> {
    let (room, user) = path.into_inner();
    change(&accounts, &authorized, RoomRightChange::Remove(parse_room(&room)?, user)).await
}

/// `PUT /api/admin/rooms/{room}/bans/{user}`
#[utoipa::path(
    put,
    path = "/api/admin/rooms/{room}/bans/{user}",
    operation_id = "banFromRoom",
    tag = "Rooms",
    summary = "Ban a user from a room, or from all rooms of a kind",
    params(
        ("room" = String, Path, description = "The room, or `KIND:*`", example = "chat:*"),
        ("user" = Uuid, Path, description = "The account"),
    ),
    request_body = UntilRequest,
    responses(
        (status = 200, description = "Every node has applied it", body = Changed),
        (status = 202, description = "It is done; some nodes have not confirmed it", body = Changed),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn ban(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    path: web::Path<(String, UserId)>,
    Body(body): Body<UntilRequest>,
) -> Result<HttpResponse, ApiError> {
    let (room, user) = path.into_inner();
    let until = body.until.map(|Time(at)| at);
    change(&accounts, &authorized, RoomRightChange::Ban(parse_scope(&room)?, user, until)).await
}

/// `DELETE /api/admin/rooms/{room}/bans/{user}`
#[utoipa::path(
    delete,
    path = "/api/admin/rooms/{room}/bans/{user}",
    operation_id = "unbanFromRoom",
    tag = "Rooms",
    summary = "Lift a ban",
    params(
        ("room" = String, Path, description = "The room, or `KIND:*`", example = "chat:*"),
        ("user" = Uuid, Path, description = "The account"),
    ),
    responses(
        (status = 200, description = "Every node has applied it; also if there was no such ban", body = Changed),
        (status = 202, description = "It is done; some nodes have not confirmed it", body = Changed),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn unban(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    path: web::Path<(String, UserId)>,
) -> Result<HttpResponse, ApiError> {
    let (room, user) = path.into_inner();
    change(&accounts, &authorized, RoomRightChange::Unban(parse_scope(&room)?, user)).await
}

/// `POST /api/admin/rooms/{room}/kick`
#[utoipa::path(
    post,
    path = "/api/admin/rooms/{room}/kick",
    operation_id = "kickFromRoom",
    tag = "Rooms",
    summary = "Put a user's sessions out of a room; they may join again",
    params(("room" = String, Path, description = "The room", example = "chat:lobby")),
    request_body = KickRequest,
    responses(
        (status = 200, description = "Every node has applied it", body = Changed),
        (status = 202, description = "It is done; some nodes have not confirmed it", body = Changed),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn kick(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    room: web::Path<String>,
    Body(body): Body<KickRequest>,
) -> Result<HttpResponse, ApiError> {
    change(&accounts, &authorized, RoomRightChange::Kick(parse_room(&room)?, body.user)).await
}

/// `DELETE /api/admin/rooms/{room}`
#[utoipa::path(
    delete,
    path = "/api/admin/rooms/{room}",
    operation_id = "closeRoom",
    tag = "Rooms",
    summary = "Put all sessions out of a room; members and bans stay",
    params(("room" = String, Path, description = "The room", example = "chat:lobby")),
    responses(
        (status = 200, description = "Every node has applied it", body = Changed),
        (status = 202, description = "It is done; some nodes have not confirmed it", body = Changed),
        Problems,
    ),
    security(("api_key" = ["rooms:write"]), ("access_token" = [])),
)]
pub(super) async fn close(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    room: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    change(&accounts, &authorized, RoomRightChange::Close(parse_room(&room)?)).await
}

async fn change(
    accounts: &Accounts,
    authorized: &Authorized,
    change: RoomRightChange,
) -> Result<HttpResponse, ApiError> {
    let (room, user, until) = (change.room(), change.user(), change.until());
    let silent_nodes = accounts.change_room_right(change, &authorized.caller).await?;
    // Within three seconds these have applied it, or deliver nothing.
    let mut response = if silent_nodes.is_empty() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(response.json(Changed { room, user, until, silent_nodes }))
}

fn parse_room(text: &str) -> Result<RoomName, ApiError> {
    let why = "A room is named `kind:rest`, at most 200 bytes of letters, digits and ._:@=+-";
    RoomName::parse(text).ok_or_else(|| ApiError::field("room", why))
}

fn parse_scope(text: &str) -> Result<Scope, ApiError> {
    let why = "A room is named `kind:rest`, at most 200 bytes of letters, digits and ._:@=+-; all rooms of a kind are `kind:*`.";
    Scope::parse(text).ok_or_else(|| ApiError::field("room", why))
}
