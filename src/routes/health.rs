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

/// Whether the process should still receive requests. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on the process is not ready, so that a balancer sends new clients elsewhere. This cannot be
    /// undone.
    pub fn drain(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Serialize, ToSchema)]
struct Status {
    #[schema(example = "ok")]
    status: &'static str,
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
    responses((status = 200, description = "Yes", body = Status), Problems),
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
    Ok(HttpResponse::Ok().json(Status { status: "ready" }))
}
