//! What can be set, where each value came from, and what is refused.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

mod database_url;
mod error;
mod hints;
mod keys;
mod lint;
mod mail;
mod mask;
mod parse;
mod rate;
mod service_links;
mod sources;
#[cfg(test)]
mod tests;
mod value;
mod value_files;
#[cfg(test)]
mod value_tests;

pub use database_url::DatabaseUrl;
pub use error::ConfigError;
pub use mail::{Encryption, Mail, MailUrl, SmtpServer, address_literal, domain_for_helo, with_a_labels};
pub use rate::Rate;
pub use sources::Sources;
pub use value::ValueSource;

use doorward_core::domain::{AllowedOrigin, ReservedNames};

#[derive(Debug, Clone)]
pub struct Config {
    pub http: Http,
    /// Base of the links in mails, issuer of tokens, and our own origin.
    pub public_url: Url,
    pub data_dir: PathBuf,
    pub database: Database,
    pub password: Password,
    pub tokens: Tokens,
    pub mail: Mail,
    pub tcp: Tcp,
    pub socketio: SocketIo,
    /// For HTTP and TCP alike; plain without.
    pub tls: Option<Tls>,
    pub connections: Connections,
    pub sockets: Sockets,
    pub mail_limits: MailLimits,
    /// Logins that one user may have, beside those of connections.
    pub max_logins: usize,
    /// After how long an account is removed that registered itself, verified no address and was never used again.
    pub unused_ttl: Option<Duration>,
    pub usernames: Usernames,
    pub limits: Limits,
    pub cluster: Cluster,
    pub log: Log,
}

/// A configuration and where each part of it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Every key, in the order of the reference.
    pub settings: Vec<Setting>,
    /// What an operator should know about where values come from, a sentence each.
    pub warnings: Vec<String>,
}

/// A key's value as it may be shown: secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    pub value: String,
    pub origin: ValueSource,
}

impl Config {
    /// Merges the sources and parses the result once.
    ///
    /// # Errors
    /// The first key that is unknown or out of its bounds, or a file that cannot be read.
    pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
        let (values, warnings) = sources.merge()?;
        Ok(Loaded { config: parse::config(&values)?, settings: parse::settings(&values), warnings })
    }

    /// The defaults with these keys set: no file and no environment takes part. For tests and for
    /// applications that embed Doorward.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
        parse::config(&sources::of_pairs(pairs)?)
    }

    /// Refuses what only a server must not run with: kept mails on a server that others are meant to reach. Their
    /// mails would never leave, and the links in them sign people in.
    ///
    /// # Errors
    /// A sentence that says what to set.
    pub fn check_for_serving(&self) -> Result<(), String> {
        let is_public = !is_loopback(&self.public_url);
        if self.mail.url == MailUrl::Preview && !self.mail.allow_preview && is_public {
            return Err(format!(
                "mail.url is preview, which sends no mail, but public_url is {}: set mail.url to a mail server, or \
                 mail.allow_preview = true if no mail is to leave",
                self.public_url
            ));
        }
        Ok(())
    }

    /// A page of ours as links name it, such as `/verify-email`: built on `public_url`, never on what a
    /// request says its host is.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        link(&self.public_url, path)
    }
}

/// Whether a URL leads to the machine on which it is followed: a loopback address, or a name that no resolver looks
/// up elsewhere (RFC 6761 section 6.3).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// `path` on the public URL, whose own slash at the end does not count.
#[must_use]
pub fn link(public_url: &Url, path: &str) -> String {
    format!("{}{path}", public_url.as_str().trim_end_matches('/'))
}

#[derive(Debug, Clone)]
pub struct Http {
    pub listen: SocketAddr,
    /// Worker threads; each has its own `SessionManager`.
    pub workers: usize,
}

#[derive(Debug, Clone)]
pub struct Database {
    pub url: DatabaseUrl,
    /// Threads of the Diesel arbiter.
    pub executors: usize,
}

#[derive(Debug, Clone)]
pub struct Password {
    /// Threads of the hashing arbiter.
    pub workers: usize,
    /// bcrypt's cost: the work doubles with each step.
    pub cost: u32,
    /// In characters.
    pub min_length: usize,
    /// Allows a cost under 10, for tests.
    pub insecure_cost: bool,
}

#[derive(Debug, Clone)]
pub struct Cluster {
    /// Where the nodes talk with each other; one node needs none.
    pub redis_url: Option<RedisUrl>,
    /// Begins the names of our channels: installations that share a Redis have one each.
    pub prefix: String,
}

/// `redis://USER:PASSWORD@HOST:PORT`, `rediss://` under TLS. It may hold a password, so its `Debug` is blind.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redis://...")
    }
}

/// Which usernames people may choose. The command line and imports are not asked.
#[derive(Debug, Clone)]
pub struct Usernames {
    pub reserved: ReservedNames,
    /// Lets a name in that looks like another one.
    pub allow_lookalikes: bool,
}

#[derive(Debug, Clone)]
pub struct Tokens {
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    pub audience: String,
}

/// How many emails with links anybody may ask for. Every rate of a list holds; an empty one is no limit.
#[derive(Debug, Clone)]
pub struct MailLimits {
    /// To one mailbox, over all accounts.
    pub recipient: Vec<Rate>,
    /// About one account.
    pub account: Vec<Rate>,
    /// Asked for from one address.
    pub client: Vec<Rate>,
}

#[derive(Debug, Clone)]
pub struct Tcp {
    /// None turns the door off.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone)]
pub struct SocketIo {
    /// None closes the door.
    pub path: Option<String>,
    /// How long the answer to a ping may take; one is sent at every heartbeat.
    pub ping_timeout: Duration,
}

/// PEM files; read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, then those that it was signed with.
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Bounds of connections, at every listener, before and after a sign-in.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Of one address. Trusted proxies are not counted over HTTP.
    pub max_per_address: usize,
}

/// Bounds of live sockets.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// How long a socket may stay open without a sign-in.
    pub auth_timeout: Duration,
    /// How often a silent client is pinged; one that stays silent for two is cut.
    pub heartbeat: Duration,
    /// Bytes of a frame, and of a message put together from fragments, after sign-in.
    pub max_frame: usize,
    /// Bytes that may wait for a client that does not read.
    pub max_outbox: usize,
    pub max_per_user: usize,
    /// Of one address, signed in or not.
    pub max_per_address: usize,
    /// Sockets of one address that have not signed in yet.
    pub max_waiting_per_address: usize,
    /// Of all users together. Past it even a good token is answered with 1013.
    pub max_open: usize,
    /// Origins beside our own from which a browser may open a socket.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// How often one network may do each of these, see [`crate::limits`]. None is no limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    pub sign_in: Option<Rate>,
    pub register: Option<Rate>,
    pub forgot_password: Option<Rate>,
    pub links: Option<Rate>,
    pub refresh: Option<Rate>,
    pub password_strength: Option<Rate>,
    pub handshakes: Option<Rate>,
    pub polls: Option<Rate>,
    /// Counts tokens and cookies that are refused.
    pub bad_tokens: Option<Rate>,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: tracing::Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
