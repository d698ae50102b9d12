//! A browser as far as addresses and cookies go: requests with any Host, and a cookie jar.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::support::app::PASSWORD;
use crate::support::raw_http::{self, Raw};

/// The form that signs ann in.
pub const ANN: [(&str, &str); 2] = [("login", "ann"), ("password", PASSWORD)];

/// What a browser has stored for a host: cookies are sent to all its ports.
#[derive(Default)]
pub struct Jar(pub BTreeMap<String, String>);

impl Jar {
    pub fn header(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Does what an answer says; returns the names that it spoke of.
    pub fn take(&mut self, answer: &Raw) -> Vec<String> {
        let mut named = Vec::new();
        for line in &answer.headers {
            let Some(cookie) =
                line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            else {
                continue;
            };
            let (name, value) = cookie.1.split(';').next().unwrap().split_once('=').unwrap();
            named.push(name.to_owned());
            if cookie.1.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
        named
    }
}

/// A page, asked for as `host`.
pub async fn get(address: SocketAddr, host: &str, path: &str, jar: &mut Jar) -> Raw {
    get_with(address, host, path, jar, &[]).await
}

pub async fn get_with(address: SocketAddr, host: &str, path: &str, jar: &mut Jar, more: &[&str]) -> Raw {
    let (host, cookie) = (format!("host: {host}"), format!("cookie: {}", jar.header()));
    let mut headers = vec![host.as_str(), "accept: text/html"];
    if !jar.0.is_empty() {
        headers.push(&cookie);
    }
    headers.extend_from_slice(more);
    let answer = raw_http::request(address, &format!("GET {path}"), &headers, b"").await;
    jar.take(&answer);
    answer
}

/// A form of a page that was opened under this origin, as a browser posts it over plain http.
pub async fn post(
    address: SocketAddr,
    (host, origin): (&str, &str),
    path: &str,
    fields: &[(&str, &str)],
    jar: &mut Jar,
) -> Raw {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(fields).finish();
    let (host, origin) = (format!("host: {host}"), format!("origin: {origin}"));
    let (length, cookie) = (format!("content-length: {}", body.len()), format!("cookie: {}", jar.header()));
    let mut headers = vec![
        host.as_str(),
        &origin,
        "accept: text/html",
        "content-type: application/x-www-form-urlencoded",
        &length,
    ];
    if !jar.0.is_empty() {
        headers.push(&cookie);
    }
    let answer = raw_http::request(address, &format!("POST {path}"), &headers, body.as_bytes()).await;
    jar.take(&answer);
    answer
}
