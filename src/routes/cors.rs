//! Cross-origin requests (<https://fetch.spec.whatwg.org/#http-cors-protocol>): pages of the origins in
//! `web.allowed_origins` may use the JSON API with access tokens, and any page may read the public keys.
//!
//! No answer allows credentials, so a browser neither sends its cookie to these routes for another origin's page nor
//! keeps one that they set. Where a route reads the cookie all the same, it refuses pages of other origins by itself
//! (`origins.rs`). Pages and kept emails are left to the same-origin policy, and Engine.IO has rules of its own
//! (`engineio/cross_origin.rs`).

use std::rc::Rc;
use std::sync::Arc;

use actix_cors::{Cors, CorsError};
use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpResponse, ResponseError, web};
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};

use super::origin_log::About;
use super::site::Site;
use crate::clock::Clock;
use crate::error::ApiError;
use doorward_core::domain::HostOrigin;

/// A page that redirects, below the path of public metadata.
const CHANGE_PASSWORD: &str = "/.well-known/change-password";

/// All methods of the API.
const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];

/// What a page may add to a request besides what every page may (`Accept`, `Accept-Language`, ...).
const REQUEST_HEADERS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
];

/// What a page may read of an answer besides what every page may (`Cache-Control`, `Content-Type`, ...).
const RESPONSE_HEADERS: [HeaderName; 9] = [
    header::ALLOW,
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-request-id"),
];

/// How long browsers may remember the answer to a preflight, in seconds. Chromium remembers none for longer.
const PREFLIGHT_MAX_AGE: u16 = 7200;

/// Whose pages may read the answers of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    SameOrigin,
    AllowedOrigins,
    Everyone,
}

impl Readers {
    fn of(path: &str) -> Self {
        let path = path.trim_end_matches('/');
        if path.starts_with("/.well-known/") && path != CHANGE_PASSWORD {
            Self::Everyone
        } else if path.starts_with("/api/") {
            Self::AllowedOrigins
        } else {
            Self::SameOrigin
        }
    }
}

/// For `App::wrap`, inside of `trace`.
#[derive(Debug, Clone)]
pub struct CrossOrigin {
    /// In the one form in which browsers send them.
    origins: Arc<[String]>,
}

impl CrossOrigin {
    #[must_use]
    pub fn new(allowed: &[HostOrigin]) -> Self {
        Self { origins: allowed.iter().map(ToString::to_string).collect() }
    }

    fn cors(&self) -> Cors {
        let origins = Arc::clone(&self.origins);
        Cors::default()
            .allowed_origin_fn(move |origin, head| {
                // No browser sends two.
                let alone = head.headers().get_all(header::ORIGIN).nth(1).is_none();
                alone && origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
            })
            // A request of another origin is served like one of no browser; its page cannot read the answer.
            .block_on_origin_mismatch(false)
            .allowed_methods(METHODS)
            .allowed_headers(REQUEST_HEADERS)
            .expose_headers(RESPONSE_HEADERS)
            .max_age(usize::from(PREFLIGHT_MAX_AGE))
    }
}

impl<S> Transform<S, ServiceRequest> for CrossOrigin
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = CrossOriginService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let inner = Rc::new(service);
        let shared = if self.origins.is_empty() {
            None
        } else {
            match self.cors().new_transform(Rc::clone(&inner)).into_inner() {
                Ok(shared) => Some(shared),
                Err(()) => return ready(Err(())),
            }
        };
        ready(Ok(CrossOriginService { inner, shared }))
    }
}

pub struct CrossOriginService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    inner: Rc<S>,
    /// The same with the rules for allowed origins; none without any.
    shared: Option<<Cors as Transform<Rc<S>, ServiceRequest>>::Transform>,
}

