use std::ffi::OsString;

use proptest::prelude::*;

use super::keys::{KEYS, nearest};
use super::*;

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
}

/// Loads a file of this text, so that no `doorward.toml` in the working directory is read.
fn load(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.toml");
    std::fs::write(&path, file).unwrap();
    Config::load(Sources {
        file: Some(path),
        environment: environment(variables),
        flags: flags.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect(),
    })
    .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

fn error(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load(file, variables, flags).expect_err("refused")
}

fn value(loaded: &Loaded, key: &str) -> (String, ValueSource) {
    let setting = loaded.settings.iter().find(|setting| setting.key == key).unwrap();
    (setting.value.clone(), setting.origin.clone())
}

#[test]
fn defaults_are_those_of_the_reference() {
    let config = load("", &[("PATH", "/bin"), ("DOORWARDEN", "x")], &[]).unwrap().config;
    assert_eq!(config.http.listen, ([127, 0, 0, 1], 8080).into());
    assert_eq!(config.public_url.as_str(), "http://localhost:8080/");
    assert_eq!(config.database.url.to_string(), "sqlite:./data/doorward.db");
    assert_eq!((config.password.cost, config.password.min_length), (12, 8));
    assert_eq!(config.password.hashing, Hashing::Interleaved);
    assert_eq!(config.tokens.access_ttl, Duration::from_mins(15));
    assert_eq!(config.tokens.refresh_ttl, Duration::from_hours(24 * 30));
    assert_eq!(config.mail.url, MailUrl::Preview);
    assert_eq!(config.mail.from.to_string(), "Doorward <no-reply@localhost>");
    assert_eq!((config.sockets.max_frame, config.sockets.max_outbox), (65_536, 1_048_576));
    assert!(config.sockets.allowed_origins.is_empty() && config.sockets.trusted_proxies.is_empty());
    assert_eq!((config.tcp.listen, config.tls), (Some(([127, 0, 0, 1], 12225).into()), None));
    assert_eq!(config.socketio.path.as_deref(), Some("/socket.io/"));
    assert_eq!(config.socketio.ping_timeout, Duration::from_secs(20));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Text, tracing::Level::INFO));
}

#[test]
fn later_sources_win_and_are_named() {
    let file = "data_dir = '/file'\n[http]\nlisten = '127.0.0.1:1'\nworkers = 3\n[password]\ncost = 11";
    let loaded = load(
        file,
        &[("DOORWARD_HTTP__LISTEN", "127.0.0.1:2"), ("DOORWARD_HTTP__WORKERS", "4")],
        &[("http.listen", "127.0.0.1:3")],
    )
    .unwrap();
    assert_eq!(loaded.config.http.listen.port(), 3);
    assert_eq!(value(&loaded, "http.listen"), ("127.0.0.1:3".to_owned(), ValueSource::CommandLine));
    let variable = ValueSource::Environment("DOORWARD_HTTP__WORKERS".to_owned());
    assert_eq!(value(&loaded, "http.workers"), ("4".to_owned(), variable));
    assert!(matches!(value(&loaded, "password.cost"), (text, ValueSource::File(_)) if text == "11"));
    assert_eq!(
        value(&loaded, "database.url"),
        ("sqlite:/file/doorward.db".to_owned(), ValueSource::Follows("data_dir"))
    );
    let followed = ("http://localhost:3".to_owned(), ValueSource::Follows("http.listen"));
    assert_eq!(value(&loaded, "public_url"), followed);
    assert_eq!(followed.1.to_string(), "follows http.listen");
    assert!(loaded.config.follows_listener);
    let set = load("", &[], &[("http.listen", ":9000"), ("public_url", "http://localhost:8000")]).unwrap();
    assert_eq!(value(&set, "public_url"), ("http://localhost:8000".to_owned(), ValueSource::CommandLine));
    assert!(!set.config.follows_listener);
    let files = [("http.listen", ":9000"), ("tls.cert", "/c"), ("tls.key", "/k")];
    assert_eq!(value(&load("", &[], &files).unwrap(), "public_url").0, "https://localhost:9000");
    assert_eq!(loaded.settings.len(), KEYS.len());
}

