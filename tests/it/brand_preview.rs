//! `doorward brand preview`: the brand of the configuration, on pages and in emails, on a server that keeps nothing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::config::BINARY;

/// Killed if a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn a_preview_shows_the_brand_to_its_sample_user_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // A configuration that serves others: none of it may be touched.
    let data = dir.path().join("data");
    let file = dir.path().join("doorward.toml");
    let text = format!(
        "data_dir = {data:?}\npublic_url = \"https://id.example.org\"\n[database]\nurl = \"postgres://nowhere.invalid/x\"\n\
         [mail]\nurl = \"smtps://u:p@mail.invalid\"\n[brand]\nname = \"Äpfel & Birnen\"\ncolour = \"#c2185b\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["brand", "preview", "--listen", "127.0.0.1:0", "--config"]).arg(&file);
    command.env("TMPDIR", dir.path()).current_dir(dir.path()).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let open = lines.find(|line| line.trim_start().starts_with("Open ")).unwrap();
    let url = open.split_whitespace().last().unwrap().to_owned();
    assert!(url.starts_with("http://localhost:"), "{open}");

    let client = awc::Client::default();
    let page = client.get(format!("{url}/login")).send().await.unwrap().body().await.unwrap();
    let page = std::str::from_utf8(&page).unwrap();
    assert!(page.contains("Äpfel &#38; Birnen") && page.contains("/brand.css"), "{page}");
    let body = serde_json::json!({"login": "ada", "password": "plum tree in march rain"});
    let answer = client.post(format!("{url}/api/login")).send_json(&body).await.unwrap();
    assert_eq!(answer.status(), 200);
    let asked = client.post(format!("{url}/api/forgot-password"));
    assert!(asked.send_json(&serde_json::json!({"login": "ada"})).await.unwrap().status().is_success());

    kill_process(Pid::from_child(&running.0), Signal::INT).unwrap();
    assert!(running.0.wait().unwrap().success());
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["doorward.toml"]);
}
