//! What a test needs from outside. Missing, the test is skipped and says so; with `CI=true` that is a failure.

use std::path::PathBuf;

/// How to get it.
#[derive(Clone, Copy)]
pub enum Needs {
    Pip(&'static str),
    Apt(&'static str),
}

/// The path of a command, if it is there.
pub fn command(name: &str, needs: Needs) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    if found.is_none() {
        let hint = match needs {
            Needs::Pip(package) => format!("pip install {package}"),
            Needs::Apt(package) => format!("apt-get install {package}"),
        };
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{name} is missing: {hint}");
        eprintln!("SKIPPED: {name} is missing: {hint}");
    }
    found
}
