//! Password work is shared fairly: the work of one address delays no other, and work that no client waits for any more
//! is skipped.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::app::{PASSWORD, TestApp, spawn_with};
use crate::support::time::PATIENCE;

/// Costly enough for a queue to form, cheap enough for the test to end. With one hash at a time, it is known which
/// work is done before which.
const COSTLY: [(&str, &str); 3] =
    [("password.cost", "9"), ("password.workers", "1"), ("password.hashing", "single")];

/// A connection from another address of this machine.
async fn connect(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 9, host), 0))).unwrap();
    socket.connect(to).await.unwrap()
}

async fn post(stream: &mut TcpStream, path: &str, body: &Value) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

/// The status of the next answer, which is read whole.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return head.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
    }
}

/// At another name each time: one alone would be locked.
fn guess() -> Value {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    json!({"login": format!("name{number}"), "password": "a wrong guess"})
}

/// Waits until so many pieces of work queue.
async fn wait_for_queue(app: &TestApp, waiting: impl Fn(usize) -> bool) {
    let queued = async {
        while !waiting(app.accounts.workload().hashes.queued) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, queued).await.expect("it queues");
}

#[actix_web::test]
async fn guesses_from_one_address_refuse_no_other_address_its_sign_in() {
    let app = spawn_with(&COSTLY).await;
    let overtaken = sign_in_among_guesses(&app).await;
    // On a busy machine some of the guesses after the answer are counted as well.
    assert!(overtaken < 10, "most wait for their turn alone: {overtaken} did not");
}

#[actix_web::test]
async fn guesses_refuse_no_other_address_its_sign_in_where_several_hashes_are_computed_at_once() {
    let app = spawn_with(&[COSTLY[0], COSTLY[1], ("password.hashing", "interleaved")]).await;
    sign_in_among_guesses(&app).await;
}

/// How many of fourteen sign-ins had to wait for many guesses of another address.
async fn sign_in_among_guesses(app: &TestApp) -> usize {
    app.register("ann").await;
    let done = Cell::new(false);
    let guesser = async |_| {
        let mut stream = connect(1, app.address).await;
        while !done.get() {
            post(&mut stream, "/api/login", &guess()).await;
            let status = status(&mut stream).await;
            assert!(status == 401 || status == 503, "{status}");
        }
    };
    let ann = async {
        wait_for_queue(app, |waiting| waiting > 10).await;
        let mut overtaken = 0;
        for host in 2..16 {
            let mut stream = connect(host, app.address).await;
            let before = app.accounts.workload().hashes.started;
            post(&mut stream, "/api/login", &json!({"login": "ann", "password": PASSWORD})).await;
            assert_eq!(status(&mut stream).await, 200);
            // Its own, the one that ran, one that was taken in turn, and what was begun since the answer.
            let begun = app.accounts.workload().hashes.started - before;
            overtaken += usize::from(begun >= 12);
        }
        let mut stream = connect(20, app.address).await;
        let body = json!({"username": "eve", "password": PASSWORD});
        post(&mut stream, "/api/register", &body).await;
        assert_eq!(status(&mut stream).await, 201, "nor its registration");
        done.set(true);
        overtaken
    };
    join(ann, join_all((0..48).map(guesser))).await.0
}

#[actix_web::test]
async fn no_work_is_done_for_a_client_that_was_disconnected() {
    let app = spawn_with(&COSTLY).await;
    app.register("ann").await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        let mut stream = connect(1, app.address).await;
        post(&mut stream, "/api/login", &guess()).await;
        streams.push(stream);
    }
    wait_for_queue(&app, |waiting| waiting >= 6).await;
    let before = app.accounts.workload().hashes;
    for stream in streams {
        // A reset: no answer can arrive any more.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    wait_for_queue(&app, |waiting| waiting == 0).await;
    let after = app.accounts.workload().hashes;
    assert!(after.started < before.started + before.queued as u64, "{before:?} {after:?}");
}

#[actix_web::test]
async fn clients_that_send_no_more_are_answered_after_all_others() {
    let app = spawn_with(&COSTLY).await;
    app.register("ann").await;
    let mut silent = Vec::new();
    for host in 1..9 {
        let mut stream = connect(host, app.address).await;
        post(&mut stream, "/api/login", &guess()).await;
        // As `nc -N` does; one that was closed looks the same.
        stream.shutdown().await.unwrap();
        silent.push(stream);
    }
    wait_for_queue(&app, |waiting| waiting >= 4).await;
    let waiting = app.accounts.workload().hashes.queued;
    let mut stream = connect(20, app.address).await;
    post(&mut stream, "/api/login", &json!({"login": "ann", "password": PASSWORD})).await;
    assert_eq!(status(&mut stream).await, 200);
    let left = app.accounts.workload().hashes.queued;
    assert!(left > 0 && left + 3 >= waiting, "{left} of {waiting} are left");
    for mut stream in silent {
        assert_eq!(status(&mut stream).await, 401);
    }
}

#[actix_web::test]
async fn ratings_wait_in_a_queue_of_their_own() {
    let app = spawn_with(&COSTLY).await;
    app.register("ann").await;
    let hostile = "4@8({[<369!1|70$5+%2".repeat(12);
    let done = Cell::new(false);
    let rater = async |_| {
        let mut stream = connect(1, app.address).await;
        while !done.get() {
            post(&mut stream, "/api/password-strength", &json!({"password": hostile})).await;
            let status = status(&mut stream).await;
            assert!(status == 200 || status == 503, "{status}");
        }
    };
    let ann = async {
        let before = app.accounts.workload();
        while app.accounts.workload().ratings.queued < 8 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..10 {
            let mut stream = connect(2, app.address).await;
            post(&mut stream, "/api/login", &json!({"login": "ann", "password": PASSWORD})).await;
            assert_eq!(status(&mut stream).await, 200);
            // Another's rating is not refused either.
            post(&mut stream, "/api/password-strength", &json!({"password": PASSWORD})).await;
            assert_eq!(status(&mut stream).await, 200);
        }
        // No rating was done by a thread for hashes.
        assert_eq!(app.accounts.workload().hashes.started, before.hashes.started + 10);
        done.set(true);
    };
    join(ann, join_all((0..48).map(rater))).await;
}
