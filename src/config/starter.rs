//! The file that `doorward config init` writes: the settings that people change first, each with its meaning, the
//! values that it takes, and its default. Defaults and bounds are those of the table of keys.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::keys::{self, Key};
use super::value::{Value, ValueSource, Values};
use super::{ConfigError, parse, sources, value_files};

/// Bytes of a line, except where a word or a value is longer.
const WIDTH: usize = 100;

const HEADER: &str = "\
# Settings of Doorward.
#
# A line such as \"#listen = ...\" shows a default. To change it, remove the \"#\" and edit the value.
# The server reads this file when it starts, so restart it after a change.
#
# \"doorward config\" shows every setting in effect and where it comes from. Environment variables
# (DOORWARD_HTTP__LISTEN for http.listen) and command-line flags override this file. Add \"_file\" to
# a name to read its value from a file of its own: url_file = \"/run/secrets/mail_url\".
# All settings: docs/CONFIGURATION.md (of the Debian package: /usr/share/doc/doorward/docs).
";

/// The settings in the order of the file, and what each is for.
const SHOWN: &[(&str, &str)] = &[
    (
        "public_url",
        "The address that people open. Links in emails lead there, and access tokens name it as their issuer. Set it \
         before other people use the server.",
    ),
    (
        "data_dir",
        "The directory of the SQLite database and of emails kept for preview. Created with mode 0700.",
    ),
    (
        "http.listen",
        "Where HTTP requests and WebSockets arrive. Listen on loopback behind a proxy, and on 0.0.0.0 or [::] without \
         one, with TLS (below).",
    ),
    (
        "database.url",
        "SQLite in a file, or PostgreSQL, which several nodes can share. To move an existing database, use \
         \"doorward migrate-database\".",
    ),
    (
        "mail.url",
        "The server that delivers emails. \"preview\" sends nothing: it keeps emails and shows them at /dev/mail. \
         Escape special characters of the password as in a URL: %40 for @.",
    ),
    ("mail.from", "The sender of every email."),
    (
        "mail.helo_name",
        "The name that is sent to the mail server in EHLO, for servers that insist on one. Empty: the domain of \
         public_url, if it has a dot.",
    ),
    (
        "tls.cert",
        "TLS without a proxy. Both listeners then accept only TLS. The files are read again when they change, so a \
         renewed certificate needs no restart. The server's user must be able to read both.",
    ),
    ("tls.key", "The private key of the certificate."),
    ("tcp.listen", "Where TCP clients connect."),
    (
        "web.allowed_origins",
        "Other origins whose pages may use the API and open sockets, such as the one of your app. Empty: only the \
         server's own pages.",
    ),
    (
        "sockets.trusted_proxies",
        "Proxies whose X-Forwarded-For header is trusted. Without it, all clients of a proxy share its address, and \
         its limits.",
    ),
    ("accounts.registration", "Who may register: anyone, people with an invitation, or no one."),
    ("accounts.allowed_domains", "Accept only email addresses of these domains. Empty: all."),
    (
        "accounts.require_verified_email",
        "Require an email address, and that it is verified before the first sign-in.",
    ),
    ("password.min_length", "The minimum length of a password."),
    (
        "tokens.access_ttl",
        "How long an access token is valid. Clients exchange their refresh token for a new one before it expires.",
    ),
    ("tokens.refresh_ttl", "How long a device stays signed in without being used."),
    (
        "cluster.redis_url",
        "Redis or Valkey, through which several nodes tell each other of sign-outs at once.",
    ),
    ("log.format", "How log lines are written to standard error."),
    ("log.level", "The least important lines to log."),
];

/// The text of the file. Settings that `flags` name are in effect in it; all others are comments with the defaults.
///
/// # Errors
/// The first flag whose key is unknown or whose value is out of bounds.
pub fn starter_file(flags: Vec<(String, String)>) -> Result<String, ConfigError> {
    let values = sources::of_pairs(flags.into_iter())?;
    parse::config(&values)?;
    let mut text = HEADER.to_owned();
    for section in sections(&values) {
        if !section.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(text, "\n[{section}]\n");
        }
        let in_section = in_file(&values).filter(|(key, _)| section_of(key.name).0 == section);
        let entries =
            in_section.filter_map(|(key, meaning)| Some(entry(key, meaning, values.get(key.name)?)));
        let gap = if section.is_empty() { "\n" } else { "" };
        text.push_str(gap);
        text.push_str(&entries.collect::<Vec<_>>().join("\n"));
    }
    Ok(text)
}

/// Those that are always shown, then those that were set besides.
fn in_file(values: &Values) -> impl Iterator<Item = (&'static Key, &'static str)> {
    let shown = SHOWN.iter().filter_map(|(name, meaning)| Some((keys::find(name)?, *meaning)));
    let is_shown = |name: &str| SHOWN.iter().any(|(shown, _)| *shown == name);
    let added = keys::KEYS.iter().filter(move |key| {
        !is_shown(key.name)
            && values
                .get(key.name)
                .is_some_and(|value| !matches!(value.origin, ValueSource::Default | ValueSource::Follows(_)))
    });
    shown.chain(added.map(|key| (key, "")))
}