#[test]
fn lists_come_as_lists_or_with_commas() {
    let file = "[sockets]\nallowed_origins = ['https://A.example:443', 'capacitor://localhost']\n";
    let loaded =
        load(file, &[("DOORWARD_SOCKETS__TRUSTED_PROXIES", "10.0.0.0/8, ::1,")], &[]).unwrap().config;
    let origins: Vec<String> = loaded.sockets.allowed_origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://a.example", "capacitor://localhost"]);
    assert_eq!(
        loaded.sockets.trusted_proxies,
        ["10.0.0.0/8".parse::<IpNet>().unwrap(), "::1/128".parse().unwrap()]
    );
}

#[test]
fn an_error_names_the_key_its_value_its_source_and_what_is_expected() {
    assert_eq!(
        error("", &[("DOORWARD_PASSWORD__COST", "9")], &[]),
        "password.cost cannot be 9 (environment DOORWARD_PASSWORD__COST); expected a bcrypt cost from 10 to 16 \
         (from 4 only with password.insecure_cost = true, for tests)"
    );
    assert_eq!(
        error("[log]\nformat = 'xml'", &[], &[]),
        "log.format cannot be xml (file DIR/some.toml); expected text or json"
    );
    assert_eq!(
        error("[http]\nlissten = 1", &[], &[]),
        "unknown key http.lissten (file DIR/some.toml); did you mean http.listen?"
    );
    assert_eq!(
        error("", &[("DOORWARD_LISTEN", "x")], &[]),
        "unknown key listen (environment DOORWARD_LISTEN); did you mean http.listen? Its variable is \
         DOORWARD_HTTP__LISTEN"
    );
    assert_eq!(
        error("", &[], &[("sockets.allowed_origins", "null, https://a.example/x")]),
        "sockets.allowed_origins cannot be null, https://a.example/x (command line): https://a.example/x: an origin \
         ends with its host or port: https://a.example; expected origins such as https://app.example.org, \
         https://*.example.org, null or file://, as a list or separated by commas"
    );
    for secret in ["ws://ann:pw@a.example", "https://b.example, postgres://ann:pw@a.example/d"] {
        let said = error("", &[], &[("sockets.allowed_origins", secret)]);
        assert!(said.contains("an origin has no user") && !said.contains("pw@"), "{said}");
    }
    assert_eq!(error("", &[], &[("zzz", "1")]), "unknown key zzz (command line)");
    assert!(error("[nodes]", &[], &[]).starts_with("unknown key nodes (file"));
    assert!(error("http = 3", &[], &[]).starts_with("unknown key http (file"));
    assert!(error("a = 1\nb = = 'secret'", &[], &[]).contains("not TOML, line 2"));
    assert!(!error("a = 1\nb = = 'secret'", &[], &[]).contains("secret"));
}

#[test]
fn every_bound_is_enforced() {
    for (key, low, high) in [
        ("http.workers", "0", "513"),
        ("database.executors", "0", "65"),
        ("password.workers", "0", "257"),
        ("password.cost", "9", "17"),
        ("password.min_length", "7", "65"),
        ("tokens.access_ttl", "29s", "25h"),
        ("tokens.refresh_ttl", "10m", "401d"),
        ("sockets.auth_timeout", "99ms", "6m"),
        ("sockets.heartbeat", "999ms", "11m"),
        ("sockets.max_frame", "4095", "65MiB"),
        ("sockets.max_outbox", "15KiB", "257MiB"),
        ("sockets.max_per_user", "0", "1000001"),
        ("sockets.max_waiting_per_address", "0", "1000001"),
        ("sockets.max_open", "0", "10000001"),
        ("sockets.max_per_address", "0", "10000001"),
        ("connections.max_per_address", "0", "20000001"),
    ] {
        for text in [low, high, "", "-1", "many"] {
            let message = error("", &[], &[(key, text)]);
            assert!(message.starts_with(&format!("{key} cannot be ")), "{message}");
        }
    }
    let cheap = Config::from_pairs([("password.cost", "4"), ("password.insecure_cost", "true")]).unwrap();
    assert_eq!(cheap.password.cost, 4);
}

