//! The Debian package: what it installs, and that an upgrade, a removal and a purge keep the accounts.

use std::path::{Path, PathBuf};
use std::process::Command;

use actix_web::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::PASSWORD;
use crate::support::chroot::Chroot;
use crate::support::config::BINARY;
use crate::support::database::is_postgres;
use crate::support::process::Process;
use crate::support::programs::{self, Needs};
use crate::support::time::{PATIENCE, now};
use crate::support::transports::LiveClient;
use crate::support::websocket::{WebSocketClient, open_at};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SETTINGS: &str = "/etc/doorward/doorward.toml";

/// Stands for systemd: notes what it is asked, and stops the server as systemd would. The test starts it again.
const SYSTEMCTL: &str = r#"
mkdir -p /run/systemd/system
cat > /usr/local/bin/systemctl <<'END'
#!/bin/sh
echo "$*" >> /run/systemctl
case "$*" in
    *restart*doorward.service*|*stop*doorward.service*) kill -TERM "$(cat /run/doorward.pid)" ;;
esac
END
chmod 755 /usr/local/bin/systemctl
"#;

/// Makes packages of the binary under test, which is as `just dist` makes them but for the binary's profile.
struct Maker {
    dir: TempDir,
}

impl Maker {
    fn new() -> Option<Self> {
        programs::command("cargo-deb", Needs::Cargo("cargo-deb"))?;
        programs::command("dpkg-shlibdeps", Needs::Apt("dpkg-dev"))?;
        programs::command("strip", Needs::Apt("binutils"))?;
        let dir = tempfile::tempdir().unwrap();
        let built = dir.path().join("target/dist");
        std::fs::create_dir_all(&built).unwrap();
        succeed(Command::new("strip").arg("-o").arg(built.join("doorward")).arg(BINARY));
        let stage = Path::new(ROOT).join("deploy/stage.sh");
        succeed(Command::new(stage).arg(built.join("doorward")).arg(built.join("package")));
        Some(Self { dir })
    }

    fn make(&self, version: &str) -> PathBuf {
        let file = self.dir.path().join(format!("doorward_{version}.deb"));
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["deb", "--quiet", "--offline", "--no-build", "--no-strip", "--fast"])
            .args(["--package", "doorward", "--deb-version", version, "--output"])
            .arg(&file)
            .env("CARGO_TARGET_DIR", self.dir.path().join("target"))
            .current_dir(ROOT);
        succeed(&mut command);
        file
    }

    fn staged(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("target/dist/package").join(name)).unwrap()
    }
}

#[track_caller]
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}: {}", said.concat());
}

/// Starts the installed server as the service's user, on free ports.
async fn start(system: &Chroot) -> Process {
    let mut command = system.as_user("doorward", "doorward");
    command
        .args(["serve", "--config", SETTINGS, "--listen", "127.0.0.1:0", "--set", "tcp.listen=127.0.0.1:0"])
        .args(["--set", "password.insecure_cost=true", "--set", "password.cost=4"])
        // The port changes with each start, and the issuer of tokens must not.
        .args(["--set", "public_url=http://localhost:8080"]);
    let process = Process::of(command, None).await;
    system.run(&format!("echo {} > /run/doorward.pid", process.id()));
    process
}

async fn token(process: &Process) -> String {
    let answer = process.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await;
    answer.expect(200).str("access_token")
}

