//! Settings that are certainly mistakes, from the usual sources: env files, secrets in files, the variables that
//! Kubernetes adds; and files that belong to another user.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::config::{BINARY, Settings, variable};
use crate::support::database::{self, is_postgres};
use crate::support::process::Process;
use crate::support::programs;

/// In an empty directory.
fn doorward(arguments: &[&str], variables: &[(&str, &str)]) -> (TempDir, Output) {
    let dir = tempfile::tempdir().unwrap();
    let output = Settings::default()
        .with(variables)
        .command()
        .args(arguments)
        .current_dir(dir.path())
        .output()
        .unwrap();
    (dir, output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn refused(arguments: &[&str], variables: &[(&str, &str)], words: &str) {
    let (dir, output) = doorward(arguments, variables);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{variables:?}: {error}");
    assert!(error.contains(words), "{variables:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was made");
}

#[test]
fn a_quoted_path_makes_no_directory() {
    for (value, words) in [
        (
            "\"/srv/data\"",
            "the quotes are part of the value (Docker does not strip quotes in env files): write /srv/data",
        ),
        ("'/srv/data'", "the quotes are part of the value"),
        ("/srv/data\r", "it ends with a carriage return"),
        ("/srv/data ", "the white space before or after it is part of the value: write /srv/data"),
        (" data", "the white space before or after it"),
        ("\u{a0}data", "the white space before or after it"),
        ("", "it is empty"),
        ("~/data", "~ is not expanded here"),
    ] {
        for command in [&["serve"][..], &["config"], &["user", "list"]] {
            refused(
                command,
                &[("DOORWARD_DATA_DIR", value)],
                &format!("(environment DOORWARD_DATA_DIR): {words}"),
            );
        }
        let flag = format!("data_dir={value}");
        let words = words.replace(" (Docker does not strip quotes in env files)", "");
        refused(&["serve", "--set", &flag], &[], &format!("(command line): {words}"));
        refused(&["serve", "--data-dir", value], &[], &format!("(command line): {words}"));
    }
}

#[test]
fn every_setting_refuses_quotes_and_shows_no_secret() {
    let (_, output) = doorward(&["config"], &[]);
    let table = text(&output.stdout);
    let keys: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(keys.len() > 40 && keys.contains(&"database.url"), "{table}");
    for key in keys {
        let variable = variable(key);
        refused(&["serve"], &[(&variable, "\"smtp://u:hunter2@h\"")], &format!("{key} cannot be "));
        refused(&["serve"], &[(&variable, "smtp://u:hunter2@h\r")], &format!("{key} cannot be "));
    }
}

#[actix_web::test]
async fn a_server_starts_with_settings_from_files_and_with_variables_of_kubernetes() {
    let dir = tempfile::tempdir().unwrap();
    let level = dir.path().join("level");
    fs::write(&level, "warn\r\n").unwrap();
    let level = level.display().to_string();
    let variables = [
        ("DOORWARD_LOG__LEVEL_FILE", level.as_str()),
        ("DOORWARD_PORT", "tcp://10.0.0.1:80"),
        ("DOORWARD_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("DOORWARD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("DOORWARD_PORT_80_TCP_PORT", "80"),
        ("DOORWARD_PORT_80_TCP_PROTO", "tcp"),
        ("DOORWARD_SERVICE_HOST", "10.0.0.1"),
        ("DOORWARD_SERVICE_PORT", "80"),
        ("DOORWARD_SERVICE_PORT_HTTP", "80"),
    ];
    let process = Process::start(&variables).await;
    let log = process.output();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("enableServiceLinks: false")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("DOORWARD_PORT and 7 others"), "{log}");
}

#[test]
fn what_only_looks_like_a_variable_of_kubernetes_is_a_misspelt_key() {
    refused(
        &["serve"],
        &[("DOORWARD_PORT", "8080")],
        "did you mean http.listen? Its variable is DOORWARD_HTTP__LISTEN",
    );
    refused(&["serve"], &[("DOORWARD_SERVICE_PORT", "80")], "unknown key service_port");
}

#[test]
fn the_password_of_a_database_is_explained_and_not_shown() {
    for url in ["postgres://u:hunter2%s@h/d", "postgres://u:12/hunter2@h/d", "postgres://u:hunter2@2@h/d"] {
        refused(&["serve"], &[("DOORWARD_DATABASE__URL", url)], "in a password, write % as %25, / as %2F");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("url");
        fs::write(&file, format!("{url}\n")).unwrap();
        let file = file.display().to_string();
        refused(&["serve"], &[("DOORWARD_DATABASE__URL_FILE", &file)], "in a password, write % as %25");
    }
}

/// A user of the system with nothing of its own.
const NOBODY: u32 = 65534;

/// `doorward` as another user. The program is named by an open file: its directory may be closed to that user.
fn as_unprivileged_user(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            &format!("--reuid={NOBODY}"),
            &format!("--regid={NOBODY}"),
            "--clear-groups",
            "/proc/self/fd/0",
        ])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(Settings::cheap().variables())
        .current_dir(dir)
        .stdin(File::open(BINARY).unwrap());
    command
}

fn set(path: &Path, mode: u32, owner: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A directory that all users may enter, with one for data that belongs to the unprivileged user.
fn homes() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    set(dir.path(), 0o755, 0);
    set(&data, 0o700, NOBODY);
    (dir, data)
}

