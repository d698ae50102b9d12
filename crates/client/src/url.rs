//! Where to connect: what a URL says, with its defaults.

use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::Error;

/// The default port of the TCP endpoint.
const TCP_PORT: u16 = 12225;

const SCHEMES: &str = "the URL begins with ws://, wss://, tcp:// or tls://";

/// The address of a Doorward server and the transport to use.
///
/// | URL | transport | default port |
/// |---|---|---|
/// | `ws://HOST`, `http://HOST` | WebSocket | 80 |
/// | `wss://HOST`, `https://HOST` | WebSocket under TLS | 443 |
/// | `tcp://HOST` | TCP | 12225 |
/// | `tls://HOST` | TCP under TLS | 12225 |
///
/// A WebSocket URL may have a path, under which a proxy serves Doorward: the socket of `wss://HOST/auth` is
/// `wss://HOST/auth/ws`, and its sign-in is `https://HOST/auth/api/login`. A URL may name a user (`wss://alice@HOST`), but
/// not a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    transport: Transport,
    encrypted: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// The path under which the server is, without a trailing slash; empty over TCP.
    base: String,
    username: Option<String>,
}

/// How a session's messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Tcp,
}

impl FromStr for ServerUrl {
    type Err = Error;

    /// The error does not repeat the URL, which may hold a password.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(Error::InvalidUrl)
    }
}

impl ServerUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("this is not a URL: {error}; {SCHEMES}"))?;
        if url.password().is_some() {
            return Err("a password in a URL ends up in histories and process lists: leave it out".to_owned());
        }
        let (transport, encrypted, default_port) = match url.scheme() {
            "ws" | "http" => (Transport::WebSocket, false, 80),
            "wss" | "https" => (Transport::WebSocket, true, 443),
            "tcp" => (Transport::Tcp, false, TCP_PORT),
            "tls" => (Transport::Tcp, true, TCP_PORT),
            _ => return Err(SCHEMES.to_owned()),
        };
        let host = match url.host() {
            Some(Host::Domain(host)) if !host.is_empty() => host.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            _ => return Err("the URL names no host".to_owned()),
        };
        let base = match transport {
            Transport::WebSocket => web_base(&url)?.to_owned(),
            Transport::Tcp if is_bare(&url) => String::new(),
            Transport::Tcp => return Err("a tcp:// or tls:// URL ends with the port".to_owned()),
        };
        let username = match url.username() {
            "" => None,
            name => Some(decode(name).ok_or("the user in the URL is not UTF-8")?),
        };
        Ok(Self { transport, encrypted, host, port: url.port().unwrap_or(default_port), base, username })
    }

    pub(crate) const fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether the URL asks for TLS.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether others on the network could read what is sent: without TLS, to any host but this one.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let is_local = self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        !self.encrypted && !is_local
    }

    /// The user that the URL names.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, by default that of the scheme.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host as a URL writes it, and the port.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The path of an HTTP route of the server, such as `/api/login`.
    pub(crate) fn path(&self, route: &str) -> String {
        format!("{}{route}", self.base)
    }

    /// The address of the WebSocket.
    pub(crate) fn socket(&self) -> String {
        let scheme = if self.encrypted { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.path("/ws"))
    }
}

/// Whether the URL has nothing after its port.
fn is_bare(url: &Url) -> bool {
    matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none()
}

/// The path that the server's own paths follow. The URL may name the socket itself.
fn web_base(url: &Url) -> Result<&str, String> {
    if url.query().is_some() || url.fragment().is_some() {
        let text = "a query or a fragment in the URL is not sent, and a token there would end up in logs";
        return Err(text.to_owned());
    }
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/socket.io") {
        let text = "that is the address of Socket.IO, which this client does not speak: the URL ends before /socket.io";
        return Err(text.to_owned());
    }
    if path.ends_with("/api") || path.contains("/api/") {
        return Err("that is an address of the HTTP API: the URL ends before /api".to_owned());
    }
    Ok(path.strip_suffix("/ws").unwrap_or(path).trim_end_matches('/'))
}

