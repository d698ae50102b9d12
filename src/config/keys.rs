//! The table of all configuration keys. docs/CONFIGURATION.md documents them; a test keeps the two in step.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use doorward_core::rooms::KindName;

/// The prefix of the environment variables.
pub const PREFIX: &str = "DOORWARD_";

/// The default of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    Fixed(&'static str),
    /// The number of CPU cores, from `least` to 64.
    Cores {
        least: usize,
    },
    /// The number of files that the process may open, less what everything but sockets needs.
    OpenFiles,
    /// A part or a multiple of another key, which comes earlier in the table.
    Share {
        of: &'static str,
        times: u64,
        by: u64,
        least: u64,
    },
    /// The value of another key, which comes earlier in the table.
    SameAs(&'static str),
    /// `sqlite:DATA_DIR/doorward.db`
    InDataDir,
    /// The address of `http.listen` as a browser on this machine opens it; https with `tls.cert`.
    OfListener,
}

impl Fallback {
    /// The key from which the default is computed.
    #[must_use]
    pub const fn follows(self) -> Option<&'static str> {
        match self {
            Self::Share { of, .. } | Self::SameAs(of) => Some(of),
            Self::InDataDir => Some("data_dir"),
            Self::OfListener => Some("http.listen"),
            Self::Fixed(_) | Self::Cores { .. } | Self::OpenFiles => None,
        }
    }
}

#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub fallback: Fallback,
    /// What the value must be, with its unit and bounds: the end of every error about it.
    pub expected: &'static str,
    /// The value may hold a password, so it is masked wherever it is shown.
    pub secret: bool,
}

impl Key {
    /// Accepts several values, as a TOML list or separated by commas.
    #[must_use]
    pub fn takes_list(&self) -> bool {
        self.expected.contains("a list") || self.name.starts_with("limits.mail_")
    }

    /// The value is the path of a file or a directory; nothing in it is expanded.
    #[must_use]
    pub fn is_path(&self) -> bool {
        matches!(
            self.name,
            "data_dir"
                | "tls.cert"
                | "tls.key"
                | "brand.logo"
                | "brand.stylesheet"
                | "pages.languages_dir"
                | "rooms.token_jwks"
                | "rooms.token_key"
        )
    }

    /// An empty value is allowed and means none.
    #[must_use]
    pub fn may_be_empty(&self) -> bool {
        matches!(self.fallback, Fallback::Fixed("") | Fallback::SameAs(_))
    }
}

/// The environment variable that sets a key.
#[must_use]
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('.', "__"))
}

const fn key(name: &'static str, default: &'static str, expected: &'static str) -> Key {
    Key { name, fallback: Fallback::Fixed(default), expected, secret: false }
}

const fn per_core(name: &'static str, least: usize, expected: &'static str) -> Key {
    Key { name, fallback: Fallback::Cores { least }, expected, secret: false }
}

/// What a key with several rates expects; every rate applies.
const RATES: &str =
    "off, or rates such as 3/1h, 10/1d: counts from 1 to 1000000, each in a duration from 1s to 30d";
const RATE: &str = "off, or a count from 1 to 1000000 and a duration from 1s to 30d, such as 30/1m";

const LINK: &str = "an https:// or http:// URL without user, such as https://example.org/terms";

