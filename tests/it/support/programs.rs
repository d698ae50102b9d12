//! Programs that a test needs, and whether they can be used: on a developer's machine one may be missing, too old,
//! without the part that is needed, or not allowed to do its work. Then the test is skipped and says so; with `CI=true`
//! that is a failure.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How to get it.
#[derive(Clone, Copy)]
pub enum Needs {
    Pip(&'static str),
    Apt(&'static str),
    Cargo(&'static str),
    /// Pinned in `tests/node`.
    Npm,
    /// Pinned in `tests/node/openapi`.
    NpmOpenApi,
}

impl Needs {
    fn hint(self) -> String {
        match self {
            Self::Pip(package) => format!("pip install {package}"),
            Self::Apt(package) => format!("apt-get install {package}"),
            Self::Cargo(package) => format!("cargo install {package} --locked"),
            Self::NpmOpenApi => {
                "npm ci --prefix tests/node/openapi, and its node_modules/.bin on the PATH".to_owned()
            }
            Self::Npm => {
                "npm ci --prefix tests/node, and tests/node/node_modules/.bin on the PATH".to_owned()
            }
        }
    }
}

/// How to see that a program is the one that is meant.
struct Probe {
    name: &'static str,
    arguments: &'static [&'static str],
    /// What it prints then, in a version that will do.
    says: &'static str,
    /// The first two numbers of the oldest version that will do; none where any will.
    least: Option<[u32; 2]>,
}

const fn probe(
    name: &'static str,
    arguments: &'static [&'static str],
    says: &'static str,
    least: Option<[u32; 2]>,
) -> Probe {
    Probe { name, arguments, says, least }
}

const PROBES: &[Probe] = &[
    probe("bash", &["--version"], "bash", Some([4, 2])),
    // What `/usr/bin/chromium` is on some systems only asks to install something else.
    probe("chromium", &["--version"], "Chrom", Some([110, 0])),
    probe("curl", &["--version"], "curl", None),
    probe("fail2ban-regex", &["--version"], "fail2ban-regex", None),
    probe("go", &["version"], "go version", Some([1, 18])),
    // That of BSD and BusyBox cannot.
    probe("env", &["--default-signal=HUP", "echo", "it works"], "it works", None),
    probe("haproxy", &["-v"], "HA", Some([2, 6])),
    probe("kosoku", &["-h"], "fuzzingclient", None),
    // There are several; that of OpenBSD alone can close its side when its input ends.
    probe("nc", &["-h"], "\t-N\t", None),
    probe("nginx", &["-v"], "nginx", Some([1, 18])),
    probe("node", &["--version"], "v", Some([18, 0])),
    probe("openapi-typescript", &["--version"], "v7", None),
    probe("openssl", &["version"], "OpenSSL", Some([1, 1])),
    probe("pgbouncer", &["--version"], "PgBouncer", Some([1, 12])),
    probe("prometheus", &["--version"], "prometheus, version", Some([2, 30])),
    probe("promtool", &["--version"], "promtool, version", Some([2, 30])),
    probe("psql", &["--version"], "psql", None),
    probe("python3", &["--version"], "Python", Some([3, 8])),
    probe("redis-server", &["--version"], "server v=", Some([5, 0])),
    probe("schemathesis", &["--version"], "schemathesis", Some([4, 0])),
    // That of BusyBox does not end a program with its parent.
    probe("setpriv", &["--pdeathsig", "TERM", "echo", "it works"], "it works", None),
    // That of BSD takes other arguments.
    probe("ruby", &["--version"], "ruby", Some([2, 7])),
    probe("script", &["--version"], "util-linux", None),
    probe("sqlite3", &["--version"], "3.", Some([3, 8])),
    probe("wscat", &["--version"], ".", Some([5, 0])),
];

/// The path of a command, if it is there and can be used.
pub fn command(name: &str, needs: Needs) -> Option<PathBuf> {
    let Some(path) = on_path(name) else {
        skip(name, "is missing", &needs.hint());
        return None;
    };
    match usable(name, &path) {
        Ok(()) => Some(path),
        Err(why) => {
            skip(name, &why, &needs.hint());
            None
        }
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).map(|path| path.join(name)).find(is_program)
}

/// Asked once a program: some take a second to answer.
fn usable(name: &str, path: &Path) -> Result<(), String> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, Result<(), String>>>> = Mutex::new(None);
    let Some(probe) = PROBES.iter().find(|probe| probe.name == name) else { return Ok(()) };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().entry(path.to_owned()).or_insert_with(|| probe.ask(path)).clone()
}

impl Probe {
    fn ask(&self, path: &Path) -> Result<(), String> {
        let said = match Command::new(path).args(self.arguments).stdin(Stdio::null()).output() {
            // Some print it to one, some to the other, and not all of them end well.
            Ok(output) => [output.stdout, output.stderr].concat(),
            Err(error) => return Err(format!("cannot be run ({error})")),
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        if !said.contains(self.says) {
            let first = said.lines().next().unwrap_or_default();
            return Err(format!("is another program than is meant, or lacks what is needed ({first:?})"));
        }
        let Some(least) = self.least else { return Ok(()) };
        match version(&said) {
            Some(found) if found < least => {
                Err(format!("is too old: {}.{}, and {}.{} is needed", found[0], found[1], least[0], least[1]))
            }
            _ => Ok(()),
        }
    }
}

/// The first two numbers with a point between.
fn version(text: &str) -> Option<[u32; 2]> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.into_iter().find_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(second))) => Some([first, second]),
            _ => None,
        }
    })
}

