//! Addresses that a sign-in page returns the browser to.

use std::fmt;

use url::{Position, Url};

use super::HostOrigin;

/// Bytes of a return address. Browsers and proxies handle URLs of this length.
const MAX_LENGTH: usize = 2048;

/// Parameters that the return to an app adds (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207 section 2).
const RESPONSE_PARAMETERS: [&str; 4] = ["code", "state", "iss", "error"];

/// An address that was parsed strictly, and whose origin is this server's own or one that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnAddress {
    /// A path, with its query and fragment, under whatever name the browser has opened this server. It begins with
    /// exactly one slash, so that it cannot name another host.
    Path(String),
    /// A URL of this server's own origin.
    Own(Url),
    App(AppAddress),
}

/// An address of an app on another origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppAddress {
    /// As the app sent it: when it exchanges its code, it must send the same (RFC 6749 section 4.1.3).
    pub sent: String,
    pub url: Url,
    pub origin: HostOrigin,
}

/// Why an address is not one to return to. It does not repeat the address, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedReturn {
    TooLong,
    /// White space, a backslash, a control character, or one of these percent-encoded.
    Characters,
    /// Neither a path nor an http or https URL with a plain host.
    Form,
    /// A user or a password before the host.
    User,
    Fragment,
    /// The query has a parameter that the return adds.
    ResponseParameter,
    Origin(HostOrigin),
}

impl fmt::Display for RefusedReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it has more than {MAX_LENGTH} bytes"),
            Self::Characters => f.write_str("it has characters that no URL has"),
            Self::Form => f.write_str("it is neither a path nor an http:// or https:// URL"),
            Self::User => f.write_str("it names a user"),
            Self::Fragment => f.write_str("it has a fragment"),
            Self::ResponseParameter => f.write_str("its query has code, state, iss or error"),
            Self::Origin(origin) => {
                write!(f, "{origin} is neither the origin of public_url nor in web.allowed_origins")
            }
        }
    }
}

impl ReturnAddress {
    /// Parses an address under `own`, this server's origin, or under one of `apps`.
    ///
    /// # Errors
    /// [`RefusedReturn`] says why it is not such an address.
    pub fn parse(text: &str, own: Option<&HostOrigin>, apps: &[HostOrigin]) -> Result<Self, RefusedReturn> {
        if text.len() > MAX_LENGTH {
            return Err(RefusedReturn::TooLong);
        }
        if !has_url_characters(text) {
            return Err(RefusedReturn::Characters);
        }
        if text.starts_with('/') {
            return path(text).map(Self::Path).ok_or(RefusedReturn::Form);
        }
        let url = absolute(text)?;
        let origin = HostOrigin::of(&url).ok_or(RefusedReturn::Form)?;
        // A trailing dot names the same host, but to a browser it is another origin.
        if url.host_str() != Some(&origin.host) {
            return Err(RefusedReturn::Form);
        }
        if own == Some(&origin) {
            return Ok(Self::Own(url));
        }
        if !apps.contains(&origin) {
            return Err(RefusedReturn::Origin(origin));
        }
        if url.fragment().is_some() {
            return Err(RefusedReturn::Fragment);
        }
        if url.query_pairs().any(|(name, _)| RESPONSE_PARAMETERS.contains(&name.as_ref())) {
            return Err(RefusedReturn::ResponseParameter);
        }
        Ok(Self::App(AppAddress { sent: text.to_owned(), url, origin }))
    }
}

impl AppAddress {
    /// The URL with these parameters after those of its own query.
    #[must_use]
    pub fn with(&self, parameters: &[(&str, &str)]) -> String {
        if parameters.is_empty() {
            return self.url.to_string();
        }
        let added = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut url = self.url.clone();
        let query = match url.query() {
            // Not parsed and written again: the app's own query stays byte for byte.
            Some(query) if !query.is_empty() => format!("{query}&{added}"),
            _ => added,
        };
        url.set_query(Some(&query));
        url.to_string()
    }
}

/// Whether all characters are printable ASCII and none is a backslash, which browsers read as a slash. Percent-encoded
/// control characters and backslashes are refused too: another program may decode them.
fn has_url_characters(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let encoded = |part: &str| {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| byte.is_ascii_control() || byte == b'\\')
    };
    plain && !text.split('%').skip(1).any(encoded)
}

/// A path, normalized. `None` if it names a host: `//evil.example`, or `/.//evil.example` once it is normalized.
fn path(text: &str) -> Option<String> {
    if text.starts_with("//") {
        return None;
    }
    let url = Url::parse("http://localhost/").ok()?.join(text).ok()?;
    let own = url.host_str() == Some("localhost") && !url.path().starts_with("//");
    own.then(|| url[Position::BeforePath..].to_owned())
}

