//! What a configuration means for a running server: what it must not use, what is worth a warning, and the public
//! address that follows from the listener.

use std::net::SocketAddr;

use url::Url;

use super::{Config, MailUrl, is_loopback, listen};

impl Config {
    /// Refuses what a running server must not use: the email preview under a `public_url` that was set and that
    /// other machines can open. No email would be sent, and the links in the kept ones sign people in.
    ///
    /// # Errors
    /// A sentence that says what to set.
    pub fn check_for_serving(&self) -> Result<(), String> {
        let is_public = !self.follows_listener && !is_loopback(&self.public_url);
        if self.keeps_emails_unasked() && is_public {
            return Err(format!(
                "mail.url is preview, which sends no email, but public_url is {}: set mail.url to a mail server, or \
                 mail.allow_preview = true if no email should be sent",
                self.public_url
            ));
        }
        Ok(())
    }

    /// What an operator should know before people use this server, one sentence each.
    #[must_use]
    pub fn warnings_for_serving(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let listen = self.http.listen;
        let is_https = self.public_url.scheme() == "https";
        if let Some(metrics) = self.metrics.filter(|metrics| !metrics.ip().to_canonical().is_loopback()) {
            warnings.push(format!(
                "other machines can read the metrics at {metrics}: nothing there is about a person, but let only \
                 Prometheus reach it"
            ));
        }
        if self.password.insecure_cost {
            let cost = self.password.cost;
            warnings.push(format!(
                "password.insecure_cost is on (cost {cost}): stolen password hashes would be cheap to guess; for tests \
                 only"
            ));
        }
        if self.tls.is_some() && !is_https {
            warnings
                .push(format!("TLS is on, but public_url does not begin with https: {}", self.public_url));
        }
        if self.cluster.redis_url.is_some() && self.follows_listener {
            warnings.push(format!(
                "cluster.redis_url is set and public_url is not, so it is {}: a node with another one refuses this \
                 node's tokens. Set the same public_url on all nodes",
                self.public_url
            ));
        }
        if listen.ip().to_canonical().is_loopback() {
            return warnings;
        }
        if self.tls.is_none() && !is_https {
            warnings.push(format!(
                "other machines can reach {listen} without TLS: passwords and tokens are sent in the clear. Set \
                 tls.cert and tls.key, or public_url to the https address of a proxy, or listen on 127.0.0.1"
            ));
        }
        if self.keeps_emails_unasked() {
            warnings.push(format!(
                "other machines can reach {listen}, but no email is sent: mail.url is preview. Set it to a mail server"
            ));
        }
        warnings
    }

    /// Whether emails are kept instead of sent, and no one has said that this is meant.
    fn keeps_emails_unasked(&self) -> bool {
        self.mail.url == MailUrl::Preview && !self.mail.allow_preview
    }

    /// Where a browser on this machine reaches the HTTP listener, whatever `public_url` is.
    #[must_use]
    pub fn listener_url(&self) -> String {
        listen::public_url(self.http.listen, self.tls.is_some())
    }

    /// The same configuration with the address that the listener got: port 0 asks the system for a free one, and
    /// `public_url` follows it.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.http.listen = address;
        if self.follows_listener
            && let Ok(url) = Url::parse(&self.listener_url())
        {
            self.public_url = url;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(pairs: &[(&str, &str)]) -> Vec<String> {
        let config = Config::from_pairs(pairs.iter().copied()).unwrap();
        config.check_for_serving().unwrap();
        config.warnings_for_serving()
    }

    #[test]
    fn a_listener_that_other_machines_reach_needs_tls_and_a_mail_server() {
        let (clear, mail) = ("sent in the clear", "no email is sent");
        let smtp = ("mail.url", "smtp://localhost");
        let tls = [("tls.cert", "/c"), ("tls.key", "/k")];
        for (pairs, words) in [
            (vec![], vec![]),
            (vec![("http.listen", "[::1]:80")], vec![]),
            (vec![("http.listen", ":8080")], vec![clear, mail]),
            (vec![("http.listen", "192.0.2.7:8080")], vec![clear, mail]),
            (vec![("http.listen", ":8080"), smtp], vec![clear]),
            (vec![("http.listen", ":8080"), ("mail.allow_preview", "true")], vec![clear]),
            (vec![("http.listen", ":8080"), smtp, ("public_url", "https://id.example")], vec![]),
            (vec![("http.listen", ":8080"), smtp, tls[0], tls[1]], vec![]),
            (vec![("public_url", "http://localhost"), tls[0], tls[1]], vec!["does not begin with https"]),
            (vec![("password.insecure_cost", "true"), ("password.cost", "4")], vec!["for tests only"]),
            (vec![("cluster.redis_url", "redis://localhost")], vec!["the same public_url on all nodes"]),
        ] {
            let said = warnings(&pairs);
            assert_eq!(said.len(), words.len(), "{pairs:?}: {said:?}");
            assert!(said.iter().zip(words).all(|(said, word)| said.contains(word)), "{said:?}");
        }
    }

    #[test]
    fn the_public_address_follows_the_port_that_the_system_gave() {
        let config = |pairs: &[(&str, &str)]| Config::from_pairs(pairs.iter().copied()).unwrap();
        let got = "127.0.0.1:41234".parse().unwrap();
        let followed = config(&[("http.listen", "localhost:0")]).listening_on(got);
        assert_eq!(followed.public_url.as_str(), "http://localhost:41234/");
        let set =
            config(&[("http.listen", "localhost:0"), ("public_url", "https://id.example")]).listening_on(got);
        assert_eq!(set.public_url.as_str(), "https://id.example/");
        assert_eq!((set.http.listen, set.listener_url()), (got, "http://localhost:41234".to_owned()));
    }
}
