//! Wraps every request: an id, a span, one log line, and headers for every response.

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::ConnectionType;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, SEC_WEBSOCKET_PROTOCOL, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use futures_util::future::LocalBoxFuture;
use tracing::Instrument;
use uuid::Uuid;

use super::client::client_address;
use super::limit;
use super::pages::error::for_browser;
use super::request_id::{RequestId, RequestUser};
use super::requests::WorkerRequests;
use super::site::Site;
use super::traceparent::trace_id;
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::peer::ConnectionLifetime;

/// In a response's extensions: skips the log line, for requests that are too frequent to be of interest.
pub(super) struct SkipRequestLog;

/// How long a client has to read the response to a request whose body it has not finished.
const LATE_BODY_TIME: Duration = Duration::from_secs(5);

/// A year, as usual (RFC 6797 section 6.1.1). Other hosts of the domain are not for this server to decide
/// about, so no `includeSubDomains`, and no `preload`, which cannot be undone.
const HTTPS_ONLY: &str = "max-age=31536000";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes without parameters that were requested, of one worker: to find the pattern of a path, all routes are
/// compared with it. It never has more entries than the table of routes.
#[derive(Debug, Default)]
pub struct PlainRoutes(RefCell<HashSet<Rc<str>>>);

impl PlainRoutes {
    /// The pattern of the request's route, never its path or its query: those of a link contain its token.
    fn pattern(request: &ServiceRequest) -> Rc<str> {
        let known = request.app_data::<Self>();
        if let Some(route) = known.and_then(|known| known.0.borrow().get(request.path()).cloned()) {
            return route;
        }
        let route: Rc<str> = request.match_pattern().as_deref().unwrap_or("unmatched").into();
        if let Some(known) = known
            && *route == *request.path()
            && !route.contains('{')
        {
            known.0.borrow_mut().insert(Rc::clone(&route));
        }
        route
    }
}

