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

    /// Parses an origin from the configuration that stands for itself alone.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn parse_exact(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Err("a star would allow the pages of every site: name each origin".to_owned());
        }
        match AllowedOrigin::parse(text)? {
            AllowedOrigin { origin: WebOrigin::Host(origin), star: false } => Ok(origin),
            AllowedOrigin { star: true, .. } => {
                Err("a star is for sockets only: name each origin here, such as https://app.example.org"
                    .to_owned())
            }
            AllowedOrigin { origin: WebOrigin::Opaque, .. } => {
                Err("any page can have the origin null: serve the app under a host of its own".to_owned())
            }
            AllowedOrigin { .. } => {
                Err("any local file has the origin file://: serve the app under a host of its own".to_owned())
            }
        }
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
#[path = "origin_tests.rs"]
mod tests;
