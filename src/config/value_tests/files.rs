//! Values that have a file of their own.

use super::*;

#[test]
fn any_key_may_come_from_a_file_of_its_own() {
    let place = Loader::new();
    for key in KEYS.iter().filter(|key| !key.name.starts_with("tls.")) {
        let value = good(key);
        for content in
            [value.clone(), format!("{value}\n"), format!("{value}\r\n"), format!("\u{feff}{value}")]
        {
            let path = place.write("value", content.as_bytes());
            let path = path.to_str().unwrap();
            let name = format!("{}_FILE", variable(key.name));
            let toml = format!("{}_file = '{path}'", key.name);
            let flag = format!("{}_file", key.name);
            for loaded in [
                place.load("", &[(&name, path)], &[]),
                place.load(&toml, &[], &[]),
                place.load("", &[], &[(&flag, path)]),
            ] {
                let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
                let setting = loaded.settings.iter().find(|setting| setting.key == key.name).unwrap();
                assert!(matches!(&setting.origin, ValueSource::ValueFile { .. }), "{setting:?}");
                assert!(!format!("{loaded:?}").contains(SECRET));
            }
        }
    }
    // No key's own name ends like that of a value file.
    for key in KEYS {
        let of = key.name.strip_suffix(value_files::ENDING);
        assert!(of.is_none_or(|of| !KEYS.iter().any(|other| other.name == of)), "{}", key.name);
    }
}

#[test]
fn a_value_file_without_a_value_is_named_with_the_reason() {
    let place = Loader::new();
    let name = "DOORWARD_DATABASE__URL_FILE";
    let dir = place.dir.path().display().to_string();
    let large = place.write("large", &vec![b'x'; 70_000]).display().to_string();
    let bytes = place.write("bytes", b"caf\xe9").display().to_string();
    let lines = place.write("lines", b"postgres://a\npostgres://b\n").display().to_string();
    for (path, words) in [
        ("/no/such/file", "/no/such/file: No such file"),
        (&dir, "it is a directory"),
        (&large, "it has more than 65536 bytes"),
        (&bytes, "it is not UTF-8"),
        (&lines, "it has more than one line"),
        ("", "no file is named"),
        ("\"/run/secrets/url\"", "quotes are part of the value"),
        ("/run/secrets/url\r", "carriage return"),
        ("postgres://u:hunter2@h/d", "set the value itself with database.url"),
    ] {
        let error = place.load("", &[(name, path)], &[]).unwrap_err();
        assert!(error.starts_with("database.url cannot be"), "{error}");
        assert!(
            error.contains(words) && error.contains(name) && !error.contains("hunter2"),
            "{path}: {error}"
        );
    }
    let good = place.write("good", b"sqlite:/srv/x.db\n").display().to_string();
    let both = [("DOORWARD_DATABASE__URL", "sqlite:/srv/y.db"), (name, good.as_str())];
    let error = place.load("", &both, &[]).unwrap_err();
    assert!(error.starts_with("database.url is set twice, by DOORWARD_DATABASE__URL and by"), "{error}");
    let file = format!("database.url = 'sqlite:/srv/y.db'\ndatabase.url_file = '{good}'");
    assert!(place.load(&file, &[], &[]).unwrap_err().contains("set twice"));
    // Later sources still win.
    let loaded = place.load("database.url = 'sqlite:/srv/y.db'", &[(name, &good)], &[]).unwrap();
    assert_eq!(loaded.config.database.url.to_string(), "sqlite:/srv/x.db");
    let loaded = place.load("", &[(name, &good)], &[("database.url", "sqlite:/srv/y.db")]).unwrap();
    assert_eq!(loaded.config.database.url.to_string(), "sqlite:/srv/y.db");
    let error = place.load("", &[("DOORWARD_NOTHING_FILE", "/x")], &[]).unwrap_err();
    assert!(error.starts_with("unknown key nothing_file"), "{error}");
}
