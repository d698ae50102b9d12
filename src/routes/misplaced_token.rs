//! Recognizes access tokens in places that are not read, only to tell the client where they belong. Nothing
//! of them is used, kept or repeated.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use super::limit;
use crate::auth::token_shape;
use crate::auth::tokens::TokenError;
use crate::error::ApiError;
use crate::limits::Mistake;
use doorward_core::protocol::BEARER_SUBPROTOCOL;

/// Where the token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    /// A header other than `Authorization`.
    Header,
    /// A subprotocol without the prefix `bearer.`.
    Subprotocol,
    /// `Authorization` with a scheme other than Bearer.
    Scheme,
    /// `Authorization` without a scheme.
    Bare,
}

/// Parameter names under which clients send a token, without `-` and `_`.
const NAMES: [&str; 10] = [
    "token",
    "accesstoken",
    "authtoken",
    "bearertoken",
    "idtoken",
    "jwt",
    "jwttoken",
    "auth",
    "authorization",
    "bearer",
];

/// Headers that other systems use for tokens.
const HEADERS: [&str; 7] =
    ["x-access-token", "x-auth-token", "access-token", "auth-token", "token", "x-authorization", "x-api-key"];

impl Place {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Query => {
                "The token or API key is in the URL, which ends up in logs, and is not read there. Send the header \
                 `Authorization: Bearer TOKEN`."
            }
            Self::Header => {
                "The token or API key is in another header. Send it as `Authorization: Bearer TOKEN`."
            }
            Self::Subprotocol => {
                "The access token is a subprotocol of its own. Offer `doorward.v1` and `bearer.TOKEN`."
            }
            Self::Scheme => "`Authorization` has another scheme. Send it as `Authorization: Bearer TOKEN`.",
            Self::Bare => "`Authorization` lacks its scheme. Send it as `Authorization: Bearer TOKEN`.",
        }
    }
}

/// Finds a token in the wrong place of a request.
pub(super) fn find(request: &HttpRequest) -> Option<Place> {
    let headers = request.headers();
    if let Some(value) = headers.get(AUTHORIZATION) {
        return scheme(value.to_str().unwrap_or_default());
    }
    if url::form_urlencoded::parse(request.query_string().as_bytes())
        .any(|(name, value)| is_token(&name, &value))
    {
        return Some(Place::Query);
    }
    if HEADERS.iter().any(|name| headers.contains_key(*name)) {
        return Some(Place::Header);
    }
    let mut protocols = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','));
    protocols.any(|protocol| token_shape::is_jwt(protocol.trim())).then_some(Place::Subprotocol)
}

/// What is wrong with the scheme, if anything.
fn scheme(authorization: &str) -> Option<Place> {
    match authorization.trim().split_once(' ') {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("bearer") => None,
        Some(_) => Some(Place::Scheme),
        None if authorization.trim().eq_ignore_ascii_case("bearer") => None,
        None => Some(Place::Bare),
    }
}

fn is_token(name: &str, value: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| !"-_".contains(*c)).map(|c| c.to_ascii_lowercase()).take(20).collect();
    let named = NAMES.contains(&plain.as_str());
    let value = value.strip_prefix("Bearer ").unwrap_or(value);
    named && !value.is_empty() || token_shape::is_jwt(value) || token_shape::is_api_key(value)
}

/// The response to a request without a token in the right place. A token in the wrong place is named in the
/// response and logged as a mistake.
pub(super) fn unauthorized(request: &HttpRequest) -> ApiError {
    let Some(place) = find(request) else { return ApiError::unauthorized() };
    if let Ok((rates, address)) = limit::limits(request) {
        rates.mistakes().note(Mistake::MisplacedToken, address);
    }
    let code = match place {
        // The same code as without a token: it tells a program what to do.
        Place::Scheme | Place::Bare => "unauthorized",
        Place::Query | Place::Header | Place::Subprotocol => "misplaced_token",
    };
    ApiError::new(StatusCode::UNAUTHORIZED, code, place.sentence())
}

/// The response to a refused token. Its shape may show the reason.
pub(super) fn refused(error: TokenError, token: &str) -> ApiError {
    if error == TokenError::Invalid && token_shape::is_api_key(token.trim()) {
        let detail = token_shape::explain(token).unwrap_or_default();
        return ApiError::new(StatusCode::UNAUTHORIZED, token_shape::API_KEY, detail);
    }
    match token_shape::explain(token).filter(|_| error == TokenError::Invalid) {
        Some(sentence) => ApiError::from(error).with_detail(sentence),
        None => error.into(),
    }
}

/// The token in a subprotocol, if it carries one correctly.
pub(super) fn bearer_protocol(protocol: &str) -> Option<&str> {
    let (prefix, token) = protocol.split_at_checked(BEARER_SUBPROTOCOL.len())?;
    prefix.eq_ignore_ascii_case(BEARER_SUBPROTOCOL).then_some(token)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const JWT: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln";

    fn at(uri: &str, headers: &[(&str, &str)]) -> Option<Place> {
        let request =
            headers.iter().fold(TestRequest::with_uri(uri), |request, header| request.append_header(*header));
        find(&request.to_http_request())
    }

    #[test]
    fn a_token_in_the_url_is_found_by_its_name_or_its_shape() {
        for query in [
            "token=x",
            "access_token=x",
            "accessToken=x",
            "a=1&auth=x",
            "jwt=x",
            "Authorization=Bearer%20x",
            &format!("t={JWT}"),
            &format!("x=Bearer+{JWT}"),
        ] {
            assert_eq!(at(&format!("/ws?{query}"), &[]), Some(Place::Query), "{query}");
        }
        for query in ["", "token=", "EIO=4&transport=polling", "next=/dashboard", "author=me", "v=1.2.3"] {
            assert_eq!(at(&format!("/ws?{query}"), &[]), None, "{query}");
        }
    }

    #[test]
    fn a_token_in_a_header_of_another_system_is_found() {
        for header in ["x-access-token", "X-Auth-Token", "token"] {
            assert_eq!(at("/ws", &[(header, JWT)]), Some(Place::Header), "{header}");
        }
        for (value, place) in [
            ("Token abc", Some(Place::Scheme)),
            ("Basic YW5uOng=", Some(Place::Scheme)),
            ("JWT abc", Some(Place::Scheme)),
            (JWT, Some(Place::Bare)),
            ("Bearer", None),
            ("Bearer abc", None),
            ("bearer abc", None),
        ] {
            assert_eq!(at("/ws?token=x", &[("authorization", value)]), place, "{value}");
        }
        for (offer, place) in [
            (format!("access_token, {JWT}"), Some(Place::Subprotocol)),
            (JWT.to_owned(), Some(Place::Subprotocol)),
            (format!("doorward.v1, bearer.{JWT}"), None),
            ("graphql-ws".to_owned(), None),
        ] {
            assert_eq!(at("/ws", &[("sec-websocket-protocol", &offer)]), place, "{offer}");
        }
        assert_eq!(
            at("/ws", &[("cookie", &format!("jwt={JWT}"))]),
            None,
            "it may belong to another application"
        );
    }
}
