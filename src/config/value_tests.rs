//! How every key treats obvious mistakes, from every source. New keys are covered without further work.

mod files;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::keys::{Fallback, KEYS, Key, variable};
use super::*;

/// Part of every secret in these tests.
const SECRET: &str = "hunter2";

/// A valid value for the key.
fn good(key: &Key) -> String {
    match (key.name, key.fallback) {
        ("database.url", _) => format!("postgres://u:{SECRET}@db/d"),
        ("mail.url", _) => format!("smtp://u:{SECRET}@mail.example"),
        ("cluster.redis_url", _) => format!("redis://u:{SECRET}@cache:6379"),
        (_, Fallback::Fixed("")) if key.is_path() => "/etc/doorward/file.pem".to_owned(),
        // The example in the text of what is expected.
        (_, Fallback::Fixed("") | Fallback::SameAs(_)) => {
            let example = key.expected.split("such as ").nth(1).unwrap_or("x");
            example.split([',', ' ']).next().unwrap_or(example).to_owned()
        }
        (_, Fallback::Fixed(text)) => text.to_owned(),
        (_, Fallback::Cores { .. } | Fallback::OpenFiles | Fallback::Share { .. }) => "60".to_owned(),
        (_, Fallback::OfListener) => "https://id.example.org".to_owned(),
        (_, Fallback::InDataDir) => "sqlite:/srv/doorward.db".to_owned(),
    }
}

/// The sources, each setting one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    File,
    Variable,
    Flag,
    ValueFile,
}

const SOURCES: [Source; 4] = [Source::File, Source::Variable, Source::Flag, Source::ValueFile];

struct Loader {
    dir: tempfile::TempDir,
}

