//! The configuration: its keys, where each value came from, and the checks that refuse a bad one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use url::{Host, Url};

mod brand;
mod cluster;
mod database_url;
mod error;
mod hints;
mod keys;
mod lint;
mod listen;
mod mail;
mod mask;
mod parse;
mod parse_value;
mod rate;
mod rooms;
mod service_links;
mod serving;
mod sources;
mod starter;
mod suggest;
mod tables;
#[cfg(test)]
mod tests;
mod value;
mod value_files;
#[cfg(test)]
mod value_tests;

pub use brand::{Brand, Links};
pub use cluster::{Cluster, RedisUrl};
pub use database_url::DatabaseUrl;
pub use error::ConfigError;
#[cfg(test)]
pub use keys::KEYS;
pub use mail::{Encryption, Mail, MailUrl, SmtpServer, address_literal, domain_for_helo, with_a_labels};
pub use rate::Rate;
pub use sources::Sources;
pub use starter::starter_file;
pub use value::ValueSource;

use doorward_core::domain::{AllowedOrigin, HostOrigin, ReservedNames};
use doorward_core::rooms::Kinds;

#[derive(Debug, Clone)]
pub struct Config {
    pub http: Http,
    /// Base of the links in emails, issuer of tokens, and the server's own origin.
    pub public_url: Url,
    /// `public_url` is not set: it is the address of the HTTP listener.
    pub follows_listener: bool,
    pub brand: Brand,
    pub pages: Pages,
    pub web: Web,
    pub data_dir: PathBuf,
    pub database: Database,
    pub password: Password,
    pub tokens: Tokens,
    pub mail: Mail,
    pub tcp: Tcp,
    pub socketio: SocketIo,
    /// For HTTP and TCP alike; without it, neither is encrypted.
    pub tls: Option<Tls>,
    pub connections: Connections,
    pub sockets: Sockets,
    pub mail_limits: MailLimits,
    /// How many logins one user may have, not counting those of TCP connections.
    pub max_logins: usize,
    /// How long an account is kept that registered itself, verified no address and was never used again.
    pub unused_ttl: Option<Duration>,
    /// Whether an email tells of a sign-in on a device that is not known.
    pub new_device_email: bool,
    /// Where metrics are read; none turns the listener off.
    pub metrics: Option<SocketAddr>,
    pub audit: Audit,
    /// The kinds of rooms that there are.
    pub rooms: Kinds,
    /// The keys with which an application's backend signs room tokens.
    pub room_tokens: Option<RoomTokenFile>,
    pub usernames: Usernames,
    pub registration: Registration,
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
    /// What an operator should know about the sources, one sentence each.
    pub warnings: Vec<String>,
}

/// A key's value as it may be shown; secrets are masked.
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
    /// The first key that is unknown or out of bounds, or a file that cannot be read.
    pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
        let (values, warnings) = sources.merge()?;
        Ok(Loaded { config: parse::config(&values)?, settings: parse::settings(&values), warnings })
    }

    /// The defaults with these keys set; neither a file nor the environment is read. For tests, and for
    /// applications that embed Doorward.
    ///
    /// # Errors
    /// The first key that is unknown or out of bounds.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
        parse::config(&sources::of_pairs(pairs)?)
    }

    /// The URL of one of this server's pages, such as `/verify-email`. It is built on `public_url`, never on
    /// the host that a request names.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        link(&self.public_url, path)
    }
}

/// Whether a URL leads to the machine that follows it: a loopback address, or a name that resolvers never
/// look up elsewhere (RFC 6761 section 6.3).
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

/// Appends `path` to the public URL. A slash at the end of the URL does not count.
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

/// What pages of other origins may do.
#[derive(Debug, Clone)]
pub struct Web {
    /// Origins whose pages may use the JSON API with access tokens.
    pub allowed_origins: Vec<HostOrigin>,
}