/// For `App::wrap(middleware::from_fn(trace))`, as the outermost middleware. The clock is the application's
/// `web::Data<Clock>`.
///
/// # Errors
/// The service's error, as a response with the same headers.
#[must_use]
pub fn trace(
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>> {
    // Boxed: within the connection's own future, an open socket would keep its memory for good.
    Box::pin(traced(req, next))
}

async fn traced(req: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let clock = req.app_data::<web::Data<Clock>>().map_or(Clock::System, |clock| clock.get_ref().clone());
    // Generated here: an id chosen by the client could be made to match another request's.
    let id = clock.new_id();
    let method = method(req.method());
    let route = PlainRoutes::pattern(&req);
    // Of the highest level, so that an error names its request whatever `log.level` is.
    let trace = trace_id(req.headers());
    let span = tracing::error_span!("request", %id, method, route = &*route, trace);
    req.extensions_mut().insert(RequestId(id));
    let started = clock.instant();

    // Before a token is checked: a process that was stopped for a while has to poll for revocations first.
    if let Some(accounts) = req.app_data::<web::Data<Accounts>>()
        && (req.headers().contains_key(AUTHORIZATION) || req.headers().contains_key(SEC_WEBSOCKET_PROTOCOL))
    {
        accounts.fresh().await;
    }
    // The server would wait forever for a body of unknown length that is not read to its end.
    let endless = req.headers().contains_key(TRANSFER_ENCODING);
    let connection =
        if endless { req.conn_data::<ConnectionLifetime>().map(ConnectionLifetime::handle) } else { None };
    let site = req.app_data::<web::Data<Site>>();
    let https = site.is_some_and(|site| site.secure);
    let address = site.map(|site| client_address(req.request(), &site.sockets));
    let requests = req.app_data::<Rc<WorkerRequests>>().cloned();
    let result = next.call(req).instrument(span.clone()).await;
    if let Some(connection) = connection {
        connection.close_after(LATE_BODY_TIME);
    }

    let took = clock.instant() - started;
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let quiet = matches!(&*route, "/healthz" | "/readyz")
        || result
            .as_ref()
            .is_ok_and(|response| response.response().extensions().contains::<SkipRequestLog>());
    let user = result.as_ref().ok().and_then(|response| response.request().extensions().get().cloned());
    span.in_scope(|| log(quiet, &Answered { status, ms, user, address }));
    if let Some(requests) = requests {
        requests.answered(method, route, status.as_u16(), took);
    }
    let mut buffer = Uuid::encode_buffer();
    let id_text = id.hyphenated().encode_lower(&mut buffer);
    // The text of a UUID is always a valid header value.
    let id = HeaderValue::from_str(id_text).unwrap_or_else(|_| HeaderValue::from_static("none"));
    finish(result, id, id_text, endless, https)
}

/// The response with its headers. `endless`: the connection closes after it.
fn finish(
    result: Result<ServiceResponse<BoxBody>, Error>,
    id: HeaderValue,
    id_text: &str,
    endless: bool,
    https: bool,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match result {
        Ok(response) => {
            let mut response = for_browser(response, id_text);
            if endless {
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            let status = response.status();
            if status != StatusCode::SWITCHING_PROTOCOLS {
                let request = response.request().clone();
                limit::add_headers(&request, response.headers_mut());
            }
            add_headers(response.headers_mut(), status, id, https);
            Ok(response)
        }
        Err(error) => {
            // The error of a middleware: its response is made here so that it has the headers too.
            let mut response = error.error_response();
            let status = response.status();
            if endless {
                response.head_mut().set_connection_type(ConnectionType::Close);
            }
            add_headers(response.headers_mut(), status, id, https);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// The method as the log may show it: a client may invent methods.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// A request and how it was answered.
struct Answered {
    status: StatusCode,
    ms: u64,
    user: Option<RequestUser>,
    /// None if no routes of Doorward's are mounted.
    address: Option<IpAddr>,
}

/// Logs the request. The span has the id, the method and the route; the code that returned a 5xx has logged
/// its cause.
fn log(quiet: bool, Answered { status, ms, user, address }: &Answered) {
    let user = user.as_ref().map(|RequestUser(name)| &**name);
    let address = address.map(tracing::field::display);
    let status_code = status.as_u16();
    if *status == StatusCode::SERVICE_UNAVAILABLE && !quiet {
        // Overloaded or stopping: a response by design, but worth attention.
        tracing::warn!(status = status_code, ms, user, address, "request refused: overloaded or stopping");
    } else if status.is_server_error() && *status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(status = status_code, ms, user, address, "request failed");
    } else if quiet {
        tracing::debug!(status = status_code, ms, user, address, "request");
    } else {
        // A 101 is an upgrade: this is the handshake; the session logs its own end.
        tracing::info!(status = status_code, ms, user, address, "request");
    }
}

fn add_headers(headers: &mut HeaderMap, status: StatusCode, id: HeaderValue, https: bool) {
    headers.insert(REQUEST_ID, id);
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // What follows is not HTTP, and each byte counts in a handshake.
        return;
    }
    let mut default = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    default(X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(REFERRER_POLICY, "no-referrer");
    // A response without a policy of its own is JSON or text: nothing in it may run or be framed.
    default(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    // Most responses are about one person, and some contain tokens. A response that may be cached says so.
    default(CACHE_CONTROL, "no-store");
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;
    use actix_web::{App, HttpResponse, middleware, test};

    use super::*;
    use crate::config::{Log, LogFormat};
    use crate::telemetry::tests::capture;

    async fn refuse(req: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
        if req.path() == "/refused" {
            return Err(actix_web::error::ErrorForbidden("no"));
        }
        next.call(req).await
    }

    #[actix_web::test]
    async fn a_route_is_named_by_its_pattern_however_often_it_is_requested() {
        let (captured, _guard) = capture(&Log { format: LogFormat::Json, level: tracing::Level::INFO });
        let plain = async || "plain";
        let app = test::init_service(
            App::new()
                .app_data(PlainRoutes::default())
                .wrap(middleware::from_fn(trace))
                .route("/plain", web::get().to(plain))
                .service(web::scope("/scope").route("/plain", web::get().to(plain)))
                .route("/{name}", web::get().to(plain)),
        )
        .await;
        for path in
            ["/plain", "/plain", "/scope/plain", "/scope/plain", "/other", "/%7Bname%7D", "/a/b", "/other"]
        {
            let _ = test::try_call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
        }
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let routes: Vec<_> = lines.map(|line| line["span"]["route"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            routes,
            [
                "/plain",
                "/plain",
                "/scope/plain",
                "/scope/plain",
                "/{name}",
                "/{name}",
                "unmatched",
                "/{name}",
            ]
        );
    }

    fn routes(cfg: &mut web::ServiceConfig) {
        cfg.route("/links/{token}", web::get().to(|| async { "hello" }))
            .route("/healthz", web::get().to(|| async { "ok" }))
            .route("/busy", web::get().to(HttpResponse::ServiceUnavailable))
            .route("/readyz", web::get().to(HttpResponse::ServiceUnavailable))
            .route("/broken", web::get().to(HttpResponse::InternalServerError))
            .route(
                "/kept",
                web::get().to(|| async {
                    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "max-age=60")).finish()
                }),
            )
            .route("/ws", web::get().to(|| async { HttpResponse::SwitchingProtocols().finish() }));
    }

    /// The route, the status, and the level of each line.
    fn seen(lines: &[serde_json::Value]) -> Vec<(&str, u64, &str)> {
        lines
            .iter()
            .map(|line| {
                let route = line["span"]["route"].as_str().unwrap();
                (route, line["status"].as_u64().unwrap(), line["level"].as_str().unwrap())
            })
            .collect()
    }

    #[actix_web::test]
    async fn each_request_has_an_id_a_line_and_headers() {
        let (captured, _guard) = capture(&Log { format: LogFormat::Json, level: tracing::Level::INFO });
        let app = test::init_service(
            App::new().wrap(middleware::from_fn(refuse)).wrap(middleware::from_fn(trace)).configure(routes),
        )
        .await;
        let call = async |path: &str| {
            let req = test::TestRequest::get().uri(path).insert_header(("X-Request-Id", "theirs"));
            match test::try_call_service(&app, req.to_request()).await {
                Ok(response) => (response.status(), response.headers().clone()),
                Err(error) => {
                    let response = error.error_response();
                    (response.status(), response.headers().clone())
                }
            }
        };

        let (status, headers) = call("/links/s3cret-path?x=s3cret-query").await;
        assert_eq!(status, 200);
        let id = headers.get("x-request-id").unwrap().to_str().unwrap();
        assert_eq!(uuid::Uuid::try_parse(id).unwrap().get_version_num(), 7);
        assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
        assert_eq!(headers.get("referrer-policy").unwrap(), "no-referrer");
        assert_eq!(headers.get("cache-control").unwrap(), "no-store");
        let policy = headers.get("content-security-policy").unwrap().to_str().unwrap();
        for part in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
        {
            assert!(policy.split("; ").any(|directive| directive == part), "{policy}");
        }
        assert_eq!(call("/kept").await.1.get("cache-control").unwrap(), "max-age=60");
        let (status, headers) = call("/ws").await;
        assert_eq!(status, 101);
        assert!(headers.contains_key("x-request-id") && !headers.contains_key("cache-control"));
        let (status, headers) = call("/refused").await;
        assert_eq!(status, 403);
        assert!(headers.contains_key("x-request-id") && headers.contains_key("referrer-policy"));
        call("/nowhere/s3cret").await;
        call("/broken").await;
        call("/busy").await;
        call("/readyz").await;
        call("/healthz").await;

        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("s3cret") && !text.contains("theirs"), "{text}");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            seen(&lines),
            [
                ("/links/{token}", 200, "INFO"),
                ("/kept", 200, "INFO"),
                ("/ws", 101, "INFO"),
                ("unmatched", 403, "INFO"),
                ("unmatched", 404, "INFO"),
                ("/broken", 500, "ERROR"),
                ("/busy", 503, "WARN"),
            ]
        );
        assert_eq!(lines[0]["span"]["id"], id);
    }
}
