//! The examples of "Add it to your app", in a real browser and as real processes.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::nginx::Nginx;
use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage, hold};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/add");

#[actix_web::test]
async fn an_app_behind_the_same_address_has_the_cookie() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(program) = programs::command("nginx", Needs::Apt("nginx-light")) else { return };
    if programs::command("setpriv", Needs::Apt("util-linux")).is_none() {
        return;
    }
    let Some(mut script) = scenario::node("browser/add_same_origin.mjs", "playwright-core") else { return };
    let nginx = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://localhost:{}/id", nginx.port());
    let settings = [("public_url", url.as_str()), ("sockets.trusted_proxies", "127.0.0.1")];
    let mut stage = Stage::open(&settings).await;
    let dir = tempfile::tempdir().unwrap();
    // nginx's workers are no root.
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let example = Path::new(EXAMPLES).join("same-origin");
    std::fs::create_dir(dir.path().join("www")).unwrap();
    std::fs::copy(example.join("www/index.html"), dir.path().join("www/index.html")).unwrap();
    let config = std::fs::read_to_string(example.join("nginx.conf")).unwrap();
    let (listen, pass) = ("listen 127.0.0.1:8000;", "http://127.0.0.1:8080/;");
    assert!(config.contains(listen) && config.contains(pass));
    let config = config
        .replace(listen, &format!("listen {nginx};"))
        .replace(pass, &format!("http://{}/;", stage.address()));
    std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
    let _nginx = Nginx::start(&program, dir.path(), nginx).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", &url);
    stage.play(script).await;
}

#[actix_web::test]
async fn an_app_on_another_origin_has_forms_of_its_own() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/add_own_forms.mjs", "playwright-core") else { return };
    // The clock moves on by minutes at once.
    let settings = [("web.allowed_origins", "http://app.localhost"), ("sockets.heartbeat", "10m")];
    let mut stage = Stage::open(&settings).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", "http://doorward.example");
    stage.play(script).await;
}

/// The server under an address that programs reach, too.
async fn play_reachable(mut script: Command, settings: &[(&str, &str)]) {
    // The address is in the settings, so it must be known before the server starts.
    let held = hold(SocketAddr::from(([127, 0, 0, 1], 0)));
    let address = held.local_addr().unwrap().as_socket().unwrap().to_string();
    let url = format!("http://{address}");
    let settings = [&[("http.listen", &*address), ("public_url", &*url)], settings].concat();
    script.env("DOORWARD_URL", &url);
    Stage::open(&settings).await.play(script).await;
}

/// The examples where Node finds their modules.
fn node_project() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["add", "verify"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        for entry in fs::read_dir(Path::new(ROOT).join("examples").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, dir.path().join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    symlink(Path::new(ROOT).join("tests/node/node_modules"), dir.path().join("node_modules")).unwrap();
    dir
}

#[actix_web::test]
async fn a_backend_in_node_sees_revocations_and_manages_users() {
    let Some(node) = programs::command("node", Needs::Apt("nodejs")) else { return };
    let Some(mut script) = scenario::node("backend.mjs", "express") else { return };
    let dir = node_project();
    script.arg(node).arg(dir.path().join("add/backend.mjs"));
    play_reachable(script, &[]).await;
}

#[actix_web::test]
async fn a_backend_in_python_sees_revocations_and_manages_users() {
    let needs = Needs::Pip("fastapi uvicorn httpx 'pyjwt[crypto]'");
    let Some(python) = programs::python("import fastapi, uvicorn, httpx, jwt, cryptography", needs) else {
        return;
    };
    let Some(mut script) = scenario::node("backend.mjs", "express") else { return };
    let dir = node_project();
    script.arg(python).args(["-B", "-m", "uvicorn", "--port", "0", "--app-dir"]);
    script.arg(dir.path().join("add")).arg("backend:app");
    script.env("PYTHONPATH", dir.path().join("verify"));
    play_reachable(script, &[]).await;
}

#[actix_web::test]
async fn a_phone_app_signs_in_with_the_system_browser() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/add_mobile.mjs", "playwright-core") else { return };
    script.env("CHROMIUM", chromium);
    play_reachable(script, &[("web.allowed_origins", "http://app.localhost")]).await;
}

#[actix_web::test]
async fn a_server_rendered_app_has_a_session_of_its_own() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/add_server_rendered.mjs", "playwright-core") else {
        return;
    };
    if !programs::node_module("express") {
        return;
    }
    let dir = node_project();
    script.env("CHROMIUM", chromium).arg(dir.path().join("add/server-rendered.mjs"));
    play_reachable(script, &[("web.allowed_origins", "http://app.localhost")]).await;
}

/// The example with hosted pages is tested beside the other scenarios of pages, in `browser`.
#[test]
fn an_example_is_short() {
    let mut folders = vec![Path::new(EXAMPLES).to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // A backend does more than sign users in. Of its lines, those with code count.
            let is_backend = path.file_stem().is_some_and(|stem| stem == "backend");
            let is_code = |line: &&str| {
                let line = line.trim();
                !line.is_empty() && !["//", "/**", "#", "\"\"\""].iter().any(|start| line.starts_with(start))
            };
            let (lines, most) = if is_backend {
                (text.lines().filter(is_code).count(), 100)
            } else {
                (text.lines().count(), 60)
            };
            assert!(lines <= most, "{} has {lines} lines", path.display());
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}
