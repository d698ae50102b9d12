//! The tutorial of the manual, followed: its files behind nginx, in a real browser.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::nginx::Nginx;
use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};

const TUTORIAL: &str = include_str!("../../docs/TUTORIAL.md");

/// The blocks of code in a language.
fn blocks(language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    let texts = TUTORIAL.split(&start).skip(1);
    texts.map(|text| text.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Writes what the tutorial says to save, as it is after its last step.
fn write_files(dir: &Path, nginx: SocketAddr, doorward: &str) {
    let [page, button] = blocks("html").try_into().expect("a page and a button");
    let [script, click] = blocks("js").try_into().expect("a script and its last part");
    let [config] = blocks("nginx").try_into().expect("a configuration");
    let www = dir.join("www");
    std::fs::create_dir(&www).unwrap();
    let list = "<ul id=\"sessions\"></ul>\n";
    assert!(page.contains(list));
    std::fs::write(www.join("index.html"), page.replace(list, &format!("{list}{button}"))).unwrap();
    std::fs::write(www.join("app.js"), script + &click).unwrap();
    let (listen, pass) = ("listen 127.0.0.1:8000;", "http://127.0.0.1:8080;");
    assert!(config.contains(listen) && config.contains(pass));
    let config =
        config.replace(listen, &format!("listen {nginx};")).replace(pass, &format!("http://{doorward};"));
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
}

#[actix_web::test]
async fn the_tutorial_leads_to_a_page_that_works() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(program) = programs::command("nginx", Needs::Apt("nginx-light")) else { return };
    if programs::command("setpriv", Needs::Apt("util-linux")).is_none() {
        return;
    }
    let Some(mut script) = scenario::node("browser/tutorial.mjs", "playwright-core") else { return };
    let nginx = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://localhost:{}", nginx.port());
    let settings = [("public_url", url.as_str())];
    let mut stage = Stage::open(&settings).await;
    let dir = tempfile::tempdir().unwrap();
    // nginx's workers are no root.
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    write_files(dir.path(), nginx, &stage.address());
    let command = "nginx -e stderr -p . -c nginx.conf -g 'daemon off;'\n";
    assert!(blocks("sh").contains(&command.to_owned()));
    let _nginx = Nginx::start(&program, dir.path(), nginx).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", &url);
    stage.play(script).await;
}