/// Undoes the percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let encoded = match (first, tail) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(encoded.unwrap_or(*first));
        rest = if encoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http_url(url: &ServerUrl, route: &str) -> String {
        let scheme = if url.encrypted { "https" } else { "http" };
        format!("{scheme}://{}{}", url.authority(), url.path(route))
    }

    #[test]
    fn schemes_ports_and_paths() {
        for (text, http, socket) in [
            ("ws://h", "http://h:80/x", Some("ws://h:80/ws")),
            ("http://h/", "http://h:80/x", Some("ws://h:80/ws")),
            ("wss://h", "https://h:443/x", Some("wss://h:443/ws")),
            ("https://h:8443", "https://h:8443/x", Some("wss://h:8443/ws")),
            ("ws://[::1]:8080", "http://[::1]:8080/x", Some("ws://[::1]:8080/ws")),
            ("tcp://h", "http://h:12225/x", None),
            ("tls://127.0.0.1:5/", "https://127.0.0.1:5/x", None),
            ("tls://[::1]", "https://[::1]:12225/x", None),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!(http_url(&url, "/x"), http, "{text}");
            match socket {
                Some(socket) => {
                    assert_eq!((url.transport, &*url.socket()), (Transport::WebSocket, socket), "{text}");
                }
                None => assert_eq!(url.transport, Transport::Tcp, "{text}"),
            }
            assert_eq!(url.username, None);
        }
    }

    #[test]
    fn a_base_path_precedes_every_address() {
        for text in [
            "ws://alice@h/auth",
            "ws://alice@h/auth/",
            "ws://alice@h/auth//",
            "ws://alice@h/auth/ws",
            "ws://alice@h/auth/ws/",
            "http://alice@h:80/auth",
            "ws://alice@h/x/../auth",
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!(http_url(&url, "/api/login"), "http://h:80/auth/api/login", "{text}");
            assert_eq!(url.socket(), "ws://h:80/auth/ws", "{text}");
            assert_eq!(url.username(), Some("alice"));
        }
        for (text, login) in [
            ("wss://h/a/b/", "https://h:443/a/b/api/login"),
            ("https://[::1]:8443/auth/ws", "https://[::1]:8443/auth/api/login"),
            ("ws://h/ws", "http://h:80/api/login"),
            ("ws://h/ws/ws", "http://h:80/ws/api/login"),
            ("ws://h/news", "http://h:80/news/api/login"),
            ("ws://h/a%20b", "http://h:80/a%20b/api/login"),
        ] {
            assert_eq!(http_url(&ServerUrl::parse(text).unwrap(), "/api/login"), login);
        }
    }

    #[test]
    fn a_user_is_accepted_and_a_password_refused() {
        let name = |text| ServerUrl::parse(text).unwrap().username.unwrap();
        assert_eq!(name("tcp://alice@h"), "alice");
        assert_eq!(name("ws://al%40example.org@h"), "al@example.org");
        assert_eq!(name("ws://a%zz@h"), "a%zz");
        for text in ["tcp://alice:hunter2@h", "ws://alice:hunter2@h:80/ws", "wss://:hunter2@h"] {
            let error = ServerUrl::parse(text).unwrap_err();
            assert!(error.contains("password") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_unusable_url_is_refused_and_not_repeated() {
        for text in [
            "",
            "h",
            "localhost:8080",
            "ftp://h",
            "tcp://",
            "tcp:h",
            "tcp://h/ws",
            "tls://h?x",
            "tls://h#x",
            "ws://h:99999",
            "ws://h?token=x",
            "wss://h/auth/ws?access_token=x",
            "ws://h/auth#x",
            "ws://h/socket.io/",
            "ws://h/auth/socket.io",
            "http://h/api",
            "http://h/auth/api/login",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
        for text in [
            "ftp://alice:hunter2@h",
            "ws://alice:hunter2@h:99999",
            "ws://alice:hunter2@",
            "ws://h/auth?token=hunter2",
            "ws://h/hunter2/socket.io",
        ] {
            assert!(!ServerUrl::parse(text).unwrap_err().contains("hunter2"));
        }
    }

    #[test]
    fn only_this_host_may_be_spoken_to_in_the_clear() {
        for (text, exposed) in [
            ("ws://localhost", false),
            ("tcp://127.9.9.9", false),
            ("tcp://[::1]", false),
            ("wss://h", false),
            ("tls://192.0.2.1", false),
            ("ws://h", true),
            ("tcp://192.0.2.1", true),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().is_exposed(), exposed, "{text}");
        }
    }
}
