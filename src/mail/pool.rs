//! Connections to the mail server that rest until there is more to send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::Instant;

/// For the courtesy of a QUIT, and to find out whether a connection that rested is still there.
pub(super) const COURTESY: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    resting: Arc<Mutex<Resting>>,
    /// Those that rest longer are closed.
    idle: Duration,
}

#[derive(Default)]
struct Resting {
    connections: Vec<(AsyncSmtpConnection, Instant)>,
    /// Whether a task closes those that rest too long.
    is_tended: bool,
}

impl Pool {
    pub fn new(idle: Duration) -> Self {
        Self { resting: Arc::default(), idle }
    }

    /// A connection that rested and is still there.
    pub async fn take(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, _) = lock(&self.resting).connections.pop()?;
            if timeout(COURTESY, connection.test_connected()).await == Some(true) {
                return Some(connection);
            }
        }
    }

    pub fn put(&self, connection: AsyncSmtpConnection) {
        let mut resting = lock(&self.resting);
        resting.connections.push((connection, Instant::now()));
        if !std::mem::replace(&mut resting.is_tended, true) {
            tokio::spawn(close_idle(Arc::downgrade(&self.resting), self.idle));
        }
    }
}

fn lock(resting: &Mutex<Resting>) -> MutexGuard<'_, Resting> {
    resting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes connections that rest too long, until none is left or the pool is gone.
async fn close_idle(pool: Weak<Mutex<Resting>>, idle: Duration) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let mut resting = lock(&pool);
            let now = Instant::now();
            let old = resting.connections.extract_if(.., |(_, since)| now.duration_since(*since) >= idle);
            old.for_each(|(connection, _)| quit(connection));
            let next = resting.connections.iter().map(|(_, since)| *since + idle).min();
            resting.is_tended = next.is_some();
            next
        };
        let Some(next) = next else { return };
        pause(next.saturating_duration_since(Instant::now())).await;
    }
}

/// Takes leave, without anybody waiting for it.
pub(super) fn quit(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move { timeout(COURTESY, connection.quit()).await });
}

#[expect(clippy::disallowed_methods, reason = "a conversation with a server takes real time")]
pub(super) async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

#[expect(clippy::disallowed_methods, reason = "a conversation with a server takes real time")]
pub(super) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::extension::ClientId;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_connection_that_rests_too_long_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            stream.write_all(b"220 test\r\n").await.unwrap();
            let mut verbs = Vec::new();
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > 0 {
                verbs.push(line.get(..4).unwrap_or_default().to_owned());
                stream.write_all(b"250 test\r\n").await.unwrap();
                line.clear();
            }
            verbs
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let helo = ClientId::Domain("a.example".to_owned());
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &helo).await.unwrap();
        let pool = Pool::new(Duration::from_millis(10));
        pool.put(connection);
        let verbs = timeout(Duration::from_secs(10), server).await.expect("it is closed").unwrap();
        assert_eq!(verbs, ["EHLO", "QUIT"]);
        assert!(pool.take().await.is_none());
    }
}