async fn connect(process: &Process, token: &str) -> WebSocketClient {
    let bearer = format!("Bearer {token}");
    let mut socket = open_at(process.address, &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(socket.next().await["type"], "welcome");
    socket
}

/// What was asked of systemd since the last time.
fn asked(system: &Chroot) -> String {
    system.run("cat /run/systemctl; : > /run/systemctl")
}

#[actix_web::test]
async fn a_debian_package_is_installed_upgraded_and_removed_and_the_accounts_stay() {
    // The package runs on SQLite until its settings say otherwise.
    if is_postgres() {
        return;
    }
    if programs::command("adduser", Needs::Apt("adduser")).is_none() {
        return;
    }
    let (Some(maker), Some(system)) = (Maker::new(), Chroot::make()) else { return };
    for version in ["1.0.0-1", "1.0.0-2"] {
        system.copy(&maker.make(version), &format!("/tmp/doorward_{version}.deb"));
    }

    // Without systemd, as in a container: the package must install, and must start nothing.
    let said = system.run("dpkg -i /tmp/doorward_1.0.0-1.deb");
    assert!(said.contains("sudo -u doorward doorward --config"), "{said}");
    is_installed(&system, &maker);

    let process = start(&system).await;
    let ann = json!({"username": "ann", "password": PASSWORD});
    process.post("/api/register", ann).await.expect(201);
    let access = token(&process).await;
    let mut socket = connect(&process, &access).await;
    // Operator commands, as the package's message says.
    let list = format!("doorward --config {SETTINGS} user list");
    let listed = system.as_user("doorward", "sh").args(["-c", &list]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("ann"), "{listed:?}");

    let process = upgrade(&system, process, &mut socket, &access).await;
    remove(&system, process).await;
}

fn is_installed(system: &Chroot, maker: &Maker) {
    // Every file is as packed; the settings' group was changed, which is not checked.
    assert_eq!(system.run("dpkg -V doorward"), "");
    assert!(system.run("dpkg-query -W -f '${Conffiles}' doorward").contains(SETTINGS));
    let stat = |path: &str| system.run(&format!("stat -c '%U:%G %a' {path}")).trim().to_owned();
    assert_eq!(stat(SETTINGS), "root:doorward 640");
    assert_eq!(stat("/var/lib/doorward"), "doorward:doorward 700");
    assert_eq!(stat("/usr/bin/doorward"), "root:root 755");
    assert!(
        system.run("getent passwd doorward").trim_end().ends_with(":/var/lib/doorward:/usr/sbin/nologin")
    );
    system.run("test -L /etc/systemd/system/multi-user.target.wants/doorward.service");

    // The settings are those that `doorward config init` writes, and change only where the data is.
    let written = system.run("doorward config init --data-dir /var/lib/doorward --file -");
    assert_eq!(system.run(&format!("cat {SETTINGS}")), written);
    assert_eq!(maker.staged("doorward.toml"), written);
    let table = system.run(&format!("doorward config --config {SETTINGS}"));
    let is_set = |line: &&str| !line.ends_with("default") && !line.contains("follows ");
    let changed: Vec<&str> = table.lines().skip(1).filter(is_set).collect();
    assert!(matches!(changed[..], [line] if line.starts_with("data_dir ")), "{table}");

    let unit = system.run("cat /usr/lib/systemd/system/doorward.service");
    assert_eq!(unit, std::fs::read_to_string(Path::new(ROOT).join("deploy/doorward.service")).unwrap());
    let files = system.run("dpkg-deb -c /tmp/doorward_1.0.0-1.deb");
    for file in [
        "/usr/share/man/man1/doorward.1.gz",
        "/usr/share/man/man1/doorward-user-add.1.gz",
        "/usr/share/man/man1/doorward-backup-check.1.gz",
        "/usr/share/bash-completion/completions/doorward",
        "/usr/share/zsh/vendor-completions/_doorward",
        "/usr/share/fish/vendor_completions.d/doorward.fish",
        "/usr/share/doc/doorward/copyright",
    ] {
        assert!(files.lines().any(|line| line.ends_with(&format!(".{file}"))), "{file}: {files}");
    }
}

/// Replaces the package under the server, with edited settings and a live socket. Returns the server after it.
async fn upgrade(
    system: &Chroot,
    mut process: Process,
    socket: &mut WebSocketClient,
    access: &str,
) -> Process {
    system.run(SYSTEMCTL);
    system.run(&format!("echo '# edited' >> {SETTINGS}; chmod 600 {SETTINGS}; chown doorward {SETTINGS}"));
    let before = now();
    let said = system.run("dpkg -i /tmp/doorward_1.0.0-2.deb");
    assert!(!said.contains("sudo -u doorward"), "{said}");
    let asked = asked(system);
    assert!(asked.contains("restart doorward.service") && asked.contains("daemon-reload"), "{asked}");
    assert!(!asked.contains("stop doorward"), "it serves until the new program is in place: {asked}");

    assert_eq!(socket.ends(1012).await.goodbye["reconnect"], "backoff");
    assert!(process.ended().await.success());
    let process = start(system).await;
    // The login lives on: neither a password nor a refresh is needed.
    connect(&process, access).await;
    assert!(now() - before < PATIENCE);
    let me = process.call(Method::GET, "/api/me", access, Value::Null).await.expect(200);
    assert_eq!(me.str("username"), "ann");

    assert_eq!(system.run(&format!("tail -n 1 {SETTINGS}")), "# edited\n");
    assert_eq!(system.run(&format!("stat -c '%U %a' {SETTINGS}")), "doorward 600\n");
    assert_eq!(system.run("dpkg-query -W -f '${Version}' doorward"), "1.0.0-2");
    process
}

/// Removes the package under the server, installs it again, and purges it.
async fn remove(system: &Chroot, mut process: Process) {
    system.run("dpkg -r doorward");
    assert!(asked(system).contains("stop doorward.service"));
    assert!(process.ended().await.success());
    system.fails("test -e /usr/bin/doorward");
    system.run(&format!("test -e {SETTINGS} && test -e /var/lib/doorward/doorward.db"));

    system.run("dpkg -i /tmp/doorward_1.0.0-2.deb");
    let process = start(system).await;
    token(&process).await;
    drop(process);

    let said = system.run("dpkg -P doorward");
    assert!(said.contains("/var/lib/doorward is kept"), "{said}");
    system.fails(
        "test -e /etc/doorward || test -L /etc/systemd/system/multi-user.target.wants/doorward.service",
    );
    system.run("test -e /var/lib/doorward/doorward.db && getent passwd doorward");

    // What holds no accounts is not kept.
    system.run("dpkg -i /tmp/doorward_1.0.0-1.deb && rm -r /var/lib/doorward/* && dpkg -P doorward");
    system.fails("test -e /var/lib/doorward");
}
