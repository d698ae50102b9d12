//! The opening handshake of a WebSocket (RFC 6455 section 4.2).

use std::fmt;

use actix_http::ws::hash_key;
use actix_web::http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::http::{Method, Version};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The one version there is.
pub const VERSION: &str = "13";

/// What a browser wants of a request (<https://www.w3.org/TR/fetch-metadata/>).
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Why a request opens no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeError {
    /// It does not want to.
    NotWanted,
    /// Another method than GET.
    Method,
    /// What only a handshake has came, but not `Upgrade: websocket`.
    UpgradeLost,
    /// `Upgrade` names other protocols too.
    Several,
    /// `Upgrade: websocket` came, but not `Connection: Upgrade`.
    ConnectionLost,
    /// HTTP/1.0, which knows no upgrade.
    Http10,
    /// Another version than [`VERSION`], or none.
    Version,
    /// No `Sec-WebSocket-Key`, or not 16 bytes in base64.
    Key,
    /// It has a body: what follows it would not be frames.
    Body,
}

impl HandshakeError {
    /// Whether something between client and server is the likely cause.
    #[must_use]
    pub const fn is_proxys(self) -> bool {
        matches!(self, Self::UpgradeLost | Self::ConnectionLost | Self::Http10)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWanted => "This is a WebSocket: connect with a WebSocket client.",
            Self::Method => "A WebSocket handshake is a GET.",
            Self::UpgradeLost => {
                "A WebSocket handshake is present, but `Upgrade: websocket` is missing: a proxy in between does \
                 not pass it on. For nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection \"upgrade\";"
            }
            Self::ConnectionLost => {
                "`Upgrade: websocket` is present, but `Connection: Upgrade` is missing: a proxy in between does not pass it on. \
                 For nginx: proxy_set_header Connection \"upgrade\";"
            }
            Self::Several => "Ask for one protocol alone: Upgrade: websocket",
            Self::Http10 => {
                "The WebSocket handshake came over HTTP/1.0: a proxy in between has to use HTTP/1.1. For nginx: \
                 proxy_http_version 1.1;"
            }
            Self::Version => "Only version 13 of WebSocket is spoken here: Sec-WebSocket-Version: 13",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64.",
            Self::Body => "A WebSocket handshake has no body: send no Transfer-Encoding.",
        })
    }
}

impl std::error::Error for HandshakeError {}

/// A valid handshake that was not answered yet.
#[derive(Debug)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    accept: HeaderValue,
    /// The subprotocol to answer with.
    protocol: Option<HeaderValue>,
}

impl Handshake {
    /// Checks a request.
    ///
    /// # Errors
    /// [`HandshakeError`] if it is not a valid handshake (RFC 6455 section 4.2.1).
    pub fn parse(request: &HttpRequest) -> Result<Self, HandshakeError> {
        let key = check(request)?;
        // Base64: always a header's value.
        let accept = HeaderValue::from_bytes(&hash_key(key)).map_err(|_| HandshakeError::Key)?;
        Ok(Self { accept, protocol: None })
    }

    /// The same, to be answered with this subprotocol. One that cannot be a header's value is left out.
    #[must_use]
    pub fn with_protocol(self, protocol: Option<&str>) -> Self {
        Self { protocol: protocol.and_then(|protocol| HeaderValue::from_str(protocol).ok()), ..self }
    }

    pub(super) fn answer(self) -> HttpResponseBuilder {
        let mut response = HttpResponse::SwitchingProtocols();
        response.upgrade("websocket").insert_header((SEC_WEBSOCKET_ACCEPT, self.accept));
        if let Some(protocol) = self.protocol {
            response.insert_header((SEC_WEBSOCKET_PROTOCOL, protocol));
        }
        response
    }
}

/// The key of a valid handshake.
fn check(request: &HttpRequest) -> Result<&[u8], HandshakeError> {
    if !names(request, &UPGRADE, "websocket") {
        let marks =
            [SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL];
        let wanted = marks.iter().any(|name| request.headers().contains_key(name))
            // Browsers, through a proxy that takes out more.
            || names(request, &FETCH_MODE, "websocket");
        return Err(if wanted { HandshakeError::UpgradeLost } else { HandshakeError::NotWanted });
    }
    // The connection is handed over by this alone.
    let is_alone = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    if !request.headers().get_all(&UPGRADE).any(is_alone) {
        return Err(HandshakeError::Several);
    }
    if *request.method() != Method::GET {
        return Err(HandshakeError::Method);
    }
    if request.version() < Version::HTTP_11 {
        return Err(HandshakeError::Http10);
    }
    if !names(request, &CONNECTION, "upgrade") {
        return Err(HandshakeError::ConnectionLost);
    }
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Err(HandshakeError::Body);
    }
    if only(request, &SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version.as_bytes().trim_ascii() != VERSION.as_bytes())
    {
        return Err(HandshakeError::Version);
    }
    let key = only(request, &SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
    let mut bytes = [0; 18];
    match BASE64_STANDARD.decode_slice(key.as_bytes(), &mut bytes) {
        Ok(16) => Ok(key.as_bytes()),
        _ => Err(HandshakeError::Key),
    }
}

