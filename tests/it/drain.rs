//! How the server stops.

use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::app::{PASSWORD, spawn_app, spawn_with};
use crate::support::config::{BINARY, Settings};
use crate::support::process::Process;
use crate::support::programs::{self, Needs};
use crate::support::raw_http;
use crate::support::socketio::{PollingClient, SocketIoClient};
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::open_at;

#[actix_web::test]
async fn every_socket_is_sent_a_goodbye_and_requests_finish() {
    let mut app =
        spawn_with(&[("sockets.max_per_user", "600"), ("sockets.max_waiting_per_address", "200")]).await;
    let ann = app.register("ann").await;
    let mut sockets = join_all((0..300).map(|_| app.live(&ann))).await;
    let mut lines = join_all((0..100).map(|_| TcpClient::live(&app, &ann))).await;
    let mut packets = join_all((0..50).map(|_| SocketIoClient::live(&app, &ann))).await;
    let mut polls = join_all((0..50).map(|_| PollingClient::live(&app, &ann))).await;
    let mut typing = TcpClient::unauthenticated(&app).await;
    let address = app.address;
    let mut pending = app.open(&[]).await.unwrap();
    app.get("/readyz", "").await.expect(200);

    // A sign-in whose body is still on its way when the server is told to stop.
    let body = json!({"login": "ann", "password": PASSWORD}).to_string();
    let mut request = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    request.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    request.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    app.begin_stop();
    for socket in &mut sockets {
        assert_eq!(socket.ends(1012).await.goodbye["reconnect"], "backoff");
    }
    for line in &mut lines {
        line.ends(1012).await;
    }
    for packets in &mut packets {
        packets.ends(1012).await;
    }
    for polls in &mut polls {
        polls.ends(1012).await;
    }
    pending.ends(1012).await;
    typing.ends(1012).await;
    request.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    tokio::time::timeout(PATIENCE, app.stop()).await.expect("it does not stop");
    for address in [address, app.tcp] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}

#[actix_web::test]
async fn a_draining_server_is_not_ready_and_accepts_no_new_sockets() {
    let mut app = spawn_app().await;
    let ann = app.register("ann").await;
    // A socket that never answers its goodbye keeps the server up for a moment.
    let _deaf = raw_http::handshake(app.address, &ann.access).await;
    while app.sessions.directory().of_user(ann.id.parse().unwrap()).is_empty() {
        tokio::task::yield_now().await;
    }
    // A connection that was there before.
    let client = awc::Client::builder().timeout(PATIENCE).finish();
    client.get(app.url("/readyz")).send().await.unwrap();
    app.readiness.drain();
    let mut ready = client.get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert!(String::from_utf8_lossy(&ready.body().await.unwrap()).contains("draining"));
    assert_eq!(app.get("/healthz", "").await.status.as_u16(), 200);
    let sessions = app.sessions.clone();
    actix_web::rt::spawn(async move { sessions.drain().await });
    while !app.sessions.is_draining() {
        tokio::task::yield_now().await;
    }
    let bearer = format!("Bearer {}", ann.access);
    assert_eq!(app.open(&[("authorization", &bearer)]).await.err(), Some(503));
    assert_eq!(app.open(&[]).await.err(), Some(503));
    TcpClient::connect(app.tcp).await.ends(1012).await;
    // The clock stands still, so its grace does not end by itself.
    app.begin_stop();
    while !app.has_stopped() {
        app.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn sigterm_says_goodbye_and_ends_it_with_code_0() {
    let mut process = Process::start(&[]).await;
    let body = json!({"username": "ann", "password": PASSWORD});
    let access = process.post("/api/register", body).await.expect(201).str("access_token");
    let bearer = format!("Bearer {access}");
    let mut signed_in = open_at(process.address, &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(signed_in.next().await["type"], "welcome");
    let mut pending = open_at(process.address, &[]).await.unwrap();
    // One that never reads, and one that never finishes its request.
    let deaf = open_at(process.address, &[("authorization", &bearer)]).await.unwrap();
    let mut slow = tokio::net::TcpStream::connect(process.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut slow, b"POST /api/login HTTP/1.1\r\n").await.unwrap();

    process.terminate();
    let ended = signed_in.ends(1012).await;
    assert_eq!(ended.goodbye["reconnect"], "backoff");
    pending.ends(1012).await;
    let status = tokio::time::timeout(Duration::from_secs(15), process.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", process.output());
    assert!(process.output().contains("stopped"), "{}", process.output());
    drop((deaf, slow));
}

#[actix_web::test]
async fn every_signal_that_ends_the_server_drains_it_first() {
    let Some(env) = programs::command("env", Needs::Apt("coreutils")) else { return };
    for signal in [Signal::HUP, Signal::QUIT] {
        // The server respects SIGHUP being ignored, as it is in all that `nohup cargo test` starts.
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::server(&dir.path().join("data"));
        let mut command = Command::new(&env);
        command.args(["--default-signal=HUP", BINARY]).env_clear().envs(settings.variables());
        command.stdin(Stdio::null()).current_dir(dir.path());
        let mut process = Process::of(command, None).await;
        let mut socket = open_at(process.address, &[]).await.unwrap();
        // These signals have no effect.
        process.signal(Signal::USR1);
        process.signal(Signal::USR2);
        process.signal(Signal::PIPE);
        process.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await.expect(201);
        process.signal(signal);
        // Closing a terminal sends it twice.
        if signal == Signal::HUP {
            process.signal(signal);
        }
        socket.ends(1012).await;
        let status = tokio::time::timeout(PATIENCE, process.ended()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", process.output());
        assert!(process.output().contains("stopped"), "{}", process.output());
    }
}

#[actix_web::test]
async fn nohup_is_respected() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let data = dir.path().join("data");
    let settings =
        [("http.listen", "127.0.0.1:0"), ("tcp.listen", "off"), ("data_dir", data.to_str().unwrap())];
    let settings = Settings::cheap().with(&settings);
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\""])
        .arg(BINARY)
        .env_clear()
        .envs(settings.variables())
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let text = || std::fs::read_to_string(&log).unwrap();
    let deadline = now() + PATIENCE;
    while !text().contains("Ctrl+C") {
        assert!(now() < deadline, "{}", text());
        pause().await;
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    // A signal that it handles, sent after it.
    rustix::process::kill_process(pid, Signal::USR1).unwrap();
    while !text().contains("SIGUSR1") {
        assert!(now() < deadline && child.try_wait().unwrap().is_none(), "{}", text());
        pause().await;
    }
    assert!(child.try_wait().unwrap().is_none() && !text().contains("draining"), "{}", text());
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
