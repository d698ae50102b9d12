//! Parses each value once and checks its bounds.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::error::ConfigError;
use super::keys::KEYS;
use super::mask::shown;
use super::parse_value::{Parse, from_str};
use super::value::{Value, ValueSource, Values};
use super::{
    Audit, Cluster, Config, Connections, Database, Hashing, Http, Limits, Log, LogFormat, Mail, MailLimits,
    Pages, Password, Rate, RedisUrl, Registration, SigningAlgorithm, SocketIo, Sockets, Tcp, Tls, Tokens,
    Usernames, Web, WhoRegisters,
};
use super::{brand, hints, listen, mail, rooms, tables};
use doorward_core::domain::{AllowedOrigin, Email, HostOrigin, ReservedNames, Username};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

pub(super) fn config(values: &Values) -> Result<Config, ConfigError> {
    let insecure_cost = values.parse("password.insecure_cost", from_str::<bool>)?;
    let tls = tls(values)?;
    let ping_timeout = values.duration("socketio.ping_timeout", SECOND..=10 * MINUTE)?;
    let access_ttl = values.duration("tokens.access_ttl", 30 * SECOND..=DAY)?;
    Ok(Config {
        http: Http {
            listen: values.parse("http.listen", listen::parse)?,
            workers: values.number("http.workers", 1..=512)?,
        },
        public_url: values
            .parse_or_why("public_url", |text| public_url(text).ok_or_else(|| hints::public_url(text)))?,
        follows_listener: matches!(
            values.get("public_url"),
            Some(Value { origin: ValueSource::Follows(_), .. })
        ),
        brand: brand::brand(values)?,
        web: Web { allowed_origins: values.parse_or_why("web.allowed_origins", exact_origins)? },
        data_dir: values.parse("data_dir", |text| Some(PathBuf::from(text)))?,
        database: Database {
            url: values.parse_or_why("database.url", str::parse)?,
            executors: values.number("database.executors", 1..=64)?,
        },
        password: Password {
            workers: values.number("password.workers", 1..=256)?,
            hashing: values.parse("password.hashing", |text| match text {
                "interleaved" => Some(Hashing::Interleaved),
                "single" => Some(Hashing::Single),
                _ => None,
            })?,
            cost: values.number("password.cost", if insecure_cost { 4..=16 } else { 10..=16 })?,
            min_length: values.number("password.min_length", 8..=64)?,
            insecure_cost,
        },
        tokens: Tokens {
            access_ttl,
            refresh_ttl: values.duration("tokens.refresh_ttl", access_ttl.max(5 * MINUTE)..=400 * DAY)?,
            audience: values.parse("tokens.audience", audience)?,
            algorithm: values.parse("tokens.algorithm", SigningAlgorithm::of_name)?,
        },
        mail: Mail {
            url: values.parse_or_why("mail.url", mail::url)?,
            allow_preview: values.parse("mail.allow_preview", from_str)?,
            from: values.parse_or_why("mail.from", mail::from)?,
            helo_name: values.parse_or_why("mail.helo_name", mail::helo_name)?,
        },
        tcp: values.parse_or_why("tcp.listen", |text| tcp(text, tls.is_some()))?,
        tls,
        socketio: values.parse("socketio.path", |text| match text {
            "off" => Some(SocketIo { path: None, ping_timeout }),
            _ => url_path(text).map(|path| SocketIo { path: Some(path), ping_timeout }),
        })?,
        sockets: sockets(values)?,
        mail_limits: MailLimits {
            recipient: values.parse("limits.mail_recipient", Rate::parse_list)?,
            account: values.parse("limits.mail_account", Rate::parse_list)?,
            client: values.parse("limits.mail_client", Rate::parse_list)?,
        },
        max_logins: values.number("accounts.max_logins", 1..=10_000)?,
        unused_ttl: unused_ttl(values)?,
        new_device_email: values.parse("accounts.new_device_email", from_str)?,
        metrics: values.parse("metrics.listen", |text| match text {
            "off" => Some(None),
            _ => listen::parse(text).map(Some),
        })?,
        audit: audit(values)?,
        room_tokens: rooms::token_file(values)?,
        rooms: rooms::kinds(values)?,
        registration: registration(values)?,
        pages: Pages {
            language: values.parse("pages.language", language_tag)?,
            languages_dir: values.path("pages.languages_dir")?,
            secret_card: values.parse("pages.secret_card", from_str)?,
        },
        usernames: usernames(values)?,
        // After `sockets`: the default follows a bound there.
        connections: Connections {
            max_per_address: values.number("connections.max_per_address", 1..=20_000_000)?,
        },
        limits: limits(values)?,
        cluster: Cluster {
            redis_url: values.parse_or_why("cluster.redis_url", |text| match text {
                "off" => Ok(None),
                _ => redis_url(text).map(Some).ok_or_else(|| hints::redis_url(text)),
            })?,
            prefix: values.parse("cluster.prefix", prefix)?,
        },
        log: log(values)?,
    })
}

