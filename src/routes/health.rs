//! Health checks: whether the process is alive, and whether it should receive requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::limit;
use super::problems::Problems;
use crate::accounts::Accounts;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::rooms::{Reach, Rooms};

/// Whether the process should still receive requests. Clones share it.
#[derive(Clone, Default)]
pub struct Readiness {
    draining: Arc<AtomicBool>,
    /// What is said besides of rooms.
    rooms: Option<Rooms>,
}

impl Readiness {
    #[must_use]
    pub fn of(rooms: Rooms) -> Self {
        Self { draining: Arc::default(), rooms: Some(rooms) }
    }

    /// From now on the process is not ready, so that a balancer sends new clients elsewhere. This cannot be
    /// undone.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

#[derive(Serialize, ToSchema)]
struct Status {
    #[schema(example = "ok")]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    /// Whether messages to rooms reach the sessions of all nodes, or of this one alone: there is no Redis, or it does not
    /// answer. Only if rooms are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "all_nodes")]
    rooms: Option<Reached>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reached {
    AllNodes,
    ThisNode,
}

/// `GET /healthz`: the process responds. Does not use the database: restarting this process would not fix
/// that.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "The server",
    summary = "Whether the process is alive",
    responses((status = 200, description = "It is", body = Status)),
    security(()),
)]
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Status { status: "ok" })
}

/// `GET /readyz`: whether to send requests here.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "The server",
    summary = "Whether to send requests here",
    responses((status = 200, description = "Yes", body = Ready), Problems),
    security(()),
)]
pub(super) async fn readyz(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    readiness: web::Data<Readiness>,
) -> Result<HttpResponse, ApiError> {
    if readiness.is_draining() {
        return Err(ApiError::draining());
    }
    if !accounts.is_fresh() {
        // This process would refuse every token; and with a database that hangs, the check below would wait.
        tracing::warn!("not ready: the database could not be polled for revocations");
        return Err(ApiError::unavailable());
    }
    if accounts.is_unwritable() {
        // The log has the reason.
        return Err(ApiError::unavailable());
    }
    // Any client may call this. Beyond the limit, the last revocation poll, a moment ago, stands for the
    // database: a refusal would take the node out of its balancer.
    let (limits, address) = limit::limits(&request)?;
    if limits.check(Limit::Poll, address).is_ok() {
        accounts.ping().await.map_err(|cause| {
            tracing::warn!(%cause, "not ready");
            ApiError::unavailable()
        })?;
    }
    let rooms = readiness.rooms.as_ref().and_then(Rooms::reach).map(|reach| match reach {
        Reach::AllNodes => Reached::AllNodes,
        Reach::ThisNode => Reached::ThisNode,
    });
    Ok(HttpResponse::Ok().json(Ready { status: "ready", rooms }))
}