pub const KEYS: &[Key] = &[
    key(
        "http.listen",
        "127.0.0.1:8080",
        "an address and port such as 127.0.0.1:8080 or [::1]:8080, :PORT for all IPv4 addresses, or a port of this machine alone",
    ),
    per_core("http.workers", 1, "a number of threads from 1 to 512"),
    Key {
        name: "public_url",
        fallback: Fallback::OfListener,
        expected: "an http:// or https:// URL without user, query and fragment, such as https://id.example.org",
        secret: false,
    },
    key("data_dir", "./data", "the path of a directory"),
    Key {
        name: "database.url",
        fallback: Fallback::InDataDir,
        expected: "sqlite:PATH, such as sqlite:/var/lib/doorward/doorward.db, or postgres://USER:PASSWORD@HOST/DATABASE",
        secret: true,
    },
    // A thread waits for several round trips to PostgreSQL and the write of a commit.
    per_core("database.executors", 8, "a number of threads from 1 to 64"),
    per_core("password.workers", 1, "a number of threads from 1 to 256"),
    key("password.hashing", "interleaved", "interleaved or single"),
    key(
        "password.cost",
        "12",
        "a bcrypt cost from 10 to 16 (from 4 only with password.insecure_cost = true, for tests)",
    ),
    key("password.min_length", "8", "a number of characters from 8 to 64"),
    key("password.insecure_cost", "false", "true or false"),
    key("tokens.access_ttl", "15m", "a duration from 30s to 24h, such as 15m"),
    key(
        "tokens.refresh_ttl",
        "30d",
        "a duration from 5m to 400d and no shorter than tokens.access_ttl, such as 30d",
    ),
    key("tokens.audience", "doorward", "1 to 200 printable characters without spaces"),
    key("tokens.algorithm", "EdDSA", "EdDSA, ES256 or RS256"),
    Key {
        name: "mail.url",
        fallback: Fallback::Fixed("preview"),
        expected: "preview, smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST?tls=required",
        secret: true,
    },
    key("mail.allow_preview", "false", "true or false"),
    key(
        "mail.from",
        "Doorward <no-reply@localhost>",
        "an email address, such as Doorward <no-reply@example.org>",
    ),
    key(
        "mail.helo_name",
        "",
        "a domain name with a dot, such as id.example.org, or an address literal such as [192.0.2.1]",
    ),
    key(
        "tcp.listen",
        "127.0.0.1:12225",
        "off, or an address and port, such as 127.0.0.1:12225; beyond loopback only with tls.cert and tls.key",
    ),
    key("socketio.path", "/socket.io/", "off, or a path such as /socket.io/"),
    key("socketio.ping_timeout", "20s", "a duration from 1s to 10m, such as 20s"),
    key("tls.cert", "", "the path of a PEM file with the certificate and its chain, together with tls.key"),
    key("tls.key", "", "the path of a PEM file with the private key, together with tls.cert"),
    key("sockets.auth_timeout", "5s", "a duration from 100ms to 5m, such as 5s"),
    key("sockets.heartbeat", "25s", "a duration from 1s to 10m, such as 25s"),
    key("sockets.max_frame", "64KiB", "a size from 4KiB to 64MiB, such as 64KiB"),
    key("sockets.max_outbox", "1MiB", "a size from 16KiB to 256MiB, such as 1MiB"),
    key("sockets.max_per_user", "100", "a number from 1 to 1000000"),
    key("sockets.max_waiting_per_address", "20", "a number from 1 to 1000000"),
    key("limits.mail_recipient", "3/1h, 10/1d", RATES),
    key("limits.mail_account", "5/1h, 20/1d", RATES),
    key("limits.mail_client", "60/1h, 300/1d", RATES),
    key(
        "accounts.reserved_usernames",
        "",
        "usernames to reserve besides the built-in ones, as a list or separated by commas",
    ),
    key("accounts.confusable_usernames", "refuse", "refuse or allow"),
    key("accounts.registration", "open", "open, invite or closed"),
    key("accounts.allowed_domains", "", "domains such as example.org, as a list or separated by commas"),
    key("accounts.require_verified_email", "false", "true or false"),
    key("accounts.max_logins", "200", "a number from 1 to 10000"),
    key("accounts.unused_ttl", "90d", "off, or a duration from 1d to 3650d, such as 90d"),
    key("accounts.new_device_email", "true", "true or false"),
    key(
        "metrics.listen",
        "off",
        "off, or an address and port such as 127.0.0.1:9464 or [::1]:9464, :PORT for all IPv4 addresses, or a port of this machine alone",
    ),
    key("audit.keep", "90d", "a duration from 1d to 3650d, such as 90d"),
    key("audit.max_rows", "1000000", "a number from 1000 to 1000000000"),
    key("pages.language", "en", "the tag of a language, such as en or de"),
    key("pages.languages_dir", "", "the path of a directory with files of texts, such as fr.ftl"),
    key("limits.sign_in", "60/1m", RATE),
    key("limits.register", "30/10m", RATE),
    key("limits.forgot_password", "20/10m", RATE),
    key("limits.links", "120/1m", RATE),
    key("limits.refresh", "6000/1m", RATE),
    key("limits.password_strength", "300/1m", RATE),
    key("limits.export", "10/10m", RATE),
    key("limits.handshakes", "6000/1m", RATE),
    key("limits.polls", "60000/1m", RATE),
    key("limits.bad_tokens", "1200/1m", RATE),
    Key {
        name: "cluster.redis_url",
        fallback: Fallback::Fixed("off"),
        expected: "off, redis://USER:PASSWORD@HOST:PORT or rediss://USER:PASSWORD@HOST:PORT",
        secret: true,
    },
    key("cluster.prefix", "doorward", "1 to 100 letters, digits, '.', '_', ':' and '-'"),
    Key {
        name: "sockets.max_open",
        fallback: Fallback::OpenFiles,
        expected: "a number from 1 to 10000000",
        secret: false,
    },
    Key {
        name: "sockets.max_per_address",
        // No single address can take every socket.
        fallback: Fallback::Share { of: "sockets.max_open", times: 1, by: 4, least: 1 },
        expected: "a number from 1 to 10000000",
        secret: false,
    },
    Key {
        name: "connections.max_per_address",
        // As many again for HTTP requests; a browser keeps up to six connections open.
        fallback: Fallback::Share { of: "sockets.max_per_address", times: 2, by: 1, least: 64 },
        expected: "a number from 1 to 20000000",
        secret: false,
    },
    key(
        "web.allowed_origins",
        "",
        "exact origins such as https://app.example.org, as a list or separated by commas",
    ),
    Key {
        name: "sockets.allowed_origins",
        fallback: Fallback::SameAs("web.allowed_origins"),
        expected: "origins such as https://app.example.org, https://*.example.org, null or file://, as a list or separated by commas",
        secret: false,
    },
    key(
        "sockets.trusted_proxies",
        "",
        "addresses or networks such as 10.0.0.0/8, as a list or separated by commas",
    ),
    key("brand.name", "Doorward", "one line of 1 to 40 characters"),
    key("brand.logo", "", "the path of an SVG, PNG, WebP or JPEG file of at most 256 KiB"),
    key("brand.colour", "", "a colour such as #1a4d8f"),
    key("brand.stylesheet", "", "the path of a CSS file of at most 256 KiB"),
    key("brand.home_url", "", LINK),
    key("brand.terms_url", "", LINK),
    key("brand.privacy_url", "", LINK),
    key(
        "brand.support_url",
        "",
        "an https:// or http:// URL without user, or an address such as mailto:help@example.org",
    ),
    key("pages.secret_card", "true", "true or false"),
    key(
        "rooms.token_jwks",
        "",
        "the path of a JSON file with a JWK set of public keys; not with rooms.token_key",
    ),
    key("rooms.token_key", "", "the path of a PEM file with one public key; not with rooms.token_jwks"),
    key("log.format", "text", "text or json"),
    key("log.level", "info", "error, warn, info, debug or trace"),
];

