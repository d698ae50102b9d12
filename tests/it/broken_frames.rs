//! WebSocket frames that break the protocol: the close code, and how the connection ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::app::{TestApp, spawn_app};
use crate::support::mistakes::{CONNECTION, KEY, UPGRADE, VERSION};
use crate::support::raw_http;
use crate::support::socketio::open_polling;
use crate::support::time::PATIENCE;

/// A socket that is signed in and whose `welcome` was read.
async fn raw_live(app: &TestApp, token: &str) -> TcpStream {
    let mut socket = raw_http::handshake(app.address, token).await;
    let mut got = Vec::new();
    let welcomed = async {
        while !String::from_utf8_lossy(&got).contains("\"claims\":{}}") {
            assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0);
        }
    };
    timeout(PATIENCE, welcomed).await.expect("a welcome");
    socket
}

/// Reads up to a close frame with this code.
async fn until_closed(socket: &mut TcpStream, code: u16) {
    let mut got = Vec::new();
    let told = async {
        let is_whole = |got: &[u8]| {
            let at = got.windows(4).position(|bytes| bytes[0] == 0x88 && bytes[2..] == code.to_be_bytes());
            at.is_some_and(|at| got.len() >= at + 2 + usize::from(got[at + 1]))
        };
        while !is_whole(&got) {
            assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0, "closed without a word");
        }
    };
    timeout(PATIENCE, told).await.expect("a close frame");
}

/// Frames that break the protocol, and what they are closed with.
const BROKEN: [(&[u8], u16); 4] = [
    // A reserved opcode; reserved bits.
    (&[0x83, 0x80, 0, 0, 0, 0], 1002),
    (&[0xf1, 0x81, 0, 0, 0, 0, b'x'], 1002),
    // Not UTF-8.
    (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    // 65,537 bytes, none of which comes.
    (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009),
];

/// A socket that has sent a broken frame and was told the close code.
async fn broken_socket(app: &TestApp, token: &str, broken: &[u8], code: u16) -> TcpStream {
    let mut socket = raw_live(app, token).await;
    socket.write_all(broken).await.unwrap();
    until_closed(&mut socket, code).await;
    socket
}

#[actix_web::test]
async fn after_a_broken_frame_the_server_closes_as_soon_as_the_client_has() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for (broken, code) in BROKEN {
        let mut socket = broken_socket(&app, &ann.access, broken, code).await;
        if code == 1009 {
            // The frame that was announced has to arrive in full first.
            socket.write_all(&vec![0; 65_537]).await.unwrap();
        }
        // The manual clock stands still, so the server does not wait for its timeout.
        let [high, low] = code.to_be_bytes();
        socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, high, low]).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
    // The close frame in one piece with the broken frame.
    let mut socket = raw_live(&app, &ann.access).await;
    socket.write_all(&[0x83, 0x80, 0, 0, 0, 0, 0x88, 0x82, 0, 0, 0, 0, 3, 0xea]).await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
}

#[actix_web::test]
async fn after_a_broken_frame_the_server_closes_within_a_second() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for (broken, code) in BROKEN {
        let mut socket = broken_socket(&app, &ann.access, broken, code).await;
        let mut rest = [0; 16];
        let early = timeout(Duration::from_millis(50), socket.read(&mut rest)).await;
        assert!(early.is_err(), "it has closed before the client could");
        app.advance(Duration::from_secs(1));
        let end = timeout(PATIENCE, socket.read(&mut rest)).await.expect("it is still open");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[actix_web::test]
async fn a_socket_of_socket_io_ends_after_a_broken_frame_as_well() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    // After an upgrade from polling, another task reads the socket.
    let polling = open_polling(app.address).await.unwrap();
    for path in ["/socket.io/?EIO=4&transport=websocket".to_owned(), polling.replace("polling", "websocket")]
    {
        let mut socket = TcpStream::connect(app.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\n{CONNECTION}\r\n{KEY}\r\n{VERSION}\r\n{UPGRADE}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        if path.contains("sid=") {
            socket.write_all(&crate::support::websocket::frame("2probe")).await.unwrap();
            let mut got = Vec::new();
            while !String::from_utf8_lossy(&got).contains("3probe") {
                assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0);
            }
            socket.write_all(&crate::support::websocket::frame("5")).await.unwrap();
            let connect = format!(r#"40{{"token":"{}"}}"#, ann.access);
            socket.write_all(&long_frame(&connect)).await.unwrap();
        }
        socket.write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.unwrap();
        until_closed(&mut socket, 1002).await;
        socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xea]).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
    }
}

/// A text frame of 126 bytes or more.
fn long_frame(text: &str) -> Vec<u8> {
    let [high, low] = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe, high, low, 0, 0, 0, 0], text.as_bytes()].concat()
}