fn log(values: &Values) -> Result<Log, ConfigError> {
    Ok(Log {
        format: values.parse("log.format", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })?,
        level: values.parse("log.level", |text| match text {
            "error" => Some(tracing::Level::ERROR),
            "warn" => Some(tracing::Level::WARN),
            "info" => Some(tracing::Level::INFO),
            "debug" => Some(tracing::Level::DEBUG),
            "trace" => Some(tracing::Level::TRACE),
            _ => None,
        })?,
    })
}

/// A language's tag (RFC 5646) in its usual form: whether there is such a language is checked when texts are loaded.
fn language_tag(text: &str) -> Option<String> {
    text.parse::<unic_langid::LanguageIdentifier>().ok().map(|id| id.to_string())
}

fn sockets(values: &Values) -> Result<Sockets, ConfigError> {
    Ok(Sockets {
        auth_timeout: values.duration("sockets.auth_timeout", Duration::from_millis(100)..=5 * MINUTE)?,
        heartbeat: values.duration("sockets.heartbeat", SECOND..=10 * MINUTE)?,
        max_frame: values.size("sockets.max_frame", 4 * KIB..=64 * MIB)?,
        max_outbox: values.size("sockets.max_outbox", 16 * KIB..=256 * MIB)?,
        max_per_user: values.number("sockets.max_per_user", 1..=1_000_000)?,
        max_per_address: values.number("sockets.max_per_address", 1..=10_000_000)?,
        max_waiting_per_address: values.number("sockets.max_waiting_per_address", 1..=1_000_000)?,
        max_open: values.number("sockets.max_open", 1..=10_000_000)?,
        allowed_origins: values.parse_or_why("sockets.allowed_origins", allowed_origins)?,
        trusted_proxies: values.parse_or_why("sockets.trusted_proxies", |text| {
            list(text, network).ok_or_else(|| hints::networks(text))
        })?,
    })
}

fn limits(values: &Values) -> Result<Limits, ConfigError> {
    Ok(Limits {
        sign_in: values.parse("limits.sign_in", Rate::parse_or_off)?,
        register: values.parse("limits.register", Rate::parse_or_off)?,
        forgot_password: values.parse("limits.forgot_password", Rate::parse_or_off)?,
        links: values.parse("limits.links", Rate::parse_or_off)?,
        refresh: values.parse("limits.refresh", Rate::parse_or_off)?,
        password_strength: values.parse("limits.password_strength", Rate::parse_or_off)?,
        export: values.parse("limits.export", Rate::parse_or_off)?,
        handshakes: values.parse("limits.handshakes", Rate::parse_or_off)?,
        polls: values.parse("limits.polls", Rate::parse_or_off)?,
        bad_tokens: values.parse("limits.bad_tokens", Rate::parse_or_off)?,
    })
}

/// A URL's path of plain segments.
fn url_path(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let segments = text.strip_prefix('/')?.trim_end_matches('/');
    let good = segments.split('/').all(|segment| !segment.is_empty() && segment.bytes().all(plain));
    (good && text.len() <= 200).then(|| text.to_owned())
}

fn public_url(text: &str) -> Option<Url> {
    let url: Url = from_str(text)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

fn audience(text: &str) -> Option<String> {
    let good = (1..=200).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    good.then(|| text.to_owned())
}

fn redis_url(text: &str) -> Option<RedisUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let hides_password = Url::parse(text).is_ok_and(|url| hints::hides_password(&url, rest));
    // Refuses here what the Redis client would refuse later.
    let good = matches!(scheme, "redis" | "rediss") && !hides_password && redis::Client::open(text).is_ok();
    good.then(|| RedisUrl(text.to_owned()))
}

