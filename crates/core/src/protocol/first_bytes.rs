//! What the other side speaks, by the first bytes that it sends. For what comes to the wrong port.

/// A protocol that is known by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    Tls,
    /// HTTP/1.
    Http,
    /// HTTP/2 without an upgrade (RFC 9113 section 3.4).
    Http2,
    /// What balancers put before a connection, in either version.
    /// <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>
    ProxyHeader,
}

/// A handshake record of TLS (RFC 8446 section 5.1).
pub const TLS_RECORD: u8 = 0x16;

const PROXY_V1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
const METHODS: [&[u8]; 8] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS ", b"TRACE "];

/// What begins like this, if that can be told by so many bytes.
#[must_use]
pub fn recognize(bytes: &[u8]) -> Option<Spoken> {
    let target = |method: &[u8]| bytes.strip_prefix(method).and_then(<[u8]>::first);
    if bytes.starts_with(&[TLS_RECORD, 3]) {
        Some(Spoken::Tls)
    } else if bytes.starts_with(PROXY_V2) || PROXY_V1.iter().any(|header| bytes.starts_with(header)) {
        Some(Spoken::ProxyHeader)
    } else if bytes.starts_with(HTTP2) {
        Some(Spoken::Http2)
    // A path, the whole server, or an absolute address (RFC 9112 section 3.2).
    } else if METHODS.iter().any(|method| target(method).is_some_and(|first| b"/*h".contains(first)))
        || target(b"CONNECT ").is_some()
    {
        Some(Spoken::Http)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_comes_to_the_wrong_port_is_known_by_its_first_bytes() {
        for (bytes, spoken) in [
            (&[0x16, 3, 1, 2, 0, 1][..], Some(Spoken::Tls)),
            (b"GET / HTTP/1.1\r\n", Some(Spoken::Http)),
            (b"POST /api/login HTTP/1.1", Some(Spoken::Http)),
            (b"OPTIONS * HTTP/1.1", Some(Spoken::Http)),
            (b"GET http://localhost/ HTTP/1.1", Some(Spoken::Http)),
            (b"CONNECT id.example.org:443 HTTP/1.1", Some(Spoken::Http)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Spoken::Http2)),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n", Some(Spoken::ProxyHeader)),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 5 6\r\n", Some(Spoken::ProxyHeader)),
            (b"PROXY UNKNOWN\r\n", Some(Spoken::ProxyHeader)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Some(Spoken::ProxyHeader)),
            (b"", None),
            (b"\x16", None),
            (b"alice\n", None),
            (b"GET well soon", None),
            (b"PROXY", None),
            (b"Bearer eyJ", None),
            (b"\r\n", None),
        ] {
            assert_eq!(recognize(bytes), spoken, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(bytes in any::<Vec<u8>>()) {
            let _ = recognize(&bytes);
        }
    }
}
