//! What the server says when it has started: where to open it, where its emails and data are, and how to stop it.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, absolute};

use url::Host;

use crate::config::{Config, DatabaseUrl, MailUrl, WhoRegisters, is_loopback};
use crate::{mail, private_files};

/// The default of `tcp.listen`, which a first start need not mention.
const USUAL_TCP: u16 = 12225;

/// The command that adds an administrator.
const ADD_ADMIN: &str = "user add NAME --role admin";

/// The facts of one start.
pub struct Greeting {
    /// Where cookies and links in emails work.
    url: String,
    /// Where it listens, unless the URL says so.
    listens_on: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    email: String,
    data: String,
    /// Whether there is no account yet.
    is_empty: bool,
    /// Whether anyone may register.
    is_open: bool,
    /// The command that adds an administrator to the same data.
    add_admin: String,
}

impl Greeting {
    /// `config` is the one in force, with real ports.
    pub fn new(
        config: &Config,
        tcp: Option<SocketAddr>,
        metrics: Option<SocketAddr>,
        is_empty: bool,
    ) -> Self {
        let url = config.link("");
        let listen = config.http.listen;
        // The public address names the port, and leads to this machine: what listens there is clear.
        let is_clear = config.follows_listener && listen.ip().is_loopback();
        Self {
            listens_on: (!is_clear).then_some(listen),
            tcp,
            metrics,
            email: email(config),
            data: data(config),
            is_empty,
            is_open: config.registration.who == WhoRegisters::Anyone,
            add_admin: config
                .suggest(ADD_ADMIN)
                .unwrap_or_else(|| format!("doorward {ADD_ADMIN}, with this server's settings")),
            url,
        }
    }

    /// For people: aligned lines of at most 80 columns, unless a path is long.
    pub fn text(&self) -> String {
        let mut rows = vec![("Open", self.url.clone())];
        if let Some(address) = self.listens_on {
            let everywhere = match address.ip() {
                ip if !ip.is_unspecified() => "",
                IpAddr::V4(_) => " (all IPv4 addresses)",
                IpAddr::V6(_) => " (all addresses)",
            };
            rows.push(("Listens on", format!("{address}{everywhere}")));
        }
        if let Some(tcp) = self.tcp.filter(|tcp| !tcp.ip().is_loopback() || tcp.port() != USUAL_TCP) {
            rows.push(("TCP clients", tcp.to_string()));
        }
        if let Some(metrics) = self.metrics {
            rows.push(("Metrics", format!("http://{metrics}/metrics")));
        }
        rows.push(("Email", self.email.clone()));
        rows.push(("Data", self.data.clone()));
        if self.is_empty {
            let register = if self.is_open { "Register in the browser, or add" } else { "Add" };
            rows.push(("Accounts", format!("none yet. {register} an administrator:")));
            rows.push(("", self.add_admin.clone()));
        }
        rows.push(("Stop", "Ctrl+C".to_owned()));
        let mut text = format!("Doorward {} is running.\n\n", env!("CARGO_PKG_VERSION"));
        for (name, value) in rows {
            // A text cannot fail to be written to.
            let _ = writeln!(text, "  {name:<13}{value}");
        }
        text.push('\n');
        text
    }

    /// For programs: one line of the log.
    pub fn log(&self) {
        let Self { url, email, data, .. } = self;
        let listens_on = self.listens_on.map(tracing::field::display);
        let tcp = self.tcp.map(tracing::field::display);
        let metrics = self.metrics.map(tracing::field::display);
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, url, listens_on, tcp, metrics, email, data, "started");
    }
}

