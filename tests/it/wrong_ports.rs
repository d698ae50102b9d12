//! Clients that speak another protocol than the port: plain text instead of TLS, TLS, HTTP/2, a PROXY header.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::app::{PASSWORD, spawn_app};
use crate::support::mistakes::logged;
use crate::support::time::PATIENCE;
use crate::support::tls::Identity;
use crate::support::{logs, tls};

/// A connection from an address of its own, so that its lines in the log are known.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

async fn exchange(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix_web::test]
async fn plain_text_at_a_port_that_speaks_tls_is_told_so() {
    logs::capture();
    let identity = Identity::new();
    let app = identity.app().await;
    let get = "GET /login HTTP/1.1\r\nhost: localhost\r\nuser-agent: x\r\n\r\n";
    let post =
        format!("POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n{}", "x".repeat(9000));
    for request in [get, &post, "OPTIONS * HTTP/1.1\r\n\r\n", "nonsense\r\n"] {
        let answer = exchange(connect_from([127, 8, 0, 1], app.address).await, request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {answer:?}"));
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(head.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "https_only");
        assert_eq!(body["detail"], "This port speaks HTTPS, not HTTP: https://localhost/");
    }
    assert_eq!(logged("plain_text", "127.8.0.1"), 1);

    let answer = exchange(connect_from([127, 8, 0, 2], app.tcp).await, b"alice\n").await;
    assert!(answer.starts_with("This port speaks TLS: "), "{answer}");
    assert_eq!(logged("plain_text", "127.8.0.2"), 1);
    // A client that waits for the prompt is told as well. It has made no mistake yet.
    let answer = exchange(connect_from([127, 8, 0, 3], app.tcp).await, b"").await;
    assert!(answer.starts_with("This port speaks TLS: "), "{answer}");
    assert_eq!(logged("plain_text", "127.8.0.3"), 0);
    let answer = exchange(connect_from([127, 8, 0, 4], app.tcp).await, get.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // A check whether the port is open is no mistake.
    drop(connect_from([127, 8, 0, 5], app.tcp).await);
    drop(connect_from([127, 8, 0, 5], app.address).await);

    for listener in [app.address, app.tcp] {
        for (from, header) in [
            ([127, 8, 0, 6], &b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n"[..]),
            (
                [127, 8, 0, 7],
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x05\x00\x06",
            ),
        ] {
            assert_eq!(exchange(connect_from(from, listener).await, header).await, "");
        }
    }
    assert_eq!((logged("proxy_header", "127.8.0.6"), logged("proxy_header", "127.8.0.7")), (1, 1));
    assert_eq!(logged("plain_text", "127.8.0.5"), 0);

    // Clients that speak TLS are served as before.
    let body = json!({"username": "ann", "password": PASSWORD});
    assert_eq!(tls::post(&app, &tls::client(&identity.cert), "/api/register", body).await.0, 201);
}

#[actix_web::test]
async fn what_else_comes_to_a_plain_port_is_named_in_the_log() {
    logs::capture();
    let app = spawn_app().await;
    let hello = [&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &[7; 40]].concat();
    let proxy = b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\nGET / HTTP/1.1\r\n\r\n";
    let proxy2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x05\x00\x06";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let get = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for (at, (mistake, bytes)) in
        [("tls", &hello[..]), ("proxy_header", proxy), ("proxy_header", proxy2), ("http2", http2)]
            .into_iter()
            .enumerate()
    {
        for (third, listener) in [(1, app.address), (2, app.tcp)] {
            let from = [127, 9, third, u8::try_from(at + 1).unwrap()];
            let mut stream = connect_from(from, listener).await;
            stream.write_all(bytes).await.unwrap();
            let client = std::net::Ipv4Addr::from(from).to_string();
            let named = async {
                while logged(mistake, &client) == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(PATIENCE, named)
                .await
                .unwrap_or_else(|_| panic!("{mistake} at {listener} is not in the log"));
            // The TCP prompts take it neither for a name nor for a password.
            if third == 2 {
                let mut said = Vec::new();
                let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it closes");
                assert!(!String::from_utf8_lossy(&said).contains("Password"), "{mistake}");
            }
        }
    }
    for pieces in [vec![&get[..]], get.chunks(1).collect()] {
        let mut stream = connect_from([127, 9, 3, 1], app.tcp).await;
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
        }
        let said = exchange(stream, b"").await;
        assert!(said.starts_with("Username: HTTP/1.1 400 Bad Request\r\n"), "{said}");
        assert!(said.contains("\r\nx-content-type-options: nosniff\r\n"), "{said}");
        assert!(!said.contains("Password"), "{said}");
    }
    assert_eq!(logged("http_at_prompts", "127.9.3.1"), 1);
}
