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
    /// The user whom the URL names.
    pub username: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// The path of the socket, and its query if there is one.
    WebSocket(String),
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
        let door = if web {
            let path = if matches!(url.path(), "" | "/") { "/ws" } else { url.path() };
            Door::WebSocket(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
        } else if matches!(url.path(), "" | "/") && url.query().is_none() {
            Door::Tcp
        } else {
            return Err("a tcp:// or tls:// URL ends with the port".to_owned());
        };
        let username = match url.username() {
            "" => None,
            name => Some(decode(name).ok_or("the user in the URL is not UTF-8")?),
        };
        Ok(Self { door, encrypted, host, port: url.port().unwrap_or(default_port), username })
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
        format!("{}://{}{path}", if self.encrypted { "https" } else { "http" }, self.authority())
    }

    /// Whether others on the way could read what is said.
    pub fn is_exposed(&self) -> bool {
        let local = self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        !self.encrypted && !local
    }
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
        for (text, http, path) in [
            ("ws://h", "http://h:80/x", Some("/ws")),
            ("http://h/", "http://h:80/x", Some("/ws")),
            ("wss://h", "https://h:443/x", Some("/ws")),
            ("https://h:8443/live?a=1", "https://h:8443/x", Some("/live?a=1")),
            ("ws://[::1]:8080", "http://[::1]:8080/x", Some("/ws")),
            ("tcp://h", "http://h:12225/x", None),
            ("tls://127.0.0.1:5/", "https://127.0.0.1:5/x", None),
            ("tls://[::1]", "https://[::1]:12225/x", None),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.http("/x"), http, "{text}");
            let door = path.map_or(Door::Tcp, |path| Door::WebSocket(path.to_owned()));
            assert_eq!(target.door, door, "{text}");
            assert_eq!(target.username, None);
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
            "ws://h:99999",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        for text in ["ftp://alice:hunter2@h", "ws://alice:hunter2@h:99999", "ws://alice:hunter2@"] {
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