/// nginx with its module `stream`, which Debian has in a package of its own.
pub fn nginx() -> Option<PathBuf> {
    let needs = Needs::Apt("nginx-light libnginx-mod-stream");
    let nginx = command("nginx", needs)?;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("nginx.conf");
    // As in `deploy/nginx.conf`.
    let text = format!(
        "pid {0}/pid; error_log stderr; include /etc/nginx/modules-enabled/*.conf; events {{}} stream {{}}\n",
        dir.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let tried = Command::new(&nginx).arg("-t").arg("-c").arg(&config).output().unwrap();
    if tried.status.success() {
        return Some(nginx);
    }
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    let why = said.lines().find(|line| line.contains("emerg")).unwrap_or_default();
    skip("nginx", &format!("cannot be used with its module stream ({why})"), &needs.hint());
    None
}

/// A Python that can run these statements.
pub fn python(statements: &str, needs: Needs) -> Option<PathBuf> {
    let python = command("python3", Needs::Apt("python3"))?;
    let run = Command::new(&python).arg("-c").arg(statements).output().unwrap();
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let why = said.lines().last().unwrap_or_default();
        skip("what Python needs", &format!("cannot be used ({statements}: {why})"), &needs.hint());
        return None;
    }
    Some(python)
}

/// Whether a module of `tests/node` is installed, in the version that is pinned there.
pub fn node_module(name: &str) -> bool {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node");
    let read = |path: PathBuf| -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    };
    let installed = read(Path::new(root).join("node_modules").join(name).join("package.json"));
    let pinned = read(Path::new(root).join("package.json")).unwrap()["dependencies"][name].clone();
    let why = match installed {
        None => "is missing".to_owned(),
        Some(installed) if installed["version"] != pinned => {
            format!("is of version {}, and {pinned} is needed", installed["version"])
        }
        Some(_) => return true,
    };
    skip(name, &why, &Needs::Npm.hint());
    false
}

/// Whether tests may be run as another user than root, who may do everything.
pub fn change_user() -> bool {
    let Some(setpriv) = command("setpriv", Needs::Apt("util-linux")) else { return false };
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let tried = Command::new(setpriv)
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", "."])
        .current_dir(dir.path())
        .output()
        .unwrap();
    tried.status.success() || {
        let said = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
        privileged("running a program as another user", &said)
    }
}

/// What only root may do, and not in every container, could not be done.
pub fn privileged(what: &str, said: &str) -> bool {
    if rustix::process::getuid().is_root() {
        skip(what, &format!("is not allowed here ({said})"), "a container with more privileges");
    } else {
        // Nor would a user of CI be root.
        say(&format!("SKIPPED: {what} needs root"));
    }
    false
}

/// Starts a server that is to end with this process (`setpriv --pdeathsig`). It ends with the thread that started it,
/// as those of tests do: so that thread stays.
pub fn start(mut command: Command) -> Child {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        sender.send(command.spawn().unwrap()).unwrap();
        loop {
            thread::park();
        }
    });
    receiver.recv().unwrap()
}

/// Says that a test is skipped, and why. In CI that is a failure.
pub fn skip(name: &str, why: &str, hint: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{name} {why}: {hint}");
    say(&format!("SKIPPED: {name} {why}: {hint}"));
}

fn say(line: &str) {
    // Past what the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn a_program_that_cannot_be_used_is_told_from_one_that_can() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let ask = |name: &str, script: &str| {
        let path = dir.path().join(uuid::Uuid::now_v7().to_string());
        // Written by another process: one that this process has open for writing while it forks cannot be run.
        let made = Command::new("sh")
            .args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .arg(format!("#!/bin/sh\n{script}\n"))
            .status()
            .unwrap();
        assert!(made.success() && path.metadata().unwrap().permissions().mode() & 0o111 != 0);
        PROBES.iter().find(|probe| probe.name == name).unwrap().ask(&path)
    };
    assert_eq!(ask("nginx", "echo 'nginx version: nginx/1.22.1' >&2"), Ok(()));
    assert!(ask("nginx", "echo 'nginx version: nginx/1.9.15' >&2").unwrap_err().contains("too old: 1.9"));
    assert!(ask("chromium", "echo install the snap; exit 1").unwrap_err().contains("install the snap"));
    assert_eq!(ask("chromium", "echo Chromium 156.0.8078.108"), Ok(()));
    assert!(ask("nc", "echo 'usage: nc [-lp]'; exit 1").unwrap_err().contains("another program"));
    assert_eq!(ask("nc", "printf '\\t-N\\tShutdown\\n'; exit 1"), Ok(()));
    assert_eq!(ask("haproxy", "echo HA-Proxy version 2.6.12-1"), Ok(()));
    assert!(ask("haproxy", "echo HA-Proxy version 2.2.9-2").unwrap_err().contains("2.6 is needed"));
    assert!(ask("node", "echo v16.20.2").unwrap_err().contains("18.0 is needed"));
    let missing = PROBES[0].ask(Path::new("/nowhere/bash")).unwrap_err();
    assert!(missing.contains("cannot be run"), "{missing}");
    assert_eq!(on_path("no-such-program-anywhere"), None);
}