#[test]
fn per_address_bounds_follow_the_servers() {
    let bounds = |pairs: &[(&'static str, &'static str)]| {
        let config = Config::from_pairs(pairs.iter().copied()).unwrap();
        (config.sockets.max_per_address, config.connections.max_per_address)
    };
    assert_eq!(bounds(&[("sockets.max_open", "4000")]), (1000, 2000));
    assert_eq!(bounds(&[("sockets.max_open", "120")]), (30, 64));
    assert_eq!(bounds(&[("sockets.max_open", "1")]), (1, 64));
    assert_eq!(bounds(&[("sockets.max_open", "10000000")]), (2_500_000, 5_000_000));
    assert_eq!(bounds(&[("sockets.max_open", "100"), ("sockets.max_per_address", "1000")]), (1000, 2000));
    assert_eq!(bounds(&[("sockets.max_per_address", "9"), ("connections.max_per_address", "5")]), (9, 5));
}

#[test]
fn invalid_values_are_refused() {
    for (key, text) in [
        ("http.listen", "localhost"),
        ("password.hashing", "lanes"),
        ("public_url", "ftp://a.example"),
        ("public_url", "https://user@a.example"),
        ("public_url", "https://a.example/?x=1"),
        ("data_dir", " "),
        ("database.url", "mysql://a"),
        ("tokens.audience", "a b"),
        ("mail.url", "http://a.example"),
        ("mail.url", "smtp://"),
        ("mail.from", "nobody"),
        ("web.allowed_origins", "*"),
        ("web.allowed_origins", "https://*.example.org"),
        ("web.allowed_origins", "https://app.example.org, null"),
        ("sockets.allowed_origins", "*"),
        ("sockets.allowed_origins", "https://a.example/path"),
        ("sockets.allowed_origins", "null, app.example.org"),
        ("accounts.max_logins", "0"),
        ("sockets.trusted_proxies", "10.0.0.0/33"),
        ("tcp.listen", "0.0.0.0:12225"),
        ("tcp.listen", ""),
        ("socketio.path", ""),
        ("socketio.path", "socket.io"),
        ("socketio.path", "/"),
        ("socketio.path", "/a//b"),
        ("socketio.path", "/{sid}"),
        ("socketio.ping_timeout", "0s"),
        ("cluster.redis_url", ""),
        ("cluster.redis_url", "unix:/run/redis.sock"),
        ("cluster.redis_url", "redis://"),
        ("cluster.prefix", "a b"),
        ("log.level", "loud"),
    ] {
        assert!(error("", &[], &[(key, text)]).starts_with(key), "{key} = {text}");
    }
}

