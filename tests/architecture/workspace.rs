//! The real workspace: what cargo knows of it, and its source files.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::tree::Root;

pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(top().join(file)).ok()
}

/// What cargo prints.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(top()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// The roots of all libraries, programs and examples of the workspace, relative to its top.
pub fn roots() -> Vec<Root> {
    let printed = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&printed).expect("metadata is JSON");
    let mut roots = Vec::new();
    for target in list(&metadata["packages"]).flat_map(|package| list(&package["targets"])) {
        let is = |kind: &str| list(&target["kind"]).any(|one| one == kind);
        if !(is("lib") || is("bin") || is("example")) {
            continue;
        }
        let file = Path::new(target["src_path"].as_str().expect("a target has a file"));
        let name = target["name"].as_str().expect("a target has a name").replace('-', "_");
        let file = file.strip_prefix(top()).expect("members are below the workspace").to_owned();
        roots.push(Root { name: is("lib").then_some(name), file });
    }
    roots
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The names of the packages that a member is built with.
pub fn dependencies(member: &str) -> Vec<String> {
    let printed = cargo(&[
        "tree",
        "--offline",
        "--locked",
        "--package",
        member,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    printed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// All Rust files of the workspace, tests too, with their text, relative to its top.
pub fn sources() -> Vec<(PathBuf, String)> {
    let mut folders: Vec<PathBuf> =
        ["src", "crates", "tests", "benches", "examples", "fuzz/fuzz_targets"].map(PathBuf::from).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(top().join(&folder)).expect("a folder can be read") {
            let entry = entry.expect("a folder can be read");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a file has a type").is_dir() {
                if !path.ends_with("node_modules") && !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read(&path).expect("a source file can be read");
                files.push((path, text));
            }
        }
    }
    files.sort();
    files
}
