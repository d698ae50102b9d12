//! Where to connect: what the URL says, with its defaults.

use std::net::IpAddr;

use url::{Host, Url};

/// The default port of the TCP door.
const TCP_PORT: u16 = 12225;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub door: Door,
    pub encrypted: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// The path under which the server is, without a last slash; over TCP there is none.
    pub base: String,
    /// The user whom the URL names.
    pub username: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    WebSocket,
    Tcp,
}

impl Target {
    /// # Errors
    /// What is wrong with it, without repeating it: there may be a password in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("this is no URL: {error}; {SCHEMES}"))?;
        if url.password().is_some() {
            return Err("a password in a URL ends in histories and process lists: leave it out, \
                        it is asked for"
                .to_owned());
        }
        let (web, encrypted, default_port) = match url.scheme() {
            "ws" | "http" => (true, false, 80),
            "wss" | "https" => (true, true, 443),
            "tcp" => (false, false, TCP_PORT),
            "tls" => (false, true, TCP_PORT),
            _ => return Err(SCHEMES.to_owned()),
        };
        let host = match url.host() {
            Some(Host::Domain(host)) if !host.is_empty() => host.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            _ => return Err("the URL names no host".to_owned()),
        };
        let (door, base) = if web {
            if url.query().is_some() || url.fragment().is_some() {
                return Err(
                    "a query or a fragment in the URL is not sent, and a token there would end in logs: \
                            `--token -` reads one from standard input"
                        .to_owned(),
                );
            }
            (Door::WebSocket, base(url.path())?.to_owned())
        } else if matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() {
            (Door::Tcp, String::new())
        } else {
            return Err("a tcp:// or tls:// URL ends with the port".to_owned());
        };
        let username = match url.username() {
            "" => None,
            name => Some(decode(name).ok_or("the user in the URL is not UTF-8")?),
        };
        Ok(Self { door, encrypted, host, port: url.port().unwrap_or(default_port), base, username })
    }

    /// The host as a URL writes it, and the port.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// An HTTP address of the same server.
    pub fn http(&self, path: &str) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}{}{path}", self.authority(), self.base)
    }

    /// The address of the WebSocket.
    pub fn socket(&self) -> String {
        self.http("/ws").replacen("http", "ws", 1)
    }

    /// Whether others on the way could read what is said.
    pub fn is_exposed(&self) -> bool {
        let local = self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        !self.encrypted && !local
    }
}

/// What the server's own paths follow: the path of the URL, which may name the socket itself.
fn base(path: &str) -> Result<&str, String> {
    let path = path.trim_end_matches('/');
    if path.ends_with("/socket.io") {
        return Err(
            "that is the address of Socket.IO, and this client is none: the URL ends before /socket.io"
                .to_owned(),
        );
    }
    if path.ends_with("/api") || path.contains("/api/") {
        return Err("that is an address of the API: the URL ends before /api".to_owned());
    }
    Ok(path.strip_suffix("/ws").unwrap_or(path).trim_end_matches('/'))
}

const SCHEMES: &str = "it begins with ws://, wss://, tcp:// or tls://";

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
            let target = Target::parse(text).unwrap();
            assert_eq!(target.http("/x"), http, "{text}");
            match socket {
                Some(socket) => {
                    assert_eq!((&target.door, &*target.socket()), (&Door::WebSocket, socket), "{text}");
                }
                None => assert_eq!(target.door, Door::Tcp, "{text}"),
            }
            assert_eq!(target.username, None);
        }
    }

    #[test]
    fn a_base_path_is_before_every_address() {
        for text in [
            "ws://alice@h/auth",
            "ws://alice@h/auth/",
            "ws://alice@h/auth//",
            "ws://alice@h/auth/ws",
            "ws://alice@h/auth/ws/",
            "http://alice@h:80/auth",
            "ws://alice@h/x/../auth",
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.http("/api/login"), "http://h:80/auth/api/login", "{text}");
            assert_eq!(target.socket(), "ws://h:80/auth/ws", "{text}");
            assert_eq!(target.username.as_deref(), Some("alice"));
        }
        for (text, login) in [
            ("wss://h/a/b/", "https://h:443/a/b/api/login"),
            ("https://[::1]:8443/auth/ws", "https://[::1]:8443/auth/api/login"),
            ("ws://h/ws", "http://h:80/api/login"),
            ("ws://h/ws/ws", "http://h:80/ws/api/login"),
            ("ws://h/news", "http://h:80/news/api/login"),
            ("ws://h/a%20b", "http://h:80/a%20b/api/login"),
        ] {
            assert_eq!(Target::parse(text).unwrap().http("/api/login"), login);
        }
    }

    #[test]
    fn a_user_is_taken_and_a_password_refused() {
        let name = |text| Target::parse(text).unwrap().username.unwrap();
        assert_eq!(name("tcp://alice@h"), "alice");
        assert_eq!(name("ws://al%40example.org@h"), "al@example.org");
        assert_eq!(name("ws://a%zz@h"), "a%zz");
        for text in ["tcp://alice:hunter2@h", "ws://alice:hunter2@h:80/ws", "wss://:hunter2@h"] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains("password") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_unrepeated() {
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
            assert!(Target::parse(text).is_err(), "{text}");
        }
        for text in [
            "ftp://alice:hunter2@h",
            "ws://alice:hunter2@h:99999",
            "ws://alice:hunter2@",
            "ws://h/auth?token=hunter2",
            "ws://h/hunter2/socket.io",
        ] {
            assert!(!Target::parse(text).unwrap_err().contains("hunter2"));
        }
    }

    #[test]
    fn only_this_machine_may_be_told_in_the_clear() {
        for (text, exposed) in [
            ("ws://localhost", false),
            ("tcp://127.9.9.9", false),
            ("tcp://[::1]", false),
            ("wss://h", false),
            ("tls://192.0.2.1", false),
            ("ws://h", true),
            ("tcp://192.0.2.1", true),
        ] {
            assert_eq!(Target::parse(text).unwrap().is_exposed(), exposed, "{text}");
        }
    }
}
