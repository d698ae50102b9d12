//! Real time, for tests that wait for real servers.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the other end of a real conversation")]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the other end of a real conversation")]
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Long enough for a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
