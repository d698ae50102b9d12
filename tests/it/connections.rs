//! No part of an HTTP connection waits for its client without a deadline, and requests sent ahead cost nothing.

use std::net::SocketAddr;
use std::time::Duration;

use doorward::internals::app::Deadlines;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::app::{spawn_app, spawn_hurried};
use crate::support::process::Process;
use crate::support::raw_http;
use crate::support::socketio::open_polling;
use crate::support::time::PATIENCE;
use crate::support::tls::Identity;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: doorward.example\r\n\r\n";

/// Short and far apart, so that a deadline that fires too early shows.
const HURRIED: Duration = Duration::from_millis(1500);
const NEVER: Duration = Duration::from_hours(1);

fn patient() -> Deadlines {
    Deadlines {
        silence: NEVER,
        handshake: NEVER,
        head: NEVER,
        body: NEVER,
        response: NEVER,
        idle: NEVER,
        closing: NEVER,
    }
}

/// Sends a request and reads its answer, which has no body or a short one.
async fn served(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") && !answer.ends_with(b"ok") && !answer.ends_with(b"\"ok\"}") {
        let read = stream.read_buf(&mut answer).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

/// Sends a byte now and then until the server has closed; returns what it said and how long that took.
async fn drip(stream: TcpStream, pace: Duration) -> (String, Duration) {
    let start = Instant::now();
    let (mut read, mut write) = stream.into_split();
    let dripping = actix_web::rt::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(pace).await;
        }
    });
    let mut said = Vec::new();
    // Reset or ended: it is closed.
    let _ = timeout(PATIENCE * 2, read.read_to_end(&mut said)).await.expect("it is still open");
    dripping.abort();
    (String::from_utf8_lossy(&said).into_owned(), start.elapsed())
}

#[actix_web::test]
async fn each_head_has_a_deadline_and_a_late_one_is_told_so() {
    let app = spawn_hurried(&[], Deadlines { head: HURRIED, ..patient() }).await;
    let mut fresh = TcpStream::connect(app.address).await.unwrap();
    fresh.write_all(b"GET /he").await.unwrap();
    let silent = TcpStream::connect(app.address).await.unwrap();
    let mut used = TcpStream::connect(app.address).await.unwrap();
    for _ in 0..3 {
        served(&mut used).await;
    }
    let mut idle = TcpStream::connect(app.address).await.unwrap();
    served(&mut idle).await;
    used.write_all(b"\r\nGET /he").await.unwrap();
    let pace = Duration::from_millis(20);
    let (fresh, used) = futures_util::join!(drip(fresh, pace), drip(used, pace));
    for (said, _) in [fresh, used] {
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("connection: close"), "{said}");
        assert!(said.contains("\r\nx-content-type-options: nosniff\r\n"), "{said}");
    }
    assert!(drip(silent, NEVER).await.0.starts_with("HTTP/1.1 408 "));
    served(&mut idle).await;
}

#[actix_web::test]
async fn a_tls_handshake_that_falls_silent_is_cut_and_one_that_drips_has_its_time() {
    let identity = Identity::new();
    let silence = Deadlines { silence: HURRIED, ..patient() };
    let pace = Duration::from_millis(50);
    for (deadlines, pace) in [(silence, NEVER), (Deadlines { handshake: HURRIED * 2, ..silence }, pace)] {
        let app = spawn_hurried(&identity.settings(), deadlines).await;
        for listener in [app.address, app.tcp] {
            let mut stream = TcpStream::connect(listener).await.unwrap();
            // The beginning of a record that never ends.
            stream.write_all(&[22, 3, 1, 64, 0]).await.unwrap();
            let (_, lasted) = drip(stream, pace).await;
            let dripped = pace < HURRIED;
            let least = if dripped { HURRIED * 2 } else { HURRIED }.saturating_sub(pace.min(HURRIED));
            assert!(lasted >= least, "{lasted:?}");
        }
    }
}

#[actix_web::test]
async fn an_idle_connection_is_closed_in_time() {
    let app = spawn_hurried(&[], Deadlines { idle: HURRIED, ..patient() }).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    for _ in 0..3 {
        served(&mut stream).await;
    }
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
    assert!(rest.is_empty());
}

/// In real time, at the routes that read one: JSON, a form, packets, and one that reads none.
#[actix_web::test]
async fn a_body_that_drips_has_the_same_time_as_one_that_stalls() {
    let app = spawn_app().await;
    let packets = open_polling(app.address).await.unwrap();
    let requests = ["/api/login", "/login", packets.as_str()].into_iter().flat_map(|path| {
        let form = path == "/login";
        let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        ["content-length: 1000", "transfer-encoding: chunked"].map(|length| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: doorward.example\r\nsec-fetch-site: same-origin\r\n\
                 content-type: {kind}\r\n{length}\r\n\r\n{}",
                if length.starts_with('t') { "3e8\r\n" } else { "" }
            )
        })
    });
    let dripping = requests.map(async |request| {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        (drip(stream, Duration::from_millis(300)).await, request)
    });
    for ((said, took), request) in join_all(dripping).await {
        assert!(took < PATIENCE, "{took:?} {request} {said}");
    }
}

