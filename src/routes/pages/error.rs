//! The error page for people, in place of the problem document.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::{HttpRequest, web};
use askama::Template as _;

use super::super::site::Site;
use super::visit::{frame, with_page};
use crate::error::ApiError;
use crate::pages::{ErrorPage, Remedy};

/// Replaces an error's document by a page if a browser requested it. `request_id` is in the log.
pub(in super::super) fn for_browser(
    response: ServiceResponse<BoxBody>,
    request_id: &str,
) -> ServiceResponse<BoxBody> {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>().cloned());
    let site = response.request().app_data::<web::Data<Site>>().cloned();
    match (error, site) {
        (Some(error), Some(site)) if wants_page(response.request()) => {
            let (request, answer) = response.into_parts();
            let frame = frame(&request, &site);
            let title = frame.error_title(&error).to_string();
            let page = ErrorPage {
                frame,
                status: answer.status().as_u16(),
                title: &title,
                detail: &frame.detail(&error),
                request_id: answer.status().is_server_error().then_some(request_id),
                remedy: remedy(&error, &request, &site),
            };
            match page.render() {
                Ok(html) => {
                    let response = with_page(&answer, (&request, &site), html, None);
                    ServiceResponse::new(request, response)
                }
                Err(_) => ServiceResponse::new(request, answer),
            }
        }
        _ => response,
    }
}

fn remedy<'a>(error: &ApiError, request: &HttpRequest, site: &'a Site) -> Remedy<'a> {
    match error.code().as_str() {
        "https_required" => Remedy::Elsewhere(&site.public_url),
        "invalid_link" if request.path().starts_with("/verify-email/") => Remedy::SignIn,
        "invalid_link" => Remedy::NewLink,
        _ => Remedy::Home,
    }
}

/// Browsers accept HTML when a person navigates; programs and scripts rarely do.
pub(in super::super) fn wants_page(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html")) && !request.path().starts_with("/api/")
}
