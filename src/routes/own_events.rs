//! What happened to the account of the signed-in user.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::SignedIn;
use super::problems::Problems;
use crate::accounts::{Accounts, OwnEvent};
use crate::clock::{Timestamp, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::error::ApiError;
use doorward_core::domain::describe_user_agent;

/// Entries of the list.
const MOST: i64 = 50;

#[derive(Serialize, ToSchema)]
#[schema(as = OwnEvent)]
struct EventView {
    #[schema(format = Uuid)]
    id: String,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    at: Timestamp,
    #[schema(example = "sign_in_failed")]
    action: String,
    /// `succeeded`, `failed` or `refused`.
    #[schema(example = "failed")]
    outcome: String,
    /// Why it did not succeed.
    #[schema(example = "wrong_password")]
    reason: Option<String>,
    /// Failures that are alike share an entry for a minute: how many there were.
    #[schema(minimum = 1, example = 3)]
    count: i32,
    /// When the last of several happened.
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-27T12:00:30.000Z")]
    last_at: Option<Timestamp>,
    /// `you`, `administrator`, `api_key`, `operator`, `server`, or `unknown`: a client that was not signed in.
    #[schema(example = "unknown")]
    actor: &'static str,
    #[schema(example = "203.0.113.7")]
    ip: Option<String>,
    /// The device in words, if it is known.
    #[schema(example = "Firefox on Linux")]
    device: Option<String>,
}

impl From<OwnEvent> for EventView {
    fn from(event: OwnEvent) -> Self {
        Self {
            actor: event.by.as_str(),
            device: event.user_agent.as_deref().map(|agent| describe_user_agent(Some(agent))),
            id: event.id,
            at: event.at,
            action: event.action,
            outcome: event.outcome,
            reason: event.reason,
            count: event.count,
            last_at: event.last_at,
            ip: event.address,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct OwnEvents {
    events: Vec<EventView>,
}

/// `GET /api/me/events`
#[utoipa::path(
    get,
    path = "/api/me/events",
    operation_id = "listOwnEvents",
    tag = "Account",
    summary = "List what happened to the account",
    responses((status = 200, description = "The last 50 events, the newest first", body = OwnEvents), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn list(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
) -> Result<HttpResponse, ApiError> {
    let events = accounts.own_events(access.user, MOST).await?;
    Ok(HttpResponse::Ok().json(OwnEvents { events: events.into_iter().map(EventView::from).collect() }))
}