#[test]
fn secrets_are_never_shown() {
    for url in ["smtps://u:hunter2@mail.example", "smtp://u:hunter2@mail.example?tls=required"] {
        let loaded = load("", &[], &[("mail.url", url)]).unwrap();
        let (shown, _) = value(&loaded, "mail.url");
        assert!(shown.contains("u:***@mail.example") && !shown.contains("hunter2"), "{shown}");
        assert!(!format!("{loaded:?}").contains("hunter2"));
    }
    for url in
        ["smtp//u:hunter2@mail", "hunter2", "smtp://u:hunter2@mail?tls=hunter3", "http://x/?password=hunter2"]
    {
        let message = error("", &[], &[("mail.url", url)]);
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert!(!error("", &[], &[("database.url", "postgres://u:hunter2@h:port/d")]).contains("hunter2"));
    let loaded = load("", &[], &[("cluster.redis_url", "rediss://u:hunter2@h:6379")]).unwrap();
    assert_eq!(value(&loaded, "cluster.redis_url").0, "rediss://u:***@h:6379");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let loaded = load("", &[], &[("database.url", "postgres://u:hunter2@h/d")]).unwrap();
    assert_eq!(value(&loaded, "database.url").0, "postgres://u:***@h/d");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn links_are_built_on_the_public_url() {
    for url in ["https://id.example", "https://id.example/", "https://id.example//"] {
        let config = Config::from_pairs([("public_url", url)]).unwrap();
        assert_eq!(config.link("/verify-email/x"), "https://id.example/verify-email/x");
    }
    let below = Config::from_pairs([("public_url", "https://example.org/id/")]).unwrap();
    assert_eq!(below.link("/x"), "https://example.org/id/x");
}

#[test]
fn the_reference_names_every_key_and_its_default() {
    let reference = include_str!("../../docs/CONFIGURATION.md");
    for key in KEYS {
        let row = format!("| `{}` |", key.name);
        let line = reference.lines().find(|line| line.starts_with(&row));
        let line = line.unwrap_or_else(|| panic!("docs/CONFIGURATION.md lacks {}", key.name));
        if let keys::Fallback::Fixed(text) = key.fallback {
            let default = if text.is_empty() { "none".to_owned() } else { format!("`{text}`") };
            assert!(line.contains(&default), "{line}");
        }
    }
}

proptest! {
    #[test]
    fn no_value_panics(index in 0..KEYS.len(), text in "\\PC{0,40}|[0-9]{1,30}[a-zA-Z]{0,3}") {
        let key = &KEYS[index];
        if let Err(error) = Config::from_pairs([(key.name, text.as_str())]) {
            let message = error.to_string();
            // One TLS file without the other makes the error name the missing one.
            prop_assert!(message.starts_with(key.name) || key.name.starts_with("tls."), "{message}");
            prop_assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn no_file_panics(text in "(\\PC|\n){0,200}") {
        let _ = load(&text, &[], &[]);
    }

    #[test]
    fn an_unknown_key_is_refused(key in "[a-z_.]{0,90}") {
        prop_assume!(!KEYS.iter().any(|known| known.name == key));
        let refused = Config::from_pairs([(key.as_str(), "1")]);
        let is_unknown = matches!(refused, Err(ConfigError::Unknown { .. }));
        prop_assert!(is_unknown);
    }

    #[test]
    fn a_key_with_one_wrong_letter_is_recognized(index in 0..KEYS.len(), at in 0..100_usize, letter in "[a-z]") {
        let mut name: Vec<char> = KEYS[index].name.chars().collect();
        let at = at % name.len();
        name[at] = letter.chars().next().unwrap();
        let name: String = name.into_iter().collect();
        let guess = nearest(&name).unwrap();
        prop_assert!(guess.len().abs_diff(name.len()) <= 1, "{name}: {guess}");
    }
}

#[test]
fn the_email_preview_needs_a_local_url_or_a_key() {
    let check = |url: &str, more: &[(&str, &str)]| {
        let pairs = [&[("public_url", url)], more].concat();
        Config::from_pairs(pairs).unwrap().check_for_serving()
    };
    for here in [
        "http://localhost:8080",
        "https://LOCALHOST.",
        "http://id.localhost",
        "http://127.0.0.1",
        "http://127.9.9.9",
        "http://[::1]:80",
        "http://[::ffff:127.0.0.1]",
    ] {
        assert_eq!(check(here, &[]), Ok(()), "{here}");
    }
    for there in [
        "https://id.example.org",
        "http://localhost.example.org",
        "http://mylocalhost",
        "http://doorward.local",
        "http://10.0.0.1",
        "http://192.168.1.2",
        "http://0.0.0.0",
        "http://[::]",
        "http://[fe80::1]",
    ] {
        let error = check(there, &[]).unwrap_err();
        assert!(error.contains("mail.allow_preview = true") && error.lines().count() == 1, "{error}");
        assert_eq!(check(there, &[("mail.allow_preview", "true")]), Ok(()), "{there}");
        assert_eq!(check(there, &[("mail.url", "smtp://localhost")]), Ok(()), "{there}");
    }
}
