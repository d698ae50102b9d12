use std::os::unix::fs::symlink;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn write(path: &Path, mode: u32) {
    fs::write(path, "x").unwrap();
    set(path, mode);
}

fn config(pairs: &[(&str, &str)]) -> Config {
    Config::from_pairs(pairs.iter().copied()).unwrap()
}

#[test]
fn own_files_are_corrected_and_a_shared_directory_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    set(&data, 0o755);
    let mail = data.join("mail");
    fs::create_dir(&mail).unwrap();
    set(&mail, 0o755);
    let ours = [
        "doorward.db",
        "doorward.db-wal",
        "doorward.db-shm",
        "doorward.db.before",
        "mail/a.eml",
        "mail/.b.tmp",
    ];
    for name in ours {
        write(&data.join(name), 0o666);
    }
    for name in ["doorward.toml", "notes.txt"] {
        write(&data.join(name), 0o644);
    }
    let config = config(&[("data_dir", data.to_str().unwrap())]);
    let said = secure(&config);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].ends_with(&format!("chmod 700 {}", data.canonicalize().unwrap().display())), "{said:?}");
    assert_eq!(secure(&config), said);
    for name in ours {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&mail), mode(&data)), (0o700, 0o755));
    assert_eq!((mode(&data.join("doorward.toml")), mode(&data.join("notes.txt"))), (0o644, 0o644));
    set(&data, 0o700);
    assert!(secure(&config).is_empty());
    set(&data, 0o733);
    assert!(secure(&config)[0].contains("written to by others"));
}

#[test]
fn the_target_of_a_link_is_left_alone_unless_it_is_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere"));
    for path in [&data, &data.join("mail"), &elsewhere] {
        create_dir(path).unwrap();
    }
    for name in ["page.html", "real.db", "real.db-wal", "twice"] {
        write(&elsewhere.join(name), 0o644);
    }
    symlink(elsewhere.join("page.html"), data.join("mail/a.eml")).unwrap();
    symlink(elsewhere.join("page.html"), data.join("doorward.db-journal")).unwrap();
    symlink(elsewhere.join("real.db"), data.join("doorward.db")).unwrap();
    fs::hard_link(elsewhere.join("twice"), data.join("doorward.db.old")).unwrap();
    let said = secure(&config(&[("data_dir", data.to_str().unwrap())]));
    assert_eq!(mode(&elsewhere.join("page.html")), 0o644);
    assert_eq!((mode(&elsewhere.join("real.db")), mode(&elsewhere.join("real.db-wal"))), (0o600, 0o600));
    assert_eq!(mode(&elsewhere.join("twice")), 0o644);
    assert!(said.len() == 1 && said[0].contains("doorward.db.old"), "{said:?}");
}

#[test]
fn a_file_of_another_user_is_reported_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    create_dir(&data).unwrap();
    let file = data.join("doorward.db");
    write(&file, 0o644);
    // Only root can give a file to another user.
    if !geteuid().is_root() {
        return;
    }
    std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
    let said = secure(&config(&[("data_dir", data.to_str().unwrap())]));
    assert!(said.len() == 1 && said[0].contains("belongs to another user: chmod 600 "), "{said:?}");
    assert_eq!(mode(&file), 0o644);
    set(&file, 0o600);
    assert!(secure(&config(&[("data_dir", data.to_str().unwrap())])).is_empty());
}

#[test]
fn a_database_elsewhere_is_found_by_any_name_that_sqlite_accepts() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path(), 0o700);
    let at = dir.path().display();
    for (url, file) in [
        (format!("sqlite:{at}/a.db"), Some("a.db")),
        (format!("sqlite://{at}/b.db"), Some("b.db")),
        (format!("sqlite:file:{at}/c%20d.db?cache=private#x"), Some("c d.db")),
        (format!("sqlite:file://localhost{at}/e.db"), Some("e.db")),
        (format!("sqlite:file:{at}/f%.db"), Some("f%.db")),
        ("sqlite::memory:".to_owned(), None),
        ("sqlite:file::memory:".to_owned(), None),
        (format!("sqlite:file:{at}/g.db?mode=memory"), None),
        ("postgres://db/d".to_owned(), None),
    ] {
        let parsed: DatabaseUrl = url.parse().unwrap();
        assert_eq!(sqlite_file(&parsed), file.map(|file| dir.path().join(file)), "{url}");
        create_database(&parsed);
        if let Some(file) = file.map(|file| dir.path().join(file)) {
            assert_eq!(mode(&file), 0o600, "{url}");
            set(&file, 0o644);
            assert!(secure_source(&parsed).is_empty(), "{url}");
            assert_eq!(mode(&file), 0o600, "{url}");
        }
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
}

#[test]
fn keys_and_passwords_that_everyone_can_read_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (key, cert, file) =
        (dir.path().join("key.pem"), dir.path().join("cert.pem"), dir.path().join("some.toml"));
    write(&key, 0o644);
    write(&cert, 0o644);
    let tls = config(&[
        ("tls.key", key.to_str().unwrap()),
        ("tls.cert", cert.to_str().unwrap()),
        ("data_dir", dir.path().join("none").to_str().unwrap()),
    ]);
    let said = secure(&tls);
    assert!(said.len() == 1 && said[0].contains("holds a private key"), "{said:?}");
    // A group may be meant to read it.
    set(&key, 0o640);
    assert!(secure(&tls).is_empty());

    let settings = |text: &str| {
        fs::write(&file, text).unwrap();
        let sources = crate::config::Sources { file: Some(file.clone()), ..Default::default() };
        check_settings(&Config::load(sources).unwrap().settings)
    };
    set(dir.path(), 0o700);
    let secret = "[mail]\nurl = 'smtp://u:hunter2@h'\n[cluster]\nredis_url = 'redis://:hunter2@h'";
    fs::write(&file, "").unwrap();
    set(&file, 0o644);
    let said = settings(secret);
    assert!(said.len() == 1 && said[0].contains("holds a password in "), "{said:?}");
    assert!(!said[0].contains("hunter2"), "{said:?}");
    assert!(settings("[mail]\nurl = 'smtp://localhost'").is_empty());
    set(&file, 0o640);
    assert!(settings(secret).is_empty());
}