impl<S> Service<ServiceRequest> for CrossOriginService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<Self::Response, Error>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        // As the router reads it, with its percent-encoding decoded.
        match (Readers::of(request.match_info().as_str()), &self.shared) {
            (Readers::SameOrigin, _) | (Readers::AllowedOrigins, None) => {
                Either::Left(self.inner.call(request))
            }
            (Readers::AllowedOrigins, Some(shared)) => {
                let answer = shared.call(request);
                Either::Right(Box::pin(async move { Ok(explain(answer.await?.map_into_boxed_body())) }))
            }
            (Readers::Everyone, _) if is_preflight(&request) => {
                Either::Right(Box::pin(ready(Ok(request.into_response(public_preflight())))))
            }
            (Readers::Everyone, _) => {
                let answer = self.inner.call(request);
                Either::Right(Box::pin(async move {
                    let mut answer = answer.await?;
                    share_with_everyone(answer.headers_mut());
                    Ok(answer)
                }))
            }
        }
    }
}

fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn public_preflight() -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    share_with_everyone(response.headers_mut());
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        // Without credentials, a star stands for every header but `Authorization`.
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(PREFLIGHT_MAX_AGE));
    response
}

/// The same with an `Origin` and without, so that a cache may hand it to any page.
fn share_with_everyone(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Turns a preflight that was refused into a problem document, and logs the origin once a minute.
fn explain(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let Some(refusal) = answer.response().error().and_then(|error| error.as_error::<CorsError>()) else {
        return answer;
    };
    let request = answer.request();
    let error = match refusal {
        CorsError::OriginNotAllowed | CorsError::MissingOrigin => {
            log_refusal(request);
            let detail = "Pages of this origin may not use the API: it is not in web.allowed_origins.";
            ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail)
        }
        CorsError::MethodNotAllowed | CorsError::BadRequestMethod | CorsError::MissingRequestMethod => {
            let detail = "No route of the API has this method.";
            ApiError::new(StatusCode::FORBIDDEN, "cross_origin_method", detail)
        }
        _ => {
            let detail = "Pages of other origins may not send one of these headers.";
            ApiError::new(StatusCode::FORBIDDEN, "cross_origin_header", detail)
        }
    };
    let mut response = error.error_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    answer.into_response(response)
}

fn log_refusal(request: &actix_web::HttpRequest) {
    let clock = request.app_data::<web::Data<Clock>>();
    let now = clock.map_or_else(|| Clock::System.instant(), |clock| clock.instant());
    let origin = request.headers().get(header::ORIGIN);
    let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()).into_owned());
    let site = request.app_data::<web::Data<Site>>();
    let due = site.zip(origin).and_then(|(site, origin)| site.origin_log.due(About::Api, &origin, now));
    if let Some(origin) = due {
        tracing::warn!(%origin, "refused the API to a page: its origin is not in web.allowed_origins");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_readers() {
        for path in
            ["/api/login", "/api/login/", "/api/me/password", "/api/nothing", "/api/logins/x", "/api/token"]
        {
            assert_eq!(Readers::of(path), Readers::AllowedOrigins, "{path}");
        }
        for path in ["/.well-known/jwks.json", "/.well-known/nothing"] {
            assert_eq!(Readers::of(path), Readers::Everyone, "{path}");
        }
        for path in [
            "/",
            "/api",
            "/apiary/x",
            "/dashboard",
            "/dashboard/api/x",
            "/.well-known/change-password",
            "/.well-known",
            "/dev/mail",
            "/ws",
            "/socket.io/",
            "/healthz",
            "",
        ] {
            assert_eq!(Readers::of(path), Readers::SameOrigin, "{path}");
        }
    }

    #[test]
    fn a_preflight_may_ask_for_every_method_that_the_table_of_routes_has() {
        let table = include_str!("mod.rs");
        let lists = table.split("at(\"/api/").skip(1).filter_map(|rest| rest.split('"').nth(2));
        let mut count = 0;
        for method in lists.flat_map(|list| list.split(", ")) {
            assert!(METHODS.iter().any(|known| known.as_str() == method), "{method}");
            count += 1;
        }
        assert!(count >= 20, "the table is written in another way: {count}");
    }
}
