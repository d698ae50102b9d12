//! `GET /docs`: the HTTP API as a page.

use actix_web::HttpResponse;

use super::openapi::document_of;
use super::pages::Visit;
use crate::error::ApiError;
use crate::pages::Reference;

/// `GET /docs`
pub(super) async fn page(visit: Visit) -> Result<HttpResponse, ApiError> {
    let document =
        serde_json::to_value(document_of(&visit.site)).map_err(|error| ApiError::internal(&error))?;
    visit.page(&Reference::new(visit.frame(), &document))
}
