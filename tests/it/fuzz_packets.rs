//! The same as `fuzz` for Socket.IO: packets over polling and over WebSocket, with upgrades in between.

use futures_util::{SinkExt, StreamExt};
use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::RngExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Person, TestApp, spawn_with};
use crate::support::fuzz::{mutate, nothing_stays_behind};
use crate::support::socketio::{SocketIoClient, open_polling, poll, post};
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

const SESSIONS: usize = 1200;
const AT_ONCE: u8 = 6;

fn packet(rng: &mut TestRng, person: &Person) -> Vec<u8> {
    let connect = format!("40{}", json!({"token": person.access}));
    let auth = format!("42{}", json!(["auth", {"token": person.access}]));
    let texts = [
        connect.as_str(),
        "42[\"ping\"]",
        "421[\"get_secret\"]",
        "42/nowhere,[\"ping\"]",
        "451-[\"secret\",{\"_placeholder\":true,\"num\":0}]",
        "bAQIDBA==",
        "40/nowhere,{}",
        "41",
        "3",
        "2probe",
        "5",
        "6",
        auth.as_str(),
        "42[\"watch_sessions\"]",
        "43[1]",
        "1",
    ];
    let mut packet = texts[rng.random_range(0..texts.len())].as_bytes().to_vec();
    if rng.random_bool(0.3) {
        mutate(rng, &mut packet);
    }
    packet
}

async fn over_polling(app: &TestApp, rng: &mut TestRng, person: &Person) {
    let Ok(path) = open_polling(app.address).await else { return };
    let sid = path.split_once("&sid=").unwrap().1.to_owned();
    if rng.random_bool(0.8) {
        let connect = format!("40{}", json!({"token": person.access}));
        post(app.address, &path, connect.as_bytes()).await;
    }
    let mut tried = Vec::new();
    for _ in 0..rng.random_range(1..5) {
        let mut body = packet(rng, person);
        for _ in 0..rng.random_range(0..4) {
            body.push(0x1e);
            body.extend(packet(rng, person));
        }
        let status = match rng.random_range(0..10) {
            0 => {
                tried.extend(SocketIoClient::open(app.address, &format!("&sid={sid}")).await.ok());
                continue;
            }
            // A poll that is dropped while it waits: its client has disconnected.
            1 => {
                let brief = std::time::Duration::from_millis(2);
                match tokio::time::timeout(brief, poll(app.address, &path)).await {
                    Ok(answer) => answer.status,
                    Err(_) => continue,
                }
            }
            _ => post(app.address, &path, &body).await.status,
        };
        assert!([200, 400, 413, 503].contains(&status), "{status}");
    }
    for frames in &mut tried {
        for _ in 0..rng.random_range(0..3) {
            let text = String::from_utf8_lossy(&packet(rng, person)).into_owned();
            let _ = frames.socket.send(Message::Text(text.into())).await;
        }
    }
    post(app.address, &path, b"1").await;
}

async fn over_a_websocket(app: &TestApp, rng: &mut TestRng, person: &Person) {
    let Ok(mut frames) = SocketIoClient::open(app.address, "").await else { return };
    if rng.random_bool(0.8) {
        frames.text(format!("40{}", json!({"token": person.access}))).await;
    }
    for _ in 0..rng.random_range(1..8) {
        let packet = packet(rng, person);
        let message = match String::from_utf8(packet) {
            Ok(text) if rng.random_bool(0.9) => Message::Text(text.into()),
            Ok(text) => Message::Binary(text.into()),
            Err(error) => Message::Binary(error.into_bytes().into()),
        };
        // It may have closed already.
        let _ = frames.socket.send(message).await;
    }
    let _ = frames.socket.close(None).await;
    let rest = async { while frames.socket.next().await.is_some_and(|item| item.is_ok()) {} };
    tokio::time::timeout(PATIENCE, rest).await.expect("it does not close");
}

#[actix_web::test]
async fn any_packet_is_answered_or_closed_on() {
    let app = spawn_with(&[("sockets.max_waiting_per_address", "100")]).await;
    let ann = app.register("ann").await;
    // Sessions that no client closes are closed by a timeout.
    let clock = app.clock.clone();
    let time = actix_web::rt::spawn(async move {
        loop {
            clock.advance(std::time::Duration::from_millis(100));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let run = async |seed: u8| {
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        for _ in 0..SESSIONS / usize::from(AT_ONCE) {
            if rng.random_bool(0.5) {
                over_polling(&app, &mut rng, &ann).await;
            } else {
                over_a_websocket(&app, &mut rng, &ann).await;
            }
        }
    };
    futures_util::future::join_all((0..AT_ONCE).map(run)).await;
    nothing_stays_behind(&app, &ann).await;
    time.abort();
    let bob = app.register("bob").await;
    SocketIoClient::live(&app, &bob).await.ping().await;
}
