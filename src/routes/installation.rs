//! The cookie names of an installation, which distinguish it from others on the same host.

use actix_web::HttpRequest;
use url::Url;

use super::client::host;
use crate::auth::secret::hash_token;
use crate::config::is_loopback;
use doorward_core::domain::HostOrigin;

/// Distinguishes the cookies of one installation from those of another on the same host.
#[derive(Debug, Clone)]
pub(super) struct Installation {
    /// None is the scheme's default port.
    port: Option<u16>,
    /// The public URL is a loopback address without TLS, so nothing is in front of the server: the port is
    /// the one that the browser uses, whatever the setting says.
    local: bool,
    /// The path of the public URL, in characters that a cookie name may have.
    path: String,
}

impl Installation {
    pub(super) fn of(public_url: &Url) -> Self {
        let path = public_url.path().trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
        let path = if path.bytes().all(plain) {
            path.replace('/', "~")
        } else {
            format!("~~{}", hash_token(path).get(..16).unwrap_or_default())
        };
        let local = public_url.scheme() == "http" && is_loopback(public_url);
        Self { port: public_url.port(), local, path }
    }

    /// The suffix of a cookie's name.
    pub(super) fn suffix(&self, request: &HttpRequest) -> String {
        let asked = host(request).filter(|_| self.local);
        let asked = asked.and_then(|host| HostOrigin::of_authority("http", host));
        let port = asked.map_or(self.port, |asked| asked.port);
        let port = port.map(|port| format!(".{port}")).unwrap_or_default();
        format!("{port}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use actix_web::test::TestRequest;

    use super::*;

    fn suffix(public_url: &str, host: &str) -> String {
        let request = TestRequest::get().insert_header(("host", host)).to_http_request();
        Installation::of(&public_url.parse().unwrap()).suffix(&request)
    }

    #[test]
    fn an_installation_alone_on_its_host_has_the_bare_name() {
        for url in ["https://id.example.org", "http://id.example.org/", "https://id.example.org:443"] {
            assert_eq!(suffix(url, "127.0.0.1:40000"), "", "{url}");
        }
    }

    #[test]
    fn installations_on_one_host_have_different_names() {
        let of = |url: &str, host: &str| suffix(url, host);
        assert_eq!(of("http://localhost:8080", "localhost:8080"), ".8080");
        assert_eq!(of("http://localhost:8080", "127.0.0.1:8081"), ".8081", "the port of the request");
        assert_eq!(of("http://localhost:8080", "[::1]"), "");
        assert_eq!(of("http://localhost:8080", "no host"), ".8080");
        assert_eq!(of("https://id.example.org:8443", "backend:1"), ".8443");
        assert_eq!(of("https://example.org/id/", "example.org"), "~id");
        assert_eq!(of("http://localhost:8080/a/b", "localhost:8080"), ".8080~a~b");
        let urls =
            ["http://h", "http://h:8080", "http://h/8080", "http://h/.8080", "http://h/a/b", "http://h/a-b"];
        let odd = ["http://h/~a", "http://h/%7Ea", "http://h/a@b", "http://h/a=b;c", "http://h/ü"];
        let names: HashSet<_> = urls.iter().chain(&odd).map(|url| of(url, "h")).collect();
        assert_eq!(names.len(), urls.len() + odd.len(), "{names:?}");
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b".~-_".contains(&byte);
        assert!(names.iter().all(|name| name.bytes().all(token)), "{names:?}");
    }
}