/// Where emails go, without the password of the mail server.
fn email(config: &Config) -> String {
    match &config.mail.url {
        MailUrl::Smtp(server) => {
            let host = match &server.host {
                Host::Ipv6(ip) => format!("[{ip}]"),
                _ => server.name(),
            };
            format!("sent through {host}:{}", server.port)
        }
        MailUrl::Preview => {
            let local = config.listener_url();
            // The page answers only under a loopback name.
            if local.parse().is_ok_and(|url| is_loopback(&url)) {
                format!("kept, not sent. Read it at {local}/dev/mail")
            } else {
                let directory = mail::preview_directory(config).unwrap_or_default();
                format!("kept in {}, not sent", shown(&directory))
            }
        }
    }
}

/// The directory and the database in it, or the database that is elsewhere, without its password.
fn data(config: &Config) -> String {
    let directory = shown(&config.data_dir);
    match &config.database.url {
        url @ DatabaseUrl::Sqlite(name) => match private_files::sqlite_file(url) {
            Some(path) if path.parent() == Some(&config.data_dir) => format!("{directory} (SQLite)"),
            Some(path) => format!("{} (SQLite)", shown(&path)),
            None => format!("{name} (SQLite)"),
        },
        // The parameters after it say how to connect.
        url @ DatabaseUrl::Postgres(_) => url.to_string().split('?').next().unwrap_or_default().to_owned(),
    }
}

fn shown(path: &Path) -> String {
    absolute(path).map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)], tcp: &str, is_empty: bool) -> String {
        let config = Config::from_pairs(pairs.iter().copied()).unwrap();
        let text = Greeting::new(&config, Some(tcp.parse().unwrap()), config.metrics, is_empty).text();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        text
    }

    #[test]
    fn a_first_start_prints_one_address() {
        let text = text(&[("data_dir", "/srv/doorward")], "127.0.0.1:12225", true);
        let usual = self::text(&[("log.level", "warn")], "127.0.0.1:12225", true);
        assert!(usual.contains("\n               doorward user add NAME --role admin\n"), "{usual}");
        let remote = self::text(&[("database.url", "postgres://ann:pw@db/d")], "127.0.0.1:12225", true);
        assert!(remote.contains("--role admin, with this server's settings\n"), "{remote}");
        assert_eq!(
            text,
            format!(
                "Doorward {} is running.\n\n  \
                 Open         http://localhost:8080\n  \
                 Email        kept, not sent. Read it at http://localhost:8080/dev/mail\n  \
                 Data         /srv/doorward (SQLite)\n  \
                 Accounts     none yet. Register in the browser, or add an administrator:\n  \
                              doorward user add NAME --role admin --data-dir /srv/doorward\n  \
                 Stop         Ctrl+C\n\n",
                env!("CARGO_PKG_VERSION")
            )
            .replace("\n  doorward", "\n               doorward")
        );
    }

    #[test]
    fn behind_a_proxy_it_also_says_where_it_listens() {
        let pairs = [
            ("http.listen", ":9000"),
            ("public_url", "https://id.example.org/auth/"),
            ("mail.url", "smtp://ann:hunter2@mail.example.org:587?tls=required"),
            ("database.url", "postgres://ann:hunter2@db.example.org/doorward?sslmode=prefer"),
        ];
        let text = text(&pairs, "0.0.0.0:12225", false);
        for line in [
            "Open         https://id.example.org/auth",
            "Listens on   0.0.0.0:9000 (all IPv4 addresses)",
            "TCP clients  0.0.0.0:12225",
            "Email        sent through mail.example.org:587",
            "Data         postgres://ann:***@db.example.org/doorward",
        ] {
            assert!(text.contains(&format!("\n  {line}\n")), "{line}: {text}");
        }
        assert!(!text.contains("hunter2") && !text.contains("Accounts"), "{text}");
    }

    #[test]
    fn kept_emails_are_shown_where_their_page_answers() {
        let told = |listen: &str| text(&[("http.listen", listen), ("data_dir", "/d")], "127.0.0.1:5", false);
        assert!(told(":9000").contains("http://localhost:9000/dev/mail"));
        assert!(told("192.0.2.7:9000").contains("Email        kept in /d/mail, not sent\n"));
    }
}
