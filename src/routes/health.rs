//! For whoever watches over the process: is it alive, should it get requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::accounts::Accounts;
use crate::error::ApiError;

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
    accounts: web::Data<Accounts>,
    readiness: web::Data<Readiness>,
) -> Result<HttpResponse, ApiError> {
    if readiness.is_draining() {
        return Err(ApiError::draining());
    }
    if !accounts.is_sure() {
        // It would refuse every token; and a database that hangs would let this wait.
        tracing::warn!("not ready: the database could not be looked at for revocations");
        return Err(ApiError::unavailable());
    }
    if accounts.is_unwritable() {
        // The log has said why.
        return Err(ApiError::unavailable());
    }
    accounts.ping().await.map_err(|cause| {
        tracing::warn!(%cause, "not ready");
        ApiError::unavailable()
    })?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ready" })))
}
