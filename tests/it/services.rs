//! What a test needs from outside. Missing, the test is skipped and says so; with `CI=true` that is a failure.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::channel;
use std::thread;

/// How to get it.
#[derive(Clone, Copy)]
pub enum Needs {
    Pip(&'static str),
    Apt(&'static str),
    /// Pinned in `tests/node`.
    Npm,
}

/// The path of a command, if it is there.
pub fn command(name: &str, needs: Needs) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skip(name, needs);
    }
    found
}

/// A Python that can import these modules.
pub fn python(modules: &str, needs: Needs) -> Option<PathBuf> {
    let python = command("python3", Needs::Apt("python3"))?;
    let import = Command::new(&python).arg("-c").arg(format!("import {modules}")).output().unwrap();
    if !import.status.success() {
        skip(modules, needs);
        return None;
    }
    Some(python)
}

/// Whether a module of `tests/node` is installed.
pub fn node_module(name: &str) -> bool {
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/node_modules");
    let there = std::path::Path::new(installed).join(name).is_dir();
    if !there {
        skip(name, Needs::Npm);
    }
    there
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

fn skip(name: &str, needs: Needs) {
    let hint = match needs {
        Needs::Pip(package) => format!("pip install {package}"),
        Needs::Apt(package) => format!("apt-get install {package}"),
        Needs::Npm => "npm ci --prefix tests/node, and tests/node/node_modules/.bin on the PATH".to_owned(),
    };
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{name} is missing: {hint}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name} is missing: {hint}");
}