#[actix_web::test]
async fn a_body_that_no_handler_reads_has_a_deadline_too() {
    let app = spawn_hurried(&[], Deadlines { body: HURRIED, ..patient() }).await;
    let packets = open_polling(app.address).await.unwrap();
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!("GET {packets} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    drip(stream, Duration::from_millis(20)).await;
}

#[actix_web::test]
async fn an_answer_that_is_not_read_in_time_is_cut_off() {
    let app = spawn_hurried(&[], Deadlines { response: HURRIED, ..patient() }).await;
    let answered = raw_http::request(app.address, "GET /static/live.js", &["host: x"], b"").await;
    assert!(answered.body.len() > 4096, "too small for this test");
    for slow in [false, true] {
        let mut stream = raw_http::deaf(app.address, "GET /static/live.js").await;
        // More than the kernel takes.
        let requests = b"GET /static/live.js HTTP/1.1\r\nhost: doorward.example\r\n\r\n".repeat(100);
        let cut = async {
            loop {
                // Requests that cannot be answered are not read either, until the connection closes.
                tokio::select! {
                    sent = stream.write_all(&requests) => if sent.is_err() { break },
                    () = tokio::time::sleep(Duration::from_millis(50)) => {
                        if slow && stream.read_u8().await.is_err() { break }
                    }
                }
            }
        };
        timeout(PATIENCE, cut).await.expect("it is still open");
    }
    // A client that reads is served for as long as it takes.
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    for _ in 0..20 {
        served(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn a_request_that_waits_for_the_server_is_not_disconnected() {
    let deadlines = Deadlines { response: HURRIED, head: HURRIED, body: HURRIED, idle: HURRIED, ..patient() };
    let app = spawn_hurried(&[], deadlines).await;
    let packets = open_polling(app.address).await.unwrap();
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(format!("GET {packets} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut byte = [0];
    assert!(timeout(HURRIED * 2, stream.peek(&mut byte)).await.is_err(), "it was answered or cut");
    // The session's time for a sign-in.
    app.advance(Duration::from_secs(10));
    timeout(PATIENCE, stream.read_exact(&mut byte)).await.unwrap().unwrap();
    assert_eq!(byte, *b"H");
}

async fn answers(stream: &mut TcpStream, count: usize) {
    let mut text = Vec::new();
    let mut found = 0;
    while found < count {
        let read = timeout(PATIENCE, stream.read_buf(&mut text)).await.expect("no answer").unwrap();
        assert_ne!(read, 0, "closed after {found} answers");
        found += text.windows(12).filter(|window| *window == b"HTTP/1.1 200").count();
        // What may be the beginning of another one stays.
        let rest = text.len().saturating_sub(11);
        text.drain(..rest);
    }
    assert_eq!(found, count);
}

/// Sends all at once, while another task reads.
async fn pipeline(address: SocketAddr, requests: &[u8], count: usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(requests).await.unwrap();
    answers(&mut stream, count).await;
}

#[actix_web::test]
async fn requests_sent_ahead_are_answered_in_order_with_their_bodies() {
    let app = spawn_app().await;
    let post = b"POST /api/password-strength HTTP/1.1\r\nhost: doorward.example\r\n\
        content-type: application/json\r\ncontent-length: 14\r\n\r\n{\"password\":7}";
    let mut requests = Vec::new();
    for _ in 0..50 {
        requests.extend_from_slice(post);
        requests.extend_from_slice(GET);
        requests.extend_from_slice(b"\r\n\nHEAD /healthz HTTP/1.1\nhost: x\n\n");
    }
    pipeline(app.address, &requests, 100).await;
    // A half close is not a close: requests that were sent are answered.
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(&GET.repeat(20)).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 20);
}

#[actix_web::test]
async fn thousands_of_requests_behind_one_that_waits_cost_nothing_until_it_is_answered() {
    let process = Process::start(&[]).await;
    let packets = open_polling(process.address).await.unwrap();
    let mut stream = TcpStream::connect(process.address).await.unwrap();
    let poll = format!("GET {packets} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(poll.as_bytes()).await.unwrap();
    let (read, mut write) = stream.into_split();
    let sending = actix_web::rt::spawn(async move {
        write.write_all(&GET.repeat(4000)).await.unwrap();
        write
    });
    // Long enough to fill every buffer on the way.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = process.cpu_time();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = process.cpu_time().saturating_sub(before);
    assert!(used < Duration::from_millis(500), "{used:?} of CPU in two seconds of waiting");
    // It is answered once the session's time for a sign-in is over, and then all the others are.
    let mut read = read;
    let mut text = Vec::new();
    let mut found = 0;
    while found < 4001 {
        let came = timeout(PATIENCE, read.read_buf(&mut text)).await.expect("no answer").unwrap();
        assert_ne!(came, 0, "closed after {found} answers");
        found += text.windows(12).filter(|window| *window == b"HTTP/1.1 200").count();
        text.drain(..text.len().saturating_sub(11));
    }
    drop(sending.await.unwrap());
}