impl Loader {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn load(
        &self,
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Loaded, String> {
        let pair = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Config::load(Sources {
            file: Some(self.write("doorward.toml", file.as_bytes())),
            environment: environment
                .iter()
                .map(pair)
                .map(|(name, text)| (name.into(), text.into()))
                .collect(),
            flags: flags.iter().map(pair).collect(),
        })
        .map_err(|error| error.to_string())
    }

    /// Loads one key with a value.
    fn set(&self, key: &Key, text: &str, source: Source) -> Result<Loaded, String> {
        match source {
            Source::File => {
                // A TOML string, with its escapes.
                let line = format!("{} = {}", key.name, toml::Value::from(text));
                self.load(&line, &[], &[])
            }
            Source::Variable => self.load("", &[(&variable(key.name), text)], &[]),
            Source::Flag => self.load("", &[], &[(key.name, text)]),
            Source::ValueFile => {
                let path = self.write("value", text.as_bytes());
                self.load("", &[(&format!("{}_FILE", variable(key.name)), path.to_str().unwrap())], &[])
            }
        }
    }

    #[track_caller]
    fn refused(&self, key: &Key, text: &str, source: Source) -> String {
        let Err(error) = self.set(key, text, source) else {
            panic!("{} takes {text:?} from {source:?}", key.name)
        };
        assert!(error.starts_with(key.name), "{error}");
        let named = match source {
            Source::File => "doorward.toml".to_owned(),
            Source::Variable => variable(key.name),
            Source::Flag => "command line".to_owned(),
            Source::ValueFile => format!("{}_FILE", variable(key.name)),
        };
        assert!(error.contains(&named), "{error}");
        assert!(!error.contains(SECRET) && !error.contains(char::is_control), "{error}");
        error
    }
}

#[test]
fn a_value_that_is_certainly_a_mistake_is_refused_by_every_key_from_every_source() {
    let place = Loader::new();
    for key in KEYS {
        let value = good(key);
        let mistakes = [
            (format!("\"{value}\""), "quotes are part of the value"),
            (format!("'{value}'"), "quotes are part of the value"),
            (format!("`{value}`"), "quotes are part of the value"),
            (format!("\u{201c}{value}\u{201d}"), "quotes are part of the value"),
            (format!("{value}\r"), "carriage return"),
            (format!("{value}\n"), "line break"),
            (format!("{value}\r\n"), "line"),
            (format!("{value}\n{value}"), "more than one line"),
            (format!(" {value}"), "white space before or after"),
            (format!("{value} "), "white space before or after"),
            (format!("{value}\u{a0}"), "white space before or after"),
            (format!("{value}\t"), "tab before or after"),
            (format!("{value}\u{7}"), "control character U+0007"),
            (format!("\u{feff}{value}"), "invisible character U+FEFF"),
            (format!("{value}\u{200b}"), "invisible character U+200B"),
            (" ".to_owned(), "white space before or after"),
            ("\"\"".to_owned(), "quotes are part of the value"),
        ];
        for (text, words) in mistakes {
            for source in SOURCES {
                let ends_line = text.trim_end_matches(['\r', '\n']) == value;
                if source == Source::ValueFile && (ends_line || text.starts_with('\u{feff}')) {
                    // A final line ending and a byte order mark are not part of a value file's value.
                    continue;
                }
                let error = place.refused(key, &text, source);
                assert!(error.contains(words), "{text:?}: {error}");
            }
        }
    }
}

#[test]
fn an_empty_value_is_refused_unless_it_means_none() {
    let place = Loader::new();
    for key in KEYS {
        for source in SOURCES {
            if key.may_be_empty() && source != Source::ValueFile {
                place.set(key, "", source).unwrap();
            } else {
                assert!(place.refused(key, "", source).contains("it is empty"));
            }
        }
    }
}

#[test]
fn an_error_suggests_a_value_unless_it_may_be_a_secret() {
    let place = Loader::new();
    for key in KEYS {
        let value = good(key);
        for text in [format!("\"{value}\""), format!("{value}\r"), format!(" '{value}' ")] {
            for source in [Source::File, Source::Variable, Source::Flag] {
                let error = place.refused(key, &text, source);
                assert_eq!(error.contains(&format!(": write {value};")), !key.secret, "{error}");
            }
        }
    }
    let error = place.load("", &[("DOORWARD_DATA_DIR", "\"/srv/data\"")], &[]).unwrap_err();
    assert_eq!(
        error,
        "data_dir cannot be \"/srv/data\" (environment DOORWARD_DATA_DIR): the quotes are part of the value \
         (Docker does not strip quotes in env files): write /srv/data; expected the path of a directory"
    );
}

#[test]
fn a_value_of_another_kind_or_unit_is_refused_with_a_suggestion() {
    let place = Loader::new();
    for (key, text, words) in [
        ("tokens.access_ttl", "900", "write 900s"),
        ("tokens.access_ttl", "15M", "write 15m"),
        ("tokens.refresh_ttl", "30", "a duration needs a unit"),
        ("sockets.heartbeat", "25 Sec", "write 25 sec"),
        ("accounts.unused_ttl", "never", "write off"),
        ("accounts.unused_ttl", "90", "a duration needs a unit"),
        ("password.cost", "12.0", "write 12"),
        ("sockets.max_open", "10_000", "write 10000"),
        ("sockets.max_open", "10,000", "write 10000"),
        ("password.insecure_cost", "True", "write true"),
        ("mail.allow_preview", "yes", "write true"),
        ("mail.allow_preview", "0", "write false"),
        ("log.level", "INFO", "write info"),
        ("log.format", "JSON", "write json"),
        ("http.listen", "0.0.0.0", "write 0.0.0.0:8080"),
        ("http.listen", "::", "write [::]:8080"),
        ("http.listen", "*:8080", "write 0.0.0.0:8080"),
        ("http.listen", "http://0.0.0.0:80/", "write 0.0.0.0:80"),
        ("tcp.listen", "OFF", "write off"),
        ("tcp.listen", "false", "write off"),
        ("tcp.listen", "0.0.0.0:12225", "passwords are typed there"),
        ("socketio.path", "none", "write off"),
        ("limits.sign_in", "none", "write off"),
        ("public_url", "id.example.org", "write https://id.example.org"),
        ("public_url", "https://a.example/?x=1", "it has a query"),
        ("public_url", "https://a.example/#x", "it has a fragment"),
        ("sockets.trusted_proxies", "10.0.0.1,10.0.0.0/33", "10.0.0.0/33 has a prefix that is out of range"),
        ("sockets.trusted_proxies", "10.0.0.1,nginx", "nginx is not an address"),
        ("sockets.trusted_proxies", "[\"10.0.0.1\", \"::1\"]", "write 10.0.0.1,::1"),
        ("data_dir", "~/data", "~ is not expanded"),
        ("data_dir", "${HOME}/data", "variables are not expanded"),
        ("data_dir", "$HOME/data", "variables are not expanded"),
        ("data_dir", "/srv/data # where it is", "write /srv/data"),
        ("data_dir", "\"/srv/data", "write /srv/data"),
        ("database.url", "sqlite:~/doorward.db", "~ is not expanded"),
        ("tls.cert", "/etc/cert.pem", "tls.cert is set, and one needs the other"),
        ("cluster.redis_url", "localhost:6379", "does not begin with redis://"),
    ] {
        let error = place.load("", &[], &[(key, text)]).unwrap_err();
        assert!(error.contains(words), "{key} = {text}: {error}");
    }
    for (file, words) in [
        ("tokens.access_ttl = 900", "write 900s"),
        ("password.cost = 12.0", "write 12"),
        ("data_dir = ['/a', '/b']", "data_dir cannot be a list"),
        ("http.listen = ['127.0.0.1:80']", "it takes one value"),
        ("sockets.trusted_proxies = [1]", "a list of anything but strings"),
        ("sockets.trusted_proxies = ['\"10.0.0.1\"']", "quotes are part of the value"),
        ("sockets.trusted_proxies = ['10.0.0.1, ::1']", "in its own quotes"),
        ("http = 3", "it is a section, with keys such as http.listen, http.workers"),
        ("[data_dir]\nx = 1", "it is a key, not a section"),
        ("[[mail]]\nurl = 'preview'", "it is a section"),
    ] {
        let error = place.load(file, &[], &[]).unwrap_err();
        assert!(error.contains(words), "{file}: {error}");
    }
    // A quoted name before an address is valid.
    let from = "\"Doorward, Inc.\" <no-reply@example.org>";
    assert!(place.load("", &[("DOORWARD_MAIL__FROM", from)], &[]).is_ok());
}

#[test]
fn an_error_explains_a_bad_url_without_repeating_it() {
    let place = Loader::new();
    for (key, url, words) in [
        ("database.url", "postgres://u:hunter2%s@h/d", "write % as %25"),
        ("database.url", "postgres://u:hunter2@x@h/d", "@ as %40"),
        ("database.url", "postgres://u:12/hunter2@h/d", "/ as %2F"),
        ("database.url", "postgres://u:12?hunter2@h/d", "? as %3F"),
        ("database.url", "mysql://u:hunter2@h/d", "neither sqlite:"),
        ("database.url", "/var/lib/hunter2.db", "sqlite: is missing"),
        ("cluster.redis_url", "redis://u:hunter2/x@h", "/ as %2F"),
        ("cluster.redis_url", "redis://u:12/hunter2@h", "/ as %2F"),
        ("cluster.redis_url", "redis://u:12#hunter2@h", "# as %23"),
        ("cluster.redis_url", "http://u:hunter2@h", "begins with neither"),
        ("public_url", "https://u:hunter2@id.example", "it has a user"),
        ("http.listen", "postgres://u:hunter2@h/d", "an address and port"),
        ("public_url", "redis://u:12/hunter2@h", "http:// or https://"),
    ] {
        for source in SOURCES {
            let key = KEYS.iter().find(|known| known.name == key).unwrap();
            let error = place.refused(key, url, source);
            assert!(error.contains(words), "{url}: {error}");
        }
    }
    let pem = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    let key = KEYS.iter().find(|key| key.name == "tls.key").unwrap();
    for source in SOURCES {
        let error = place.refused(key, pem, source);
        assert!(error.contains("name the file's path"), "{error}");
    }
}

#[test]
fn only_service_link_variables_are_ignored_and_named() {
    let place = Loader::new();
    let loaded = place
        .load(
            "",
            &[
                ("DOORWARD_PORT", "tcp://10.0.0.1:80"),
                ("DOORWARD_SERVICE_HOST", "10.0.0.1"),
                ("DOORWARD_SERVICE_PORT", "80"),
                ("DOORWARD_DATA_DIR", "/srv"),
            ],
            &[],
        )
        .unwrap();
    assert_eq!(loaded.config.data_dir, Path::new("/srv"));
    assert_eq!(loaded.warnings.len(), 1);
    let warning = &loaded.warnings[0];
    assert!(warning.starts_with("DOORWARD_PORT and 2 others"), "{warning}");
    assert!(warning.contains("enableServiceLinks: false"), "{warning}");
    let error = place.load("", &[("DOORWARD_PORT", "8080")], &[]).unwrap_err();
    assert_eq!(
        error,
        "unknown key port (environment DOORWARD_PORT); did you mean http.listen? Its variable is DOORWARD_HTTP__LISTEN"
    );
    let error = place.load("", &[("DOORWARD_DATABASE_URL", "x")], &[]).unwrap_err();
    assert!(error.ends_with("did you mean database.url? Its variable is DOORWARD_DATABASE__URL"), "{error}");
    assert!(place.load("", &[], &[]).unwrap().warnings.is_empty());
}

#[test]
fn a_file_with_a_byte_order_mark_or_windows_line_endings_is_read() {
    let place = Loader::new();
    let loaded = place.load("\u{feff}data_dir = '/srv'\r\n[log]\r\nlevel = 'warn'\r\n", &[], &[]).unwrap();
    assert_eq!(loaded.config.log.level, tracing::Level::WARN);
}

#[test]
fn a_suggestion_is_no_part_of_a_url_with_a_password() {
    for (name, text) in [
        ("tokens.audience", format!("% postgres://u:{SECRET}@h/d")),
        ("mail.from", format!("smtp://u:{SECRET}@h.example <a@b.example>")),
    ] {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        let error = Loader::new().set(key, &text, SOURCES[0]).err().unwrap();
        assert!(!error.contains(SECRET), "{error}");
    }
}

proptest! {
    #[test]
    fn no_value_and_no_path_shows_a_secret(
        index in 0..KEYS.len(),
        before in "[\"' \r\n/@#?%]{0,2}",
        after in "[\"' \r\n/@#?%:]{0,3}",
        source in 0..SOURCES.len(),
    ) {
        let place = Loader::new();
        let key = &KEYS[index];
        let text = format!("{before}postgres://u:1{after}{SECRET}@h/d");
        if let Err(error) = place.set(key, &text, SOURCES[source]) {
            prop_assert!(!error.contains(SECRET), "{}", error);
            prop_assert!(!error.contains(char::is_control), "{}", error);
        }
    }
}
