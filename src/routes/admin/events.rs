//! The feed of changes: a long poll for backends that nothing can be sent to.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::Readiness;
use super::super::extract::{Query, bad_query};
use super::super::pagination;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, Event, EventPage};
use crate::directory::freshness::boot_millis;
use crate::error::ApiError;

/// How long a request may wait.
const MAX_WAIT: Duration = Duration::from_mins(1);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Following {
    /// Only events with a greater number
    after: Option<i64>,
    /// How long to wait for an event, such as `30s`; a minute at most
    wait: Option<String>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of the feed.
#[derive(Serialize, ToSchema)]
struct FeedPage<'a> {
    events: &'a [Event],
    /// The `after` of the next request.
    #[schema(example = 42)]
    next: i64,
}

/// `GET /api/admin/events`
#[utoipa::path(
    get,
    path = "/api/admin/events",
    operation_id = "followEvents",
    tag = "Lists",
    summary = "Follow changes of users and logins",
    params(Following),
    responses((status = 200, description = "A part of the feed", body = FeedPage), Problems),
    security(("api_key" = ["events:read"]), ("access_token" = [])),
)]
pub(super) async fn follow(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    readiness: web::Data<Readiness>,
    Query(query): Query<Following>,
) -> Result<HttpResponse, ApiError> {
    let wait = query.wait.as_deref().map_or(Some(Duration::ZERO), duration).ok_or_else(bad_query)?;
    let limit = i64::try_from(pagination::limit(query.limit)).unwrap_or(i64::MAX);
    let first = accounts.events_after(query.after, limit).await?;
    if query.after.is_none() || wait.is_zero() || !first.events.is_empty() {
        return Ok(answer(&first));
    }
    let _place = accounts.event_place().ok_or_else(too_many)?;
    let began = boot_millis();
    loop {
        accounts.wait_for_events().await;
        // The key may have been revoked meanwhile, or its secret replaced.
        authorized.check_again(&request).await?;
        let page = accounts.events_after(query.after, limit).await?;
        let waited = Duration::from_millis(boot_millis().saturating_sub(began));
        if !page.events.is_empty() || waited >= wait || readiness.is_draining() {
            return Ok(answer(&page));
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let seconds = || text.parse().ok().map(Duration::from_secs);
    let wait = humantime::parse_duration(text).ok().or_else(seconds)?;
    Some(wait.min(MAX_WAIT))
}

fn answer(page: &EventPage) -> HttpResponse {
    HttpResponse::Ok().json(FeedPage { events: &page.events, next: page.next })
}

fn too_many() -> ApiError {
    let detail = "Too many requests wait for events on this node. Ask without `wait`, or a little later.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_waiting", detail)
}