#[track_caller]
fn denied(mut command: Command, code: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let error = text(&output.stderr);
    let last = error.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{error}");
    for words in words {
        assert!(last.contains(words), "{words}: {error}");
    }
    assert!(last.contains("this process runs as") && last.contains("uid 65534"), "{error}");
}

#[test]
fn a_database_of_another_user_is_named_with_owner_and_mode() {
    if is_postgres() || !programs::change_user() {
        return;
    }
    let (dir, data) = homes();
    // As root in the server's directory, the usual way to cause this.
    let mut child = Command::new(BINARY)
        .args(["user", "add", "kim", "--create", "--data-dir"])
        .arg(&data)
        .env_clear()
        .envs(Settings::cheap().variables())
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"plum tree in march rain\n").unwrap();
    assert!(child.wait().unwrap().success());
    let database = data.join("doorward.db");
    let shown = data.display().to_string();
    let arguments = |command: &[&'static str]| [command, &["--data-dir", "data"]].concat();
    for command in [&["serve"][..], &["user", "list"], &["backup", "copy.db"]] {
        let words =
            ["cannot open the database", &format!("{shown}/doorward.db belongs to root (uid 0), mode 600")];
        denied(as_unprivileged_user(dir.path(), &arguments(command)), 1, &words);
    }
    // Only a file beside it: what a server left that root had started.
    set(&database, 0o600, NOBODY);
    fs::write(data.join("doorward.db-wal"), "").unwrap();
    set(&data.join("doorward.db-wal"), 0o600, 0);
    denied(
        as_unprivileged_user(dir.path(), &arguments(&["serve"])),
        1,
        &["doorward.db-wal belongs to root (uid 0), mode 600"],
    );
    fs::remove_file(data.join("doorward.db-wal")).unwrap();
    let _ = fs::remove_file(data.join("doorward.db-shm"));
    // One that may be read and not written.
    set(&database, 0o644, 0);
    denied(
        as_unprivileged_user(dir.path(), &arguments(&["serve"])),
        1,
        &["doorward.db belongs to root (uid 0), mode 644"],
    );
    set(&database, 0o600, NOBODY);
    // Its directory.
    set(&data, 0o755, 0);
    denied(
        as_unprivileged_user(dir.path(), &arguments(&["serve"])),
        1,
        &[&format!("{shown} belongs to root (uid 0), mode 755")],
    );
    set(&data, 0o700, 0);
    for command in [&["serve"][..], &["user", "list"]] {
        let words = [format!("{shown} belongs to root (uid 0), mode 700")];
        denied(as_unprivileged_user(dir.path(), &arguments(command)), 1, &[&words[0]]);
    }
}

#[test]
fn other_files_of_another_user_are_named_as_well() {
    if !programs::change_user() {
        return;
    }
    let (dir, data) = homes();
    let url = database::url(&data);
    let write = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        set(&path, 0o600, 0);
        path.display().to_string()
    };
    let secret = write("secret", "sqlite:x.db\n");
    let settings = write("other.toml", "");
    let people = write("people.csv", "username,hash\n");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) =
        (write("cert.pem", &made.cert.pem()), write("key.pem", &made.signing_key.serialize_pem()));
    let of_root = |path: &str| format!("{path} belongs to root (uid 0), mode 600");

    let mut command = as_unprivileged_user(dir.path(), &["serve"]);
    command.env("DOORWARD_DATABASE__URL_FILE", &secret);
    denied(command, 2, &["database.url cannot be read", "DOORWARD_DATABASE__URL_FILE", &of_root(&secret)]);
    denied(as_unprivileged_user(dir.path(), &["serve", "--config", &settings]), 2, &[&of_root(&settings)]);
    denied(as_unprivileged_user(dir.path(), &["import", &people, "--dry-run"]), 1, &[&of_root(&people)]);
    let tls = |cert: &str| {
        let mut command =
            as_unprivileged_user(dir.path(), &["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]);
        command.env("DOORWARD_TLS__CERT", cert).env("DOORWARD_TLS__KEY", &key);
        command.envs(url.iter().map(|url| ("DOORWARD_DATABASE__URL", url)));
        command
    };
    denied(tls(&cert), 1, &["cannot use", &of_root(&cert)]);
    fs::set_permissions(&cert, Permissions::from_mode(0o644)).unwrap();
    denied(tls(&cert), 1, &["cannot use", &of_root(&key)]);
    // A directory for kept emails that this process may not write to.
    fs::create_dir(data.join("mail")).unwrap();
    set(&data.join("mail"), 0o700, 0);
    let mut command =
        as_unprivileged_user(dir.path(), &["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]);
    command.envs(url.iter().map(|url| ("DOORWARD_DATABASE__URL", url)));
    denied(
        command,
        1,
        &["cannot keep emails", &format!("{}/mail belongs to root (uid 0), mode 700", data.display())],
    );
    // A directory that cannot be made, and a copy that cannot be written.
    let mut command = as_unprivileged_user(dir.path(), &["serve", "--data-dir", "another/one"]);
    command.envs(url.iter().map(|url| ("DOORWARD_DATABASE__URL", url)));
    let shown = format!("{} belongs to root (uid 0), mode 755", dir.path().display());
    denied(command, 1, &["cannot use the data directory another/one", &shown]);
    // A configuration in a directory that is closed.
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("doorward.toml"), "").unwrap();
    set(&closed, 0o700, 0);
    let shown = format!("{} belongs to root (uid 0), mode 700", closed.display());
    denied(as_unprivileged_user(dir.path(), &["serve", "--config", "closed/doorward.toml"]), 2, &[&shown]);
}