/// The names of the sections in the order of the file. Keys without a section must come first in TOML.
fn sections(values: &Values) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let all = std::iter::once("").chain(in_file(values).map(|(key, _)| section_of(key.name).0));
    all.filter(|section| seen.insert(*section)).collect()
}

fn section_of(name: &'static str) -> (&'static str, &'static str) {
    name.split_once('.').unwrap_or(("", name))
}

fn entry(key: &Key, meaning: &str, value: &Value) -> String {
    let mut lines = comment(meaning);
    lines += &comment(&format!("Value: {}", key.expected));
    let name = section_of(key.name).1;
    let line = match &value.origin {
        ValueSource::Default | ValueSource::Follows(_) => {
            format!("#{name} = {}\n", literal(key, &value.text))
        }
        ValueSource::ValueFile { path, .. } => {
            let path = toml::Value::String(path.display().to_string());
            format!("{name}{} = {path}\n", value_files::ENDING)
        }
        _ => format!("{name} = {}\n", literal(key, &value.text)),
    };
    lines + &line
}

/// A value as TOML.
fn literal(key: &Key, text: &str) -> toml::Value {
    let string = |text: &str| toml::Value::String(text.to_owned());
    if key.takes_list() {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return toml::Value::Array(items.map(string).collect());
    }
    if let Ok(whole) = text.parse::<i64>()
        && whole.to_string() == text
    {
        return toml::Value::Integer(whole);
    }
    text.parse::<bool>().map_or_else(|_| string(text), toml::Value::Boolean)
}

/// Breaks a text into lines of comments.
fn comment(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use super::super::{Config, Loaded, Sources};
    use super::*;

    fn load(text: &str) -> Loaded {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("doorward.toml");
        fs::write(&file, text).unwrap();
        let environment = Vec::<(OsString, OsString)>::new();
        Config::load(Sources { file: Some(file), environment, flags: Vec::new() })
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn flags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// Lines such as `#listen = ...`, with and without the number sign.
    fn uncommented(text: &str) -> String {
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_file_changes_nothing_and_without_its_number_signs_it_states_the_defaults() {
        let defaults = load("").settings;
        let text = starter_file(Vec::new()).unwrap();
        assert_eq!(load(&text).settings, defaults, "{text}");

        let stated = load(&uncommented(&text)).settings;
        for (stated, default) in stated.iter().zip(&defaults) {
            let (key, value) = (stated.key, stated.value.replace(' ', ""));
            assert_eq!((key, value), (default.key, default.value.replace(' ', "")), "{text}");
            let is_shown = SHOWN.iter().any(|(shown, _)| *shown == key);
            assert_eq!(matches!(stated.origin, ValueSource::File(_)), is_shown, "{key}: {text}");
        }
        assert_eq!(stated.len(), defaults.len());
    }

    #[test]
    fn every_setting_in_it_exists_and_has_its_meaning_and_bounds() {
        let text = starter_file(Vec::new()).unwrap();
        let prose = text.lines().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join(" ");
        for (name, meaning) in SHOWN {
            let key = keys::find(name).unwrap_or_else(|| panic!("{name}"));
            assert!(prose.contains(&format!("{meaning} Value: {}", key.expected)), "{name}: {text}");
        }
        assert!(text.lines().all(|line| line.len() <= WIDTH || line.contains(" = ")), "{text}");
    }

    #[test]
    fn what_flags_set_is_in_effect_also_for_settings_that_are_not_shown_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("redis_url");
        fs::write(&secret, "redis://:hunter2@redis.internal:6379").unwrap();
        let text = starter_file(flags(&[
            ("data_dir", "/var/lib/doorward"),
            ("web.allowed_origins", "https://a.example, https://b.example"),
            ("password.cost", "13"),
            ("mail.url", "smtps://u:p%40ss@mail.example"),
            ("cluster.redis_url_file", secret.to_str().unwrap()),
        ]))
        .unwrap();
        assert!(text.contains("\ndata_dir = \"/var/lib/doorward\"\n"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        let loaded = load(&text);
        assert_eq!(loaded.config.password.cost, 13);
        assert_eq!(loaded.config.web.allowed_origins.len(), 2);
        assert!(loaded.config.cluster.redis_url.is_some());
        assert_eq!(loaded.config.database.url.to_string(), "sqlite:/var/lib/doorward/doorward.db");
        // The default that depends on it follows it.
        assert!(text.contains("\n#url = \"sqlite:/var/lib/doorward/doorward.db\"\n"), "{text}");
    }

    #[test]
    fn a_wrong_flag_is_refused() {
        for (key, value, words) in [
            ("password.cost", "99", "a bcrypt cost from 10 to 16"),
            ("http.listn", "x", "did you mean http.listen?"),
        ] {
            let error = starter_file(flags(&[(key, value)])).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
