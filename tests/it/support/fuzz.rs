//! Random input, and what must hold after it.

use std::time::Duration;

use proptest::test_runner::TestRng;
use rand::RngExt;

use crate::support::app::{Person, TestApp};
use crate::support::time::PATIENCE;

const NASTY: [&[u8]; 16] = [
    b"\0",
    b"\xff\xfe",
    b"\r\n",
    b"\r\n\r\n",
    b"%00",
    b"../",
    b"{",
    b"\"",
    b"\\ud800",
    b"99999999999999999999",
    b"-1",
    b"null",
    b"[[[[[[[[",
    b"'; DROP TABLE users; --",
    b"Transfer-Encoding: chunked\r\n",
    b"\xe2\x80\xae",
];

pub fn mutate(rng: &mut TestRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        let until = rng.random_range(at..=bytes.len()).min(at + 40);
        match rng.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let copy = bytes[at..until].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => bytes.truncate(at),
            _ => {
                let nasty = NASTY[rng.random_range(0..NASTY.len())];
                bytes.splice(at..at, nasty.iter().copied());
            }
        }
    }
}

/// Waits until no session of the user is left: the server is alive and has cleaned up.
pub async fn nothing_stays_behind(app: &TestApp, person: &Person) {
    tokio::time::timeout(PATIENCE, async {
        while !app.sessions.directory().of_user(person.id.parse().unwrap()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("sessions stay behind");
}