/// Whether a list of words has this one, in any case.
fn names(request: &HttpRequest, header: &HeaderName, word: &str) -> bool {
    let lines = request.headers().get_all(header).filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| name.trim().eq_ignore_ascii_case(word))
}

/// A header that may come once.
fn only<'a>(request: &'a HttpRequest, header: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = request.headers().get_all(header);
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::HandshakeError::{ConnectionLost, Http10, Key, NotWanted, UpgradeLost};
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn request<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> TestRequest {
        headers.into_iter().fold(TestRequest::get(), TestRequest::append_header)
    }

    /// With one header replaced, or left out.
    fn with<'a>(name: &'a str, values: &'a [&'a str]) -> TestRequest {
        let others = GOOD.into_iter().filter(move |(other, _)| *other != name);
        request(others.chain(values.iter().map(move |value| (name, *value))))
    }

    fn outcome(request: TestRequest) -> Result<(), HandshakeError> {
        check(&request.to_http_request()).map(drop)
    }

    #[test]
    fn good_handshakes_are_good_in_any_spelling() {
        assert_eq!(outcome(request(GOOD)), Ok(()));
        for connection in
            [&["keep-alive, Upgrade"][..], &["UPGRADE"], &["close, upgrade"], &["keep-alive", "upgrade"]]
        {
            assert_eq!(outcome(with("connection", connection)), Ok(()), "{connection:?}");
        }
        assert_eq!(outcome(with("upgrade", &["WebSocket"])), Ok(()));
        assert_eq!(outcome(with("sec-websocket-version", &[" 13 "])), Ok(()));
        // The example of RFC 6455 section 1.3.
        let handshake = Handshake::parse(&request(GOOD).to_http_request()).unwrap();
        let response = handshake.with_protocol(Some("doorward.v1")).answer().finish();
        assert_eq!(response.headers().get("sec-websocket-accept").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers().get("sec-websocket-protocol").unwrap(), "doorward.v1");
    }

    #[test]
    fn every_version_but_13_is_another_one() {
        for versions in [
            &["8"][..],
            &["7"],
            &["0"],
            &["14"],
            &["013"],
            &["13,8"],
            &["13, 13"],
            &["13", "8"],
            &["x"],
            &[""],
            &[],
        ] {
            let outcome = outcome(with("sec-websocket-version", versions));
            assert_eq!(outcome, Err(HandshakeError::Version), "{versions:?}");
        }
    }

    #[test]
    fn what_got_lost_on_the_way_is_named() {
        assert_eq!(outcome(request([])), Err(NotWanted));
        assert_eq!(
            outcome(request([("upgrade", "h2c"), ("connection", "upgrade, http2-settings")])),
            Err(NotWanted)
        );
        assert_eq!(outcome(with("upgrade", &[])), Err(UpgradeLost));
        assert_eq!(outcome(with("upgrade", &["h2c"])), Err(UpgradeLost));
        assert_eq!(outcome(request([GOOD[3]])), Err(UpgradeLost));
        assert_eq!(outcome(request([GOOD[2]])), Err(UpgradeLost));
        assert_eq!(outcome(request([("sec-fetch-mode", "websocket")])), Err(UpgradeLost));
        assert_eq!(outcome(request([("sec-fetch-mode", "navigate")])), Err(NotWanted));
        // As nginx asks for it that was told of no upgrade.
        let request = request([("connection", "close"), GOOD[2], GOOD[3]]).version(Version::HTTP_10);
        assert_eq!(outcome(request), Err(UpgradeLost));
        assert_eq!(outcome(self::request(GOOD).version(Version::HTTP_10)), Err(Http10));
        for connection in [&[][..], &["keep-alive"], &["close"], &["no-upgrade"]] {
            assert_eq!(outcome(with("connection", connection)), Err(ConnectionLost), "{connection:?}");
        }
        assert_eq!(outcome(self::request(GOOD).method(Method::HEAD)), Err(HandshakeError::Method));
    }

    #[test]
    fn a_handshake_asks_for_nothing_else() {
        assert_eq!(outcome(with("upgrade", &["websocket, h2c"])), Err(HandshakeError::Several));
        assert_eq!(outcome(with("upgrade", &["h2c", "websocket"])), Ok(()));
    }

    #[test]
    fn a_body_is_no_handshake() {
        let request = request(GOOD).append_header(("transfer-encoding", "chunked"));
        assert_eq!(outcome(request), Err(HandshakeError::Body));
    }

    #[test]
    fn a_key_is_sixteen_bytes_once() {
        let good = GOOD[3].1;
        for keys in
            [&[][..], &[""], &["x"], &["AAAA"], &[good, good], &["dGhlIHNhbXBsZSBub25jZSB0b28gbG9uZw=="]]
        {
            assert_eq!(outcome(with("sec-websocket-key", keys)), Err(Key), "{keys:?}");
        }
    }
}
