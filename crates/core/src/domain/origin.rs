//! Origins of web pages, as browsers send them (RFC 6454 section 6) and as people configure them.

use std::fmt;
use std::net::IpAddr;

use url::Url;

/// The origin of a page in one canonical form: without a trailing slash or the scheme's default port, in
/// lower case, an international name in its ASCII form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WebOrigin {
    /// `null`: a sandboxed frame, a local file, a redirect between sites. It may come from any page.
    Opaque,
    /// `file://`: some browsers, and apps with bundled pages, send it for local files.
    File,
    Host(HostOrigin),
}

/// `scheme://host[:port]`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostOrigin {
    pub scheme: String,
    /// An IPv6 address is in brackets.
    pub host: String,
    /// None is the scheme's default port.
    pub port: Option<u16>,
}

impl WebOrigin {
    /// Parses an `Origin` header.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("null") {
            return Some(Self::Opaque);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let url = Url::parse(text).ok().filter(|_| text.contains("://"))?;
        if !is_bare(&url) {
            return None;
        }
        if url.scheme() == "file" {
            return (!url.has_host()).then_some(Self::File);
        }
        HostOrigin::of(&url).map(Self::Host)
    }
}

impl HostOrigin {
    /// The origin of a URL that has a host.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let host = url.host_str()?.to_ascii_lowercase();
        // A trailing dot does not change the host.
        let host = host.trim_end_matches('.');
        let (scheme, port) = (url.scheme().to_owned(), url.port());
        (!host.is_empty()).then(|| Self { scheme, host: host.to_owned(), port })
    }

    /// The origin of a request's `Host` under this scheme.
    #[must_use]
    pub fn of_authority(scheme: &str, authority: &str) -> Option<Self> {
        // Only a host and a port are allowed.
        if authority.contains(['/', '\\', '?', '#', '@']) || authority.chars().any(char::is_whitespace) {
            return None;
        }
        Self::of(&Url::parse(&format!("{scheme}://{authority}/")).ok()?)
    }

    /// Whether the host is an address, or a name that always leads to the local machine (RFC 6761 section
    /// 6.3). Such a host cannot be an attacker's name that resolves to this server (DNS rebinding).
    #[must_use]
    pub fn is_address(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok() || self.host == "localhost" || self.host.ends_with(".localhost")
    }
}

impl fmt::Display for HostOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opaque => f.write_str("null"),
            Self::File => f.write_str("file://"),
            Self::Host(origin) => origin.fmt(f),
        }
    }
}

/// Whether the URL has nothing but a scheme, a host and a port.
fn is_bare(url: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Refuses what no URL has, with advice about what was probably meant.
fn check_characters(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("an origin has no control characters".to_owned());
    }
    if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
        return Err("the quotes are part of the value: leave them out".to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Err("separate origins by commas".to_owned());
    }
    if text == "*" {
        let name =
            "name each origin, such as https://app.example.org, or https://*.example.org for one label";
        return Err(format!("a star alone would allow the pages of every site; {name}"));
    }
    Ok(())
}

/// Refuses a star that stands for the scheme or for the port. `rest` follows `scheme://`.
fn check_stars(scheme: &str, rest: &str) -> Result<(), String> {
    if scheme.contains('*') {
        return Err("a star cannot stand for the scheme: name http:// and https:// apart".to_owned());
    }
    if rest.rsplit_once(':').is_some_and(|(_, port)| port.contains('*')) {
        return Err("a star cannot stand for the port: name each port".to_owned());
    }
    Ok(())
}

/// Top-level names that only exist within one network or machine (RFC 2606, RFC 6761, RFC 9476, and what home
/// routers use): a pattern may be right below them.
const PRIVATE: [&str; 6] = ["localhost", "test", "internal", "local", "lan", "home"];

/// An allowed origin, or all origins whose host has one label more: `https://*.example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigin {
    origin: WebOrigin,
    /// The host is what follows the star and its dot.
    star: bool,
}

