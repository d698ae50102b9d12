//! For whoever watches over the process: is it alive, should it get requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::limit;
use crate::accounts::Accounts;
use crate::error::ApiError;
use crate::limits::Limit;

/// Whether the process still wants requests. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on the process is not ready: a balancer sends new clients elsewhere. There is no way back.
    pub fn drain(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// `GET /healthz`: the process answers. Asks no database: restarting us would not mend one.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: send requests here, or not.
pub(super) async fn readyz(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    readiness: web::Data<Readiness>,
) -> Result<HttpResponse, ApiError> {
    if readiness.is_draining() {
        return Err(ApiError::draining());
    }
    if !accounts.is_fresh() {
        // It would refuse every token; and a database that hangs would let this wait.
        tracing::warn!("not ready: the database could not be looked at for revocations");
        return Err(ApiError::unavailable());
    }
    if accounts.is_unwritable() {
        // The log has said why.
        return Err(ApiError::unavailable());
    }
    // Anybody may ask. Past the limit the last look, a moment ago, answers for the database: a refusal would take the
    // node out of its balancer.
    let (limits, address) = limit::limits(&request)?;
    if limits.check(Limit::Poll, address).is_ok() {
        accounts.ping().await.map_err(|cause| {
            tracing::warn!(%cause, "not ready");
            ApiError::unavailable()
        })?;
    }
    Ok(HttpResponse::Ok().json(json!({ "status": "ready" })))
}