/// The section of the kinds of rooms: `rooms.KIND.OPTION`.
pub const ROOMS: &str = "rooms";

const POLICY: &str =
    "app, or who may: anyone, own, role:NAME, member, token or joined, as a list or separated by commas";

/// The options of a kind of rooms.
pub const ROOM_KEYS: &[Key] = &[
    key(
        "join",
        "app",
        "app, or who may: anyone, own, role:NAME, member or token, as a list or separated by commas",
    ),
    key("send", "app", POLICY),
    key("max_joined", "100000", "a number from 1 to 10000000"),
    key("max_data", "16KiB", "a size from 16B to 1MiB, such as 16KiB"),
    key("rate", "10/1s", "off, or a count from 1 to 1000000 and a duration from 1s to 30d, such as 10/1s"),
    key("burst", "30", "a number from 1 to 1000000"),
    key("lossy", "false", "true or false"),
    key("presence", "off", "off, count, users or sessions"),
    key("grace", "5s", "a duration from 0s to 5m, such as 5s"),
    key(
        "see_presence",
        "join",
        "join, or who may: anyone, own, role:NAME, member, token or joined, as a list or separated by commas",
    ),
];

/// A table whose sections the operator names: `TABLE.SECTION.OPTION`.
pub struct Table {
    pub name: &'static str,
    /// The options of a section.
    pub keys: &'static [Key],
    /// Whether a section may have this name.
    pub is_section: fn(&str) -> bool,
}

pub const TABLES: &[Table] =
    &[Table { name: ROOMS, keys: ROOM_KEYS, is_section: |name| KindName::parse(name).is_some() }];

impl Table {
    /// What follows the name of the table and a dot.
    pub(super) fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.name)?.strip_prefix('.')
    }

    /// The option that a key of this name sets.
    fn option(&self, key: &str) -> Option<&'static Key> {
        let (section, option) = self.strip(key)?.split_once('.')?;
        self.keys.iter().find(|key| key.name == option).filter(|_| (self.is_section)(section))
    }
}

/// The key of this name in such a table.
///
/// A key is made at its first use and kept for good: its name is in every error and in every list of settings. Only an
/// operator's configuration makes any, and a process reads that once.
fn find_in_table(name: &str) -> Option<&'static Key> {
    static MADE: Mutex<BTreeMap<String, &'static Key>> = Mutex::new(BTreeMap::new());
    let option = TABLES.iter().find_map(|table| table.option(name))?;
    let mut keys = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || &*Box::leak(Box::new(Key { name: Box::leak(name.into()), ..*option }));
    Some(keys.entry(name.to_owned()).or_insert_with(make))
}

#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name).or_else(|| find_in_table(name))
}

/// Names that other programs use for some of these keys.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("port", "http.listen"),
    ("host", "http.listen"),
    ("bind", "http.listen"),
    ("address", "http.listen"),
    ("base_url", "public_url"),
    ("root_url", "public_url"),
    ("external_url", "public_url"),
    ("db", "database.url"),
    ("db_url", "database.url"),
    ("dsn", "database.url"),
    ("smtp_url", "mail.url"),
    ("log", "log.level"),
];

/// The key that a misspelt name was probably meant to be, if one is close enough to suggest.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    // If the section is missing or wrong, the last part alone may match.
    let last = name.rsplit('.').next().unwrap_or(name);
    let plain = name.strip_prefix("http.").or_else(|| name.strip_prefix("server.")).unwrap_or(name);
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == plain);
    if let Some((_, key)) = other {
        return Some(key);
    }
    let same_last =
        KEYS.iter().map(|key| key.name).find(|key| key.rsplit('.').next() == Some(last) && !last.is_empty());
    let (distance, key) = KEYS.iter().map(|key| (distance(name, key.name), key.name)).min()?;
    if distance <= 1 + key.len() / 4 { Some(key) } else { same_last }
}

/// The Levenshtein distance. Only the first 64 characters of `a` count: no key is longer.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, right) in b.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, left) in a.iter().enumerate() {
            let substitute = diagonal + usize::from(*left != right);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[a.len()]
}