/// An http or https URL whose authority is a host and a port, and nothing else.
fn absolute(text: &str) -> Result<Url, RefusedReturn> {
    let (scheme, rest) = text.split_once(':').ok_or(RefusedReturn::Form)?;
    let web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    let rest = rest.strip_prefix("//").filter(|_| web).ok_or(RefusedReturn::Form)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(RefusedReturn::User);
    }
    if authority.is_empty() || authority.contains('%') {
        return Err(RefusedReturn::Form);
    }
    Url::parse(text).map_err(|_| RefusedReturn::Form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> HostOrigin {
        HostOrigin::of(&Url::parse(text).unwrap()).unwrap()
    }

    fn parse(text: &str) -> Result<ReturnAddress, RefusedReturn> {
        let apps = [origin("https://app.example.org"), origin("http://localhost:5173")];
        ReturnAddress::parse(text, Some(&origin("https://id.example.org")), &apps)
    }

    #[test]
    fn a_path_stays_on_this_server() {
        for (text, expected) in [
            ("/", "/"),
            ("/chat", "/chat"),
            ("/chat?room=1#last", "/chat?room=1#last"),
            ("/a/../chat", "/chat"),
            ("/../../chat", "/chat"),
            ("/chat/%2e%2e/x", "/x"),
            ("/http://evil.example", "/http://evil.example"),
            ("/@evil.example", "/@evil.example"),
        ] {
            assert_eq!(parse(text), Ok(ReturnAddress::Path(expected.to_owned())), "{text}");
        }
        for text in
            ["//evil.example", "///evil.example", "/.//evil.example", "/a/..//evil.example", "/%2e//evil"]
        {
            assert_eq!(parse(text), Err(RefusedReturn::Form), "{text}");
        }
        for text in
            ["/\\evil.example", "/\t/evil.example", "/%5cevil.example", "/%0d%0aLocation:x", "/a b", "/é"]
        {
            assert_eq!(parse(text), Err(RefusedReturn::Characters), "{text}");
        }
    }

    #[test]
    fn an_origin_is_matched_exactly() {
        for text in ["https://id.example.org/x#y", "HTTPS://ID.example.org:443/x"] {
            assert!(matches!(parse(text), Ok(ReturnAddress::Own(_))), "{text}");
        }
        for (text, url) in [
            ("https://app.example.org", "https://app.example.org/"),
            ("HTTPS://APP.Example.ORG:443/a/../b?c=%2F", "https://app.example.org/b?c=%2F"),
            ("http://localhost:5173/cb", "http://localhost:5173/cb"),
        ] {
            let Ok(ReturnAddress::App(app)) = parse(text) else { panic!("{text}") };
            assert_eq!((app.url.as_str(), app.sent.as_str()), (url, text));
        }
        for text in [
            "http://app.example.org/",
            "https://app.example.org:8443/",
            "https://app.example.org.evil.example/",
            "https://xapp.example.org/",
            "https://example.org/",
            "https://app-example.org/",
            "http://localhost:5174/",
            "https://xn--pp-7ka.example.org/",
        ] {
            assert!(matches!(parse(text), Err(RefusedReturn::Origin(_))), "{text}");
        }
        for (text, refused) in [
            ("https://user@app.example.org/", RefusedReturn::User),
            ("https://@app.example.org/", RefusedReturn::User),
            ("https://app.example.org@evil.example/", RefusedReturn::User),
            ("https://app.example.org./", RefusedReturn::Form),
            ("https:app.example.org/", RefusedReturn::Form),
            ("https:/app.example.org/", RefusedReturn::Form),
            ("https:///app.example.org/", RefusedReturn::Form),
            ("https://app.example%2eorg/", RefusedReturn::Form),
            ("https://app.example.org%00.evil.example/", RefusedReturn::Characters),
            ("https://app.example.org\\@evil.example/", RefusedReturn::Characters),
            ("https://äpp.example.org/", RefusedReturn::Characters),
            ("javascript:alert(1)", RefusedReturn::Form),
            ("data://app.example.org/x", RefusedReturn::Form),
            ("app.example.org", RefusedReturn::Form),
            ("", RefusedReturn::Form),
            ("https://app.example.org/#x", RefusedReturn::Fragment),
            ("https://app.example.org/#", RefusedReturn::Fragment),
            ("https://app.example.org/?code=x", RefusedReturn::ResponseParameter),
            ("https://app.example.org/?a=b&st%61te=x", RefusedReturn::ResponseParameter),
        ] {
            assert_eq!(parse(text), Err(refused), "{text}");
        }
        assert_eq!(parse(&format!("/{}", "a".repeat(2048))), Err(RefusedReturn::TooLong));
    }

    #[test]
    fn parameters_follow_the_query_of_the_app() {
        let with = |text: &str| match parse(text) {
            Ok(ReturnAddress::App(app)) => app.with(&[("code", "x"), ("state", "a&b=c d")]),
            other => panic!("{other:?}"),
        };
        assert_eq!(with("https://app.example.org/cb"), "https://app.example.org/cb?code=x&state=a%26b%3Dc+d");
        assert_eq!(
            with("https://app.example.org/cb?q=%20+%2B"),
            "https://app.example.org/cb?q=%20+%2B&code=x&state=a%26b%3Dc+d"
        );
    }

    proptest! {
        #[test]
        fn no_address_leads_to_another_origin(text in "(https?:|/)?[/\\\\@a-z.%0-9:?#]{0,30}(app\\.example\\.org|evil)?\\PC{0,10}") {
            match parse(&text) {
                Ok(ReturnAddress::Path(path)) => {
                    let followed = Url::parse("https://id.example.org/login").unwrap().join(&path).unwrap();
                    prop_assert_eq!(followed.host_str(), Some("id.example.org"));
                }
                Ok(ReturnAddress::Own(url)) => prop_assert_eq!(url.host_str(), Some("id.example.org")),
                Ok(ReturnAddress::App(app)) => {
                    let followed = Url::parse(&app.with(&[("code", "x")])).unwrap();
                    prop_assert!(matches!(followed.host_str(), Some("app.example.org" | "localhost")));
                }
                Err(_) => {}
            }
        }
    }
}
