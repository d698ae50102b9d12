//! The examples of "Add it to your app", in a real browser.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::nginx::Nginx;
use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};

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
    let mut stage = Stage::open(&[("web.allowed_origins", "http://app.localhost")]).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", "http://doorward.example");
    stage.play(script).await;
}

/// The example with hosted pages is tested beside the other scenarios of pages, in `browser`.
#[test]
fn an_example_has_at_most_sixty_lines() {
    let mut folders = vec![Path::new(EXAMPLES).to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 60, "{} has {lines} lines", path.display());
            count += 1;
        }
    }
    assert!(count >= 4, "{count}");
}
