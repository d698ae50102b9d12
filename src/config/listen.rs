//! The addresses to listen on: how people write them, and the public address that follows from one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `ADDRESS:PORT`, or one of its short forms: `:PORT` for every IPv4 address of this machine; `PORT` or
/// `localhost:PORT` for this machine alone.
pub(super) fn parse(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (ip, port) = match text.rsplit_once(':') {
        // Elsewhere it means off.
        None if text == "0" => return None,
        None => (Ipv4Addr::LOCALHOST, text),
        Some(("", port)) => (Ipv4Addr::UNSPECIFIED, port),
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => (Ipv4Addr::LOCALHOST, port),
        Some(_) => return None,
    };
    // `parse` alone would accept a sign.
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    Some(SocketAddr::new(ip.into(), port.parse().ok().filter(|_| is_number)?))
}

/// Where a browser on this machine finds the HTTP listener: the default of `public_url`.
pub(super) fn public_url(listen: SocketAddr, encrypted: bool) -> String {
    let (scheme, default_port) = if encrypted { ("https", 443) } else { ("http", 80) };
    let host = match listen.ip().to_canonical() {
        ip if ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    match listen.port() {
        port if port == default_port => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_short() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::]:8080"),
            (":8080", "0.0.0.0:8080"),
            ("8080", "127.0.0.1:8080"),
            (":0", "0.0.0.0:0"),
            ("Localhost:81", "127.0.0.1:81"),
            (" :8080 ", "0.0.0.0:8080"),
        ] {
            assert_eq!(parse(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            ":",
            "0",
            "+80",
            ":+80",
            "-1",
            "65536",
            ":65536",
            "example.org:80",
            "::1",
            "0.0.0.0",
            "80 80",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_public_address_is_the_one_that_a_browser_can_open() {
        for (listen, encrypted, url) in [
            ("127.0.0.1:9000", false, "http://localhost:9000"),
            ("0.0.0.0:9000", false, "http://localhost:9000"),
            ("[::]:9000", true, "https://localhost:9000"),
            ("[::ffff:127.0.0.1]:9000", false, "http://localhost:9000"),
            ("127.0.0.2:80", false, "http://127.0.0.2"),
            ("192.0.2.7:443", true, "https://192.0.2.7"),
            ("192.0.2.7:443", false, "http://192.0.2.7:443"),
            ("[2001:db8::7]:9000", false, "http://[2001:db8::7]:9000"),
            ("[::1]:9000", false, "http://[::1]:9000"),
        ] {
            assert_eq!(public_url(listen.parse().unwrap(), encrypted), url);
        }
    }
}