fn prefix(text: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    ((1..=100).contains(&text.len()) && text.bytes().all(good)).then(|| text.to_owned())
}

/// Passwords are typed at the TCP listener, so an unencrypted one must stay on this machine.
fn tcp(text: &str, encrypted: bool) -> Result<Tcp, String> {
    if text == "off" {
        return Ok(Tcp { listen: None });
    }
    let address = listen::parse(text).ok_or_else(String::new)?;
    if !encrypted && !address.ip().is_loopback() {
        return Err("passwords are typed there, and other machines can reach this address".to_owned());
    }
    Ok(Tcp { listen: Some(address) })
}

fn tls(values: &Values) -> Result<Option<Tls>, ConfigError> {
    let cert = values.path("tls.cert")?;
    let key = values.path("tls.key")?;
    let alone = |set: &str| Err::<Option<Tls>, String>(format!("{set} is set, and one needs the other"));
    match (cert, key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(Tls { cert, key })),
        // Only one is set: the error names the missing one.
        (None, Some(_)) => values.parse_or_why("tls.cert", |_| alone("tls.key")),
        (Some(_), None) => values.parse_or_why("tls.key", |_| alone("tls.cert")),
    }
}

fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(item).collect()
}

fn allowed_origins(text: &str) -> Result<Vec<AllowedOrigin>, String> {
    origins(text, AllowedOrigin::parse)
}

fn exact_origins(text: &str) -> Result<Vec<HostOrigin>, String> {
    origins(text, HostOrigin::parse_exact)
}

/// Parses a list. The error names the first wrong item and says what to write instead.
fn origins<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let items: Vec<_> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    // An item with an `@` may hold a password.
    let named = |item: &str, why: String| match items.len() {
        1 => why,
        _ if item.contains('@') => format!("one of them: {why}"),
        _ => format!("{item}: {why}"),
    };
    items.iter().map(|item| parse(item).map_err(|why| named(item, why))).collect()
}

fn unused_ttl(values: &Values) -> Result<Option<Duration>, ConfigError> {
    values.parse("accounts.unused_ttl", |text| {
        if text == "off" {
            return Some(None);
        }
        let ttl = humantime::parse_duration(text).ok()?;
        (DAY..=3650 * DAY).contains(&ttl).then_some(Some(ttl))
    })
}

fn audit(values: &Values) -> Result<Audit, ConfigError> {
    Ok(Audit {
        keep: values.duration("audit.keep", DAY..=3650 * DAY)?,
        max_rows: values.number("audit.max_rows", 1000..=1_000_000_000)?,
    })
}

fn registration(values: &Values) -> Result<Registration, ConfigError> {
    Ok(Registration {
        who: values.parse("accounts.registration", |text| match text {
            "open" => Some(WhoRegisters::Anyone),
            "invite" => Some(WhoRegisters::Invited),
            "closed" => Some(WhoRegisters::NoOne),
            _ => None,
        })?,
        allowed_domains: values.parse("accounts.allowed_domains", |text| list(text, domain))?,
        require_verified_email: values.parse("accounts.require_verified_email", from_str)?,
    })
}

fn usernames(values: &Values) -> Result<Usernames, ConfigError> {
    Ok(Usernames {
        reserved: values.parse("accounts.reserved_usernames", |text| {
            let names = list(text, Username::lookup)?;
            Some(ReservedNames::new(names.iter().map(Username::folded)))
        })?,
        allow_lookalikes: values.parse("accounts.confusable_usernames", |text| match text {
            "refuse" => Some(false),
            "allow" => Some(true),
            _ => None,
        })?,
    })
}

/// The domain of an address, as addresses are stored.
fn domain(text: &str) -> Option<String> {
    let address = Email::parse(&format!("a@{text}")).ok()?;
    address.as_str().strip_prefix("a@").map(str::to_owned)
}

fn network(text: &str) -> Option<IpNet> {
    from_str::<IpNet>(text).or_else(|| from_str::<std::net::IpAddr>(text).map(IpNet::from))
}

/// Every key's value as it may be shown.
pub(super) fn settings(values: &Values) -> Vec<super::Setting> {
    KEYS.iter()
        .chain(tables::keys(values))
        .filter_map(|key| {
            let value = values.get(key.name)?;
            Some(super::Setting {
                key: key.name,
                value: shown(key.name, &value.text),
                origin: value.origin.clone(),
            })
        })
        .collect()
}
