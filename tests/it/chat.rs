//! The chat of `examples/chat`, in real browsers; and the manual's tutorial for a smaller one, followed.

#[path = "../../examples/chat/main.rs"]
mod example;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::balancer::Balancer;
use crate::support::cluster::Nodes;
use crate::support::programs::{self, Needs};
use crate::support::redis::Redis;
use crate::support::scenario::{self, Stage};
use crate::support::time::{PATIENCE, now};

const TUTORIAL: &str = include_str!("../../docs/CHAT.md");

/// The clock stands still, which is not silence.
const PATIENT: (&str, &str) = ("sockets.heartbeat", "10m");

#[actix_web::test]
async fn two_people_chat_in_two_windows() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/chat.mjs", "playwright-core") else { return };
    let settings = [&example::SETTINGS[..], &[PATIENT]].concat();
    let mut stage = Stage::open_embedded(&settings, example::additions()).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", format!("http://{}", stage.address()));
    stage.play(script).await;
}

#[actix_web::test]
async fn a_ban_on_one_node_ends_the_room_in_a_window_on_the_other() {
    let Some(redis) = Redis::start() else { return };
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/chat_nodes.mjs", "playwright-core") else { return };
    let trusted = ("sockets.trusted_proxies", "127.0.0.1");
    let nodes = Nodes::none(Some(&redis), &[&example::SETTINGS[..], &[PATIENT, trusted]].concat());
    let both = [nodes.start_with(example::additions()).await, nodes.start_with(example::additions()).await];
    let Some(balancer) = Balancer::nginx(&both).await else { return };
    let [first, second] = both;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", format!("http://{}", balancer.http));
    Stage::of_nodes(first, vec![second]).play(script).await;
}

/// The blocks of code in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    TUTORIAL.split(&start).skip(1).map(|text| text.split("```").next().unwrap_or_default()).collect()
}

/// Writes what the tutorial says to save, as it is after its last step.
fn write_files(dir: &Path, doorward: &str) {
    let [page] = blocks("html").try_into().expect("a page");
    let scripts = blocks("js").concat();
    let here = "http://localhost:8080";
    assert!(scripts.contains(here));
    std::fs::write(dir.join("index.html"), page).unwrap();
    std::fs::write(dir.join("app.js"), scripts.replace(here, doorward)).unwrap();
}

/// Serves a directory as the tutorial does.
struct Files(Child);

impl Files {
    fn serve(dir: &Path, at: SocketAddr) -> Self {
        let mut command = Command::new("python3");
        command.args(["-m", "http.server", &at.port().to_string(), "--bind", "127.0.0.1"]).current_dir(dir);
        let files = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let deadline = now() + PATIENCE;
        while std::net::TcpStream::connect(at).is_err() {
            assert!(now() < deadline, "the files are not served");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        files
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn the_tutorial_leads_to_a_chat_that_works() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    if programs::command("python3", Needs::Apt("python3")).is_none() {
        return;
    }
    let Some(mut script) = scenario::node("browser/chat_tutorial.mjs", "playwright-core") else { return };
    let files = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://localhost:{}", files.port());
    // The configuration of the tutorial, with this port.
    let [config] = blocks("toml").try_into().expect("a configuration");
    assert!(config.contains("http://localhost:8000"));
    let dir = tempfile::tempdir().unwrap();
    let keys: toml::Table = config.replace("http://localhost:8000", &url).parse().unwrap();
    let settings = flat("", &toml::Value::Table(keys));
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut stage = Stage::open(&settings).await;
    write_files(dir.path(), &format!("http://localhost:{}", stage.address().rsplit_once(':').unwrap().1));
    assert!(blocks("sh").contains(&"python3 -m http.server 8000\n"));
    let _files = Files::serve(dir.path(), files);
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", &url);
    stage.play(script).await;
}

/// `[a] b = ["c"]` as `a.b` = `c`.
fn flat(prefix: &str, value: &toml::Value) -> Vec<(String, String)> {
    match value {
        toml::Value::Table(table) => {
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
            table.iter().flat_map(|(key, value)| flat(&format!("{prefix}{key}"), value)).collect()
        }
        toml::Value::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(toml::Value::as_str).collect();
            vec![(prefix.to_owned(), texts.join(","))]
        }
        toml::Value::String(text) => vec![(prefix.to_owned(), text.clone())],
        other => vec![(prefix.to_owned(), other.to_string())],
    }
}
