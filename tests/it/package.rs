//! The package `doorward-client`, as `npm pack` makes it: in Node, in Chromium, and its types.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What the type checker is told of a browser's modules.
const BROWSER: [&str; 10] = [
    "--strict",
    "--target",
    "es2022",
    "--module",
    "es2022",
    "--moduleResolution",
    "bundler",
    "--lib",
    "es2022,dom,dom.iterable",
    "--ignoreConfig",
];

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}: {}", said.concat());
}

fn tsc() -> Command {
    Command::new(format!("{ROOT}/tests/node/node_modules/.bin/tsc"))
}

fn copy(file: impl AsRef<Path>, to: &Path) {
    let file = file.as_ref();
    fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
}

/// An npm project that has installed the package from its tarball, and where the package is there. None without npm.
fn project() -> Option<(TempDir, PathBuf)> {
    let npm = programs::command("npm", Needs::Apt("npm"))?;
    let dir = TempDir::new().unwrap();
    let npm = |arguments: &[&str], at: &Path| {
        let mut command = Command::new(&npm);
        // Neither a registry nor the home directory is needed.
        command.args(arguments).args([
            "--offline",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--cache",
        ]);
        run(command.arg(dir.path().join("cache")).current_dir(at));
    };
    npm(&["pack", "--pack-destination", dir.path().to_str().unwrap()], &Path::new(ROOT).join("clients/js"));
    fs::write(dir.path().join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
    npm(&["install", "./doorward-client-0.1.0.tgz"], dir.path());
    let package = dir.path().join("node_modules/doorward-client");
    Some((dir, package))
}

#[test]
fn the_tarball_has_the_modules_their_types_and_the_readme() {
    let Some((_dir, package)) = project() else { return };
    let mut files: Vec<_> = fs::read_dir(&package)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "LICENSE",
            "README.md",
            "answers.d.ts",
            "answers.js",
            "client.d.ts",
            "client.js",
            "doorward.d.ts",
            "doorward.js",
            "listeners.d.ts",
            "listeners.js",
            "live.d.ts",
            "live.js",
            "package.json",
            "presence.d.ts",
            "presence.js",
            "rooms.d.ts",
            "rooms.js",
            "store.d.ts",
            "store.js"
        ]
    );
}

#[actix_web::test]
async fn a_program_in_node_registers_renews_and_reconnects() {
    if !programs::node_module("ws") {
        return;
    }
    let (Some(node), Some((dir, _))) = (programs::command("node", Needs::Apt("nodejs")), project()) else {
        return;
    };
    for script in ["package.mjs", "server.mjs"] {
        copy(format!("{ROOT}/tests/node/{script}"), dir.path());
    }
    let ws = dir.path().join("node_modules/ws");
    std::os::unix::fs::symlink(format!("{ROOT}/tests/node/node_modules/ws"), ws).unwrap();
    let mut script = tokio::process::Command::new(node);
    script.arg(dir.path().join("package.mjs"));
    // The clock jumps by minutes, which must not look like silence of that length.
    let rooms = [
        ("rooms.chat.join", "anyone"),
        ("rooms.chat.send", "joined"),
        ("rooms.chat.presence", "users"),
        ("rooms.staff.join", "role:staff"),
    ];
    let settings = [&[("sockets.heartbeat", "10m"), ("rooms.user.send", "anyone")][..], &rooms].concat();
    Stage::open(&settings).await.play(script).await;
}

#[test]
fn its_rooms_are_joined_again_and_left_as_the_server_says() {
    if let Some(node) = programs::command("node", Needs::Apt("nodejs")) {
        run(Command::new(node).arg(format!("{ROOT}/tests/node/rooms.mjs")));
    }
}

#[test]
fn the_packages_readme_links_to_no_file_of_the_repository() {
    let readme = fs::read_to_string(format!("{ROOT}/clients/js/README.md")).unwrap();
    assert!(!readme.contains("](../") && !readme.contains("](docs/"), "{readme}");
}

#[test]
fn the_package_has_the_repositorys_license() {
    let [own, root] =
        ["clients/js/LICENSE", "LICENSE"].map(|file| fs::read_to_string(format!("{ROOT}/{file}")).unwrap());
    assert_eq!(own, root);
}

#[actix_web::test]
async fn a_registration_that_awaits_a_verified_address_signs_nobody_in() {
    let (Some(node), Some((dir, _))) = (programs::command("node", Needs::Apt("nodejs")), project()) else {
        return;
    };
    for script in ["verification.mjs", "server.mjs"] {
        copy(format!("{ROOT}/tests/node/{script}"), dir.path());
    }
    let mut script = tokio::process::Command::new(node);
    script.arg(dir.path().join("verification.mjs"));
    Stage::open(&[("accounts.require_verified_email", "true")]).await.play(script).await;
}

#[actix_web::test]
async fn tabs_of_an_app_on_another_origin_share_a_login() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some((_dir, package)) = project() else { return };
    let Some(mut script) = scenario::node("browser/package.mjs", "playwright-core") else { return };
    let base = "http://doorward.example";
    let origins = "http://app.localhost, http://app.example";
    let settings = [("web.allowed_origins", origins), ("public_url", base), ("sockets.heartbeat", "10m")];
    let mut stage = Stage::open(&settings).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", base).env("CLIENT_PACKAGE", package);
    stage.play(script).await;
}

#[test]
fn the_packages_types_hold_in_a_strict_program() {
    if !programs::node_module("typescript") {
        return;
    }
    let Some((dir, _)) = project() else { return };
    copy(format!("{ROOT}/tests/node/types.ts"), dir.path());
    run(tsc().args(BROWSER).args(["--noEmit", "types.ts"]).current_dir(dir.path()));
}

/// `cd clients/js && npm run types` writes them.
#[test]
fn the_declarations_are_those_of_the_modules() {
    if !programs::node_module("typescript") {
        return;
    }
    let source = Path::new(ROOT).join("clients/js");
    let modules = ["answers", "client", "doorward", "listeners", "live", "presence", "rooms", "store"];
    // Beside a declaration, the compiler does not read the module.
    let made = TempDir::new().unwrap();
    for module in modules {
        copy(source.join(format!("{module}.js")), made.path());
    }
    let emit = ["--allowJs", "--checkJs", "--declaration", "--emitDeclarationOnly", "--outDir", "."];
    run(tsc().args(BROWSER).args(emit).arg("doorward.js").current_dir(made.path()));
    for module in modules {
        let name = format!("{module}.d.ts");
        let [kept, fresh] = [&*source, made.path()].map(|dir| fs::read_to_string(dir.join(&name)).unwrap());
        assert_eq!(kept, fresh, "{name} is out of date");
    }
}