impl AllowedOrigin {
    /// Parses an origin from the configuration.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        check_characters(text)?;
        if text.eq_ignore_ascii_case("null") {
            return Ok(Self { origin: WebOrigin::Opaque, star: false });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("an origin begins with its scheme: https://{text}, or http://{text}"));
        };
        check_stars(scheme, rest)?;
        let url = Url::parse(text).map_err(|error| format!("it is not an origin ({error})"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an origin has no user".to_owned());
        }
        if let Some(page) = match url.scheme() {
            "ws" => Some("http"),
            "wss" => Some("https"),
            _ => None,
        } {
            return Err(format!("write the origin of the page, not of the socket: {page}://{rest}"));
        }
        if url.scheme() == "file" {
            let bare = !url.has_host() && is_bare(&url);
            let refusal = || "the origin of local files is file://, without a path".to_owned();
            return bare.then_some(Self { origin: WebOrigin::File, star: false }).ok_or_else(refusal);
        }
        let Some(origin) = HostOrigin::of(&url) else { return Err("an origin names a host".to_owned()) };
        if !is_bare(&url) {
            return Err(format!("an origin ends with its host or port: {origin}"));
        }
        Self::of_host(origin)
    }

    /// `origin`, whose host may begin with a star.
    fn of_host(origin: HostOrigin) -> Result<Self, String> {
        if !origin.host.contains('*') {
            return Ok(Self { origin: WebOrigin::Host(origin), star: false });
        }
        let Some(below) = origin.host.strip_prefix("*.").filter(|below| !below.contains('*')) else {
            let example = "as in https://*.example.org";
            return Err(format!(
                "a star stands for the whole first label of a host, and for no other, {example}"
            ));
        };
        if !below.contains('.') && !PRIVATE.contains(&below) {
            return Err(format!("*.{below} would allow other people's pages: name more of the host"));
        }
        Ok(Self { origin: WebOrigin::Host(HostOrigin { host: below.to_owned(), ..origin }), star: true })
    }

    #[must_use]
    pub fn matches(&self, origin: &WebOrigin) -> bool {
        match (&self.origin, origin) {
            (WebOrigin::Host(allowed), WebOrigin::Host(origin)) if self.star => {
                let below = origin.host.split_once('.').filter(|(label, _)| !label.is_empty());
                below.is_some_and(|(_, below)| below == allowed.host)
                    && (&origin.scheme, origin.port) == (&allowed.scheme, allowed.port)
            }
            (allowed, origin) => allowed == origin,
        }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            WebOrigin::Host(origin) if self.star => {
                HostOrigin { host: format!("*.{}", origin.host), ..origin.clone() }.fmt(f)
            }
            origin => origin.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(allowed: &str, origin: &str) -> bool {
        let allowed = AllowedOrigin::parse(allowed).unwrap_or_else(|error| panic!("{allowed}: {error}"));
        WebOrigin::parse(origin).is_some_and(|origin| allowed.matches(&origin))
    }

    #[test]
    fn an_origin_is_the_same_however_it_is_written() {
        let forms = [
            "https://bücher.example",
            "https://xn--bcher-kva.example",
            "https://BÜCHER.example/",
            "HTTPS://xn--bcher-kva.EXAMPLE:443",
            "https://xn--bcher-kva.example.",
        ];
        for allowed in forms {
            for sent in forms {
                assert!(allows(allowed, sent), "{allowed} {sent}");
            }
        }
        for (allowed, sent) in [
            ("http://localhost:5173", "http://LOCALHOST:5173/"),
            ("http://app.example:80/", "http://app.example"),
            ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000"),
            ("capacitor://localhost", "capacitor://LOCALHOST"),
            ("app://obsidian.md", "app://obsidian.md"),
            ("chrome-extension://abcdefghij", "chrome-extension://abcdefghij"),
            ("null", "null"),
            ("NULL", "null"),
            ("file://", "file://"),
            ("file:///", "file://"),
        ] {
            assert!(allows(allowed, sent), "{allowed} {sent}");
        }
    }

    #[test]
    fn another_scheme_host_or_port_is_another_origin() {
        let other = [
            "http://app.example.org",
            "https://app.example.org:444",
            "https://app.example.org.evil.example",
            "https://xapp.example.org",
            "https://example.org",
            "https://app.example.org/path",
            "https://app.example.org?x",
            "https://user@app.example.org",
            "https://app.example.org https://evil.example",
            "https:app.example.org",
            "app.example.org",
            "null",
            "file://",
            "",
            "*",
        ];
        for origin in other {
            assert!(!allows("https://app.example.org", origin), "{origin}");
        }
        assert!(!allows("null", "file://") && !allows("file://", "null"));
        assert!(!allows("null", "") && !allows("file://", "file:///etc/passwd"));
    }

    #[test]
    fn a_star_is_one_label() {
        for origin in
            ["https://a.example.org", "https://A.Example.Org:443/", "https://xn--bcher-kva.example.org"]
        {
            assert!(allows("https://*.example.org", origin), "{origin}");
        }
        for origin in [
            "https://example.org",
            "https://a.b.example.org",
            "https://.example.org",
            "https://aexample.org",
            "https://a.example.org.evil.example",
            "https://a.example.org:8443",
            "http://a.example.org",
            "null",
        ] {
            assert!(!allows("https://*.example.org", origin), "{origin}");
        }
        assert!(allows("http://*.localhost:5173", "http://tenant.localhost:5173"));
        assert!(allows("https://*.apps.example.org:8443", "https://a.apps.example.org:8443"));
        assert_eq!(
            AllowedOrigin::parse("HTTPS://*.Example.Org:443/").unwrap().to_string(),
            "https://*.example.org"
        );
    }

    #[test]
    fn an_invalid_origin_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("*", "name each origin"),
            ("app.example.org", "https://app.example.org"),
            ("localhost:5173", "http://localhost:5173"),
            ("*.example.org", "begins with its scheme"),
            ("https://app.example.org/path", "https://app.example.org"),
            ("https://app.example.org/?a=b", "https://app.example.org"),
            ("https://app.example.org#x", "https://app.example.org"),
            ("wss://app.example.org", "https://app.example.org"),
            ("ws://localhost:5173", "http://localhost:5173"),
            ("https://user:word@app.example.org", "no user"),
            ("https://a.example https://b.example", "commas"),
            ("\"https://app.example.org\"", "quotes"),
            ("'null'", "quotes"),
            ("https://*", "first label"),
            ("https://*.*.example.org", "first label"),
            ("https://app.*.org", "first label"),
            ("https://app*.example.org", "first label"),
            ("https://**.example.org", "first label"),
            ("https://*.org", "other people's pages"),
            ("*://app.example.org", "scheme"),
            ("https://app.example.org:*", "port"),
            ("https://*.168.1.1", "not an origin"),
            ("file:///home/ada/app", "file://"),
            ("https://", "not an origin"),
            ("data:text/html,x", "scheme"),
            ("https://app.exa\nmple.org", "control"),
        ] {
            let refusal = AllowedOrigin::parse(text).expect_err(text);
            assert!(refusal.contains(hint), "{text}: {refusal}");
        }
    }

    #[test]
    fn the_host_of_a_request_is_parsed_like_an_origin() {
        let of =
            |authority: &str| HostOrigin::of_authority("http", authority).map(|origin| origin.to_string());
        assert_eq!(of("Door.Test:80").as_deref(), Some("http://door.test"));
        assert_eq!(of("[::1]:8080").as_deref(), Some("http://[::1]:8080"));
        assert_eq!(of("door.test.").as_deref(), Some("http://door.test"));
        for wrong in ["", "a b", "a/b", "user@a", "a\\b", "a?b", ":80"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        for (host, address) in
            [("192.168.1.50:1", true), ("[fe80::1]", true), ("a.localhost", true), ("door.test", false)]
        {
            assert_eq!(HostOrigin::of_authority("http", host).unwrap().is_address(), address, "{host}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_a_star_never_reaches_another_domain(
            text in "(https?://)?\\PC{0,40}",
            label in "[a-z0-9.-]{0,20}",
        ) {
            let _ = AllowedOrigin::parse(&text);
            let _ = HostOrigin::of_authority("http", &text);
            let star = AllowedOrigin::parse("https://*.example.org").unwrap();
            if let Some(WebOrigin::Host(origin)) = WebOrigin::parse(&format!("https://{label}.example.org")) {
                let one = !label.contains('.');
                prop_assert_eq!(star.matches(&WebOrigin::Host(origin)), one && !label.is_empty());
            }
            if let Some(origin) = WebOrigin::parse(&text) {
                let written = origin.to_string();
                prop_assert_eq!(WebOrigin::parse(&written), Some(origin));
            }
        }
    }
}
