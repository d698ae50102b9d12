//! The URL of the database.

use std::fmt;

/// Where the database is. The scheme decides: Diesel's own `establish` tries one variant after the other and
/// hides their errors, so that a typo in a URL opens a new SQLite file of that name.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`
    Sqlite(String),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`, as libpq reads it; several hosts are
    /// allowed.
    /// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>
    Postgres(String),
}

/// Parameters that are added unless the URL sets them. With them libpq gives up on a server that does not
/// answer.
const DEFAULTS: &[(&str, &str)] = &[
    ("connect_timeout", "5"),
    // Milliseconds that sent data may stay unacknowledged.
    ("tcp_user_timeout", "10000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "2"),
    ("application_name", "doorward"),
    // With several hosts, connects to the primary: a replica may not have received a revocation yet.
    ("target_session_attrs", "read-write"),
];

/// How to escape the characters that have a meaning of their own in a URL.
const ADVICE: &str = "in a password, write % as %25, / as %2F, ? as %3F, # as %23, @ as %40 and : as %3A";

impl std::str::FromStr for DatabaseUrl {
    type Err = String;

    /// The error says why. It repeats nothing of the URL: any part of it may belong to the password.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match url.split_once(':') {
            Some(("sqlite", path)) if path.trim_start_matches('/').is_empty() => {
                Err("sqlite: needs a path after it".to_owned())
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).to_owned())),
            Some(("postgres" | "postgresql", rest)) => {
                check_percents(rest)?;
                Parts::of(rest)?.check()?;
                Ok(Self::Postgres(url.to_owned()))
            }
            Some(("jdbc", _)) => Err("a JDBC URL begins with jdbc:, which must be left out".to_owned()),
            Some((scheme, _)) if scheme.starts_with("postgres") => {
                Err("the scheme is postgres:// and nothing more".to_owned())
            }
            _ if url.starts_with(['/', '.']) => Err("sqlite: is missing before the path".to_owned()),
            _ if url.contains("host=") || url.contains("dbname=") => {
                Err("this is libpq's keyword=value form: write a URL".to_owned())
            }
            _ => Err("it begins with neither sqlite: nor postgres://".to_owned()),
        }
    }
}

/// The parts of a URL after its scheme.
struct Parts<'a> {
    user: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Result<Self, String> {
        let rest = rest.strip_prefix("//").ok_or("postgres: needs // after it")?;
        // libpq looks for the `@` first, so it takes this `?` for part of the password.
        let head = rest.split('/').next().unwrap_or(rest);
        if head.find('?').is_some_and(|at| head[at..].contains('@')) {
            return Err(format!("there is a ? before the @ ({ADVICE})"));
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        Ok(Self { user, hosts, path, query })
    }

    /// Finds characters of a password that should have been escaped. libpq would repeat part of the password
    /// in its error, or look it up as a host name.
    fn check(&self) -> Result<(), String> {
        if self.user.is_some_and(|user| user.contains('@')) {
            return Err(format!("there is more than one @ ({ADVICE})"));
        }
        let query_begins_in_password = || {
            let query = self.query.unwrap_or_default();
            query.split('&').next().is_some_and(|first| first.contains('@') && !first.contains('='))
        };
        if self.user.is_none() && (self.path.contains('@') || query_begins_in_password()) {
            return Err(format!("the @ does not end the user and password ({ADVICE})"));
        }
        for host in self.hosts.split(',') {
            let port = match host.rsplit_once(']') {
                Some((_, port)) => port,
                None => host.find(':').map_or("", |colon| &host[colon..]),
            };
            if !port.is_empty() && port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_none()
            {
                return Err(format!("a port is not a number ({ADVICE})"));
            }
        }
        Ok(())
    }
}

/// Refuses a `%` that begins no escape. libpq would repeat the password in its error.
fn check_percents(rest: &str) -> Result<(), String> {
    for part in rest.split('%').skip(1) {
        let is_code = part.len() >= 2 && part.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
        if !is_code || part.starts_with("00") {
            return Err(format!("a % is not followed by a character code ({ADVICE})"));
        }
    }
    Ok(())
}

impl DatabaseUrl {
    /// The URL to give to libpq, with the defaults added.
    pub(crate) fn with_defaults(url: &str) -> String {
        let mut out = url.to_owned();
        let mut separator = if url.contains('?') { '&' } else { '?' };
        for (name, value) in DEFAULTS {
            let is_set = |pair: &str| pair.split('=').next() == Some(name);
            if url.split_once('?').is_none_or(|(_, query)| !query.split('&').any(is_set)) {
                out.push(separator);
                out.push_str(name);
                out.push('=');
                out.push_str(value);
                separator = '&';
            }
        }
        out
    }

    /// Refuses a URL that asks for encryption if this build has none. libpq's own error does not say how to
    /// get it.
    pub(crate) fn check_encryption(url: &str) -> Result<(), String> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let asked = ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"];
        match query.split('&').find(|pair| asked.contains(pair)) {
            Some(pair) if !cfg!(feature = "pg-tls") => {
                Err(format!("{pair} needs a build with --features pg-tls"))
            }
            _ => Ok(()),
        }
    }
}

/// Masks the password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::Sqlite(path) => return write!(f, "sqlite:{path}"),
            Self::Postgres(url) => url,
        };
        let Some((scheme, parts)) =
            url.split_once(':').and_then(|(scheme, rest)| Some((scheme, Parts::of(rest).ok()?)))
        else {
            return f.write_str("postgres://...");
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = parts.user {
            match user.split_once(':') {
                Some((name, _)) => write!(f, "{name}:***@")?,
                None => write!(f, "{user}@")?,
            }
        }
        write!(f, "{}{}", parts.hosts, parts.path)?;
        let mut separator = '?';
        for pair in parts.query.into_iter().flat_map(|query| query.split('&')) {
            let name = pair.split('=').next().unwrap_or(pair);
            if name.contains("password") {
                write!(f, "{separator}{name}=***")?;
            } else {
                write!(f, "{separator}{pair}")?;
            }
            separator = '&';
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db:5432/doorward", "postgres://ann:***@db:5432/doorward"),
            (
                "postgresql://ann:s3%40cret@a,b:1/d?sslmode=require",
                "postgresql://ann:***@a,b:1/d?sslmode=require",
            ),
            ("postgres://ann:s3#cret@db/d", "postgres://ann:***@db/d"),
            ("postgres://db/d?user=ann&password=s3cret&x=1", "postgres://db/d?user=ann&password=***&x=1"),
            ("postgres://ann@[::1]:5432/d?sslpassword=s3cret", "postgres://ann@[::1]:5432/d?sslpassword=***"),
            ("postgres:///d?host=/run/postgresql", "postgres:///d?host=/run/postgresql"),
        ] {
            let parsed: DatabaseUrl = url.parse().unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), shown);
        }
        for (wrong, why) in [
            ("postgres://ann:s3%cret@db/d", "% as %25"),
            ("postgres://ann:s3cret%@db/d", "% as %25"),
            ("postgres://ann:%s3cret@db/d", "% as %25"),
            ("postgres://ann:s3/cret@db/d", "/ as %2F"),
            ("postgres://ann:12/s3cret@db/d", "/ as %2F"),
            ("postgres://ann:123?s3cret@db/d", "? as %3F"),
            ("postgres://ann:123?s3/cret@db/d", "? as %3F"),
            ("postgres://ann:s3@cret@db/d", "@ as %40"),
            ("postgres://ann@corp:s3cret@db/d", "@ as %40"),
            ("postgres:s3cret", "needs //"),
            ("postgresql+psycopg2://ann:s3cret@db", "postgres:// and nothing more"),
            ("jdbc:postgresql://db/d?user=ann&password=s3cret", "begins with jdbc:"),
            ("host=db password=s3cret", "write a URL"),
            ("mysql://ann:s3cret@db", "neither sqlite: nor"),
            ("s3cret", "neither sqlite: nor"),
            ("/s3cret.db", "sqlite: is missing"),
            ("sqlite:", "needs a path"),
            ("sqlite://", "needs a path"),
        ] {
            let error = wrong.parse::<DatabaseUrl>().unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
            assert!(!error.contains("cret"), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "pg-tls"))]
    fn a_build_without_tls_refuses_an_encrypted_connection() {
        let url: DatabaseUrl = "postgres://db.invalid/d?x=1&sslmode=verify-full".parse().unwrap();
        let error = url.connect().err().unwrap().to_string();
        assert!(error.contains("--features pg-tls"), "{error}");
    }

    #[test]
    fn parameters_of_the_url_win_over_the_defaults() {
        let url = DatabaseUrl::with_defaults("postgres://db/d?connect_timeout=1");
        assert!(url.starts_with("postgres://db/d?connect_timeout=1&tcp_user_timeout="), "{url}");
        assert_eq!(url.matches("connect_timeout").count(), 1);
        assert!(DatabaseUrl::with_defaults("postgres://db/d").contains("/d?connect_timeout=5&"));
    }
}
