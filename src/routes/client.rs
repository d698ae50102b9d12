//! Determines the client address and the host of a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::header;

use crate::config::Sockets;

/// The peer's address; or, if the peer is a trusted proxy, the right-most entry of `X-Forwarded-For` that is
/// not a trusted proxy. Entries to the left of it were written by the client and may be anything.
#[must_use]
pub fn client_address(request: &HttpRequest, config: &Sockets) -> IpAddr {
    let trusted = |ip: IpAddr| config.trusted_proxies.iter().any(|net| net.contains(&ip));
    let mut address = peer(request.head());
    if !trusted(address) {
        return address;
    }
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|value| value.split(','))
        .collect();
    for entry in forwarded.into_iter().rev() {
        if !trusted(address) {
            break;
        }
        // No trusted proxy wrote an entry that cannot be parsed, so the proxy's own address counts.
        let Some(next) = parse(entry.trim()) else { break };
        address = next;
    }
    address
}

/// The last value of a header in which a proxy describes the original request, if the peer is a trusted
/// proxy.
#[must_use]
pub fn forwarded<'a>(request: &'a RequestHead, config: &Sockets, name: &str) -> Option<&'a str> {
    let peer = peer(request);
    config.trusted_proxies.iter().any(|net| net.contains(&peer)).then_some(())?;
    let last = request.headers.get_all(name).last()?.to_str().ok()?;
    last.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}

/// The `Host` of a request, if there is exactly one.
pub(super) fn host(request: &HttpRequest) -> Option<&str> {
    let mut hosts = request.headers().get_all(header::HOST);
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

fn peer(request: &RequestHead) -> IpAddr {
    request.peer_addr.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

/// Parses an address, with or without a port, as proxies write it.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let ip = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::test::TestRequest;

    use super::*;

    fn address(peer: &str, forwarded: &[&str]) -> String {
        let config = Sockets {
            auth_timeout: Duration::ZERO,
            heartbeat: Duration::ZERO,
            max_frame: 0,
            max_outbox: 0,
            max_per_user: 0,
            max_per_address: 0,
            max_waiting_per_address: 0,
            max_open: 0,
            allowed_origins: vec![],
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        };
        let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
        for value in forwarded {
            request = request.append_header(("X-Forwarded-For", *value));
        }
        client_address(&request.to_http_request(), &config).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        assert_eq!(address("203.0.113.5:1", &["198.51.100.1"]), "203.0.113.5");
    }

    #[test]
    fn a_trusted_proxys_client_is_the_right_most_untrusted_address() {
        assert_eq!(address("10.0.0.1:1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1:1", &["1.1.1.1, 198.51.100.1, 10.0.0.9"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1:1", &["1.1.1.1", "198.51.100.1 , 10.0.0.9"]), "198.51.100.1");
        assert_eq!(address("[::1]:1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(address("[::ffff:10.0.0.1]:1", &["198.51.100.1:5"]), "198.51.100.1");
    }

    #[test]
    fn an_invalid_entry_counts_as_the_proxy() {
        assert_eq!(address("10.0.0.1:1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1:1", &["unknown"]), "10.0.0.1");
        assert_eq!(address("10.0.0.1:1", &["198.51.100.1, _hidden, 10.0.0.7"]), "10.0.0.7");
    }
}