/// The pages, and the languages of pages and emails.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The tag of the language for readers who understand none of the others.
    pub language: String,
    /// Files with further languages.
    pub languages_dir: Option<PathBuf>,
    /// Whether the account page shows the demo card, which requests a secret message over the live connection.
    pub secret_card: bool,
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
    pub hashing: Hashing,
    /// The bcrypt cost: each step doubles the work.
    pub cost: u32,
    /// In characters.
    pub min_length: usize,
    /// Allows a cost under 10, for tests.
    pub insecure_cost: bool,
}

/// How a thread computes bcrypt hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashing {
    /// Several at once, with `bcrypt_lanes`.
    Interleaved,
    /// One after the other, with the crate `bcrypt`.
    Single,
}

/// Who may register. The command line and imports may add any account.
#[derive(Debug, Clone)]
pub struct Registration {
    pub who: WhoRegisters,
    /// The domains of addresses, in lower case and ASCII. Empty allows all.
    pub allowed_domains: Vec<String>,
    /// Whether an address has to be verified before the first sign-in.
    pub require_verified_email: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhoRegisters {
    Anyone,
    /// Only with an invitation.
    Invited,
    NoOne,
}

/// How much of the audit trail is kept.
#[derive(Debug, Clone)]
pub struct Audit {
    pub keep: Duration,
    /// Rows of what clients can cause without bound: sign-ins, failures.
    pub max_rows: usize,
}

/// Which usernames people may choose. The command line and imports may use any.
#[derive(Debug, Clone)]
pub struct Usernames {
    pub reserved: ReservedNames,
    /// Allows a name that looks like another one.
    pub allow_lookalikes: bool,
}

#[derive(Debug, Clone)]
pub struct Tokens {
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    pub audience: String,
    /// Of the keys that are made from now on.
    pub algorithm: SigningAlgorithm,
}

/// How access tokens are signed (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SigningAlgorithm {
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// The name in tokens, key sets, and the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// How many emails with links a client may request. Every rate of a list applies; an empty list is no limit.
#[derive(Debug, Clone)]
pub struct MailLimits {
    /// To one mailbox, over all accounts.
    pub recipient: Vec<Rate>,
    /// For one account.
    pub account: Vec<Rate>,
    /// Requested from one client address.
    pub client: Vec<Rate>,
}

#[derive(Debug, Clone)]
pub struct Tcp {
    /// None turns the listener off.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone)]
pub struct SocketIo {
    /// None turns the endpoint off.
    pub path: Option<String>,
    /// How long a client may take to answer a ping; one is sent at every heartbeat.
    pub ping_timeout: Duration,
}

/// PEM files; they are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by its chain.
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The file with the public keys for room tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomTokenFile {
    /// `rooms.token_jwks`: a JWK set.
    Jwks(PathBuf),
    /// `rooms.token_key`: one key in PEM.
    Pem(PathBuf),
}

/// Bounds on connections at every listener, before and after sign-in.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Per client address. Over HTTP, trusted proxies are not counted.
    pub max_per_address: usize,
}

/// Bounds on live sockets.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// How long a socket may stay open without a sign-in.
    pub auth_timeout: Duration,
    /// How often a silent client is pinged. One that stays silent for two intervals is disconnected.
    pub heartbeat: Duration,
    /// Bytes of a frame, and of a message assembled from fragments, after sign-in.
    pub max_frame: usize,
    /// Bytes that may be queued for a client that does not read.
    pub max_outbox: usize,
    pub max_per_user: usize,
    /// Per address, signed in or not.
    pub max_per_address: usize,
    /// Per address, not signed in yet.
    pub max_waiting_per_address: usize,
    /// Of all users together. Above it even a valid token is answered with close code 1013.
    pub max_open: usize,
    /// Origins besides the server's own from which a browser may open a socket.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
}

/// How often one network may do each of these; see [`crate::limits`]. None is no limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    pub sign_in: Option<Rate>,
    pub register: Option<Rate>,
    pub forgot_password: Option<Rate>,
    pub links: Option<Rate>,
    pub refresh: Option<Rate>,
    pub password_strength: Option<Rate>,
    pub export: Option<Rate>,
    pub handshakes: Option<Rate>,
    pub polls: Option<Rate>,
    /// Counts refused tokens and cookies.
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
