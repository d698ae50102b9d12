//! Idle connections to the mail server, kept for the next email.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::Instant;

use super::timing::{COURTESY, now, pause, timeout};

pub(super) struct Pool {
    idle: Arc<Mutex<Idle>>,
    /// How long a connection may stay idle.
    limit: Duration,
}

#[derive(Default)]
struct Idle {
    connections: Vec<(AsyncSmtpConnection, Instant)>,
    /// Whether a task is closing connections at their time limit.
    has_closer: bool,
}

impl Pool {
    pub fn new(limit: Duration) -> Self {
        Self { idle: Arc::default(), limit }
    }

    /// An idle connection that still works.
    pub async fn take(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, _) = lock(&self.idle).connections.pop()?;
            if timeout(COURTESY, connection.test_connected()).await == Some(true) {
                return Some(connection);
            }
        }
    }

    pub fn put(&self, connection: AsyncSmtpConnection) {
        let mut idle = lock(&self.idle);
        idle.connections.push((connection, now()));
        if !std::mem::replace(&mut idle.has_closer, true) {
            tokio::spawn(close_idle(Arc::downgrade(&self.idle), self.limit));
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes connections that were idle for too long, until none is left or the pool is dropped.
async fn close_idle(pool: Weak<Mutex<Idle>>, limit: Duration) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let mut idle = lock(&pool);
            let now = now();
            let old = idle.connections.extract_if(.., |(_, since)| now.duration_since(*since) >= limit);
            old.for_each(|(connection, _)| quit(connection));
            let next = idle.connections.iter().map(|(_, since)| *since + limit).min();
            idle.has_closer = next.is_some();
            next
        };
        let Some(next) = next else { return };
        pause(next.saturating_duration_since(now())).await;
    }
}

/// Says goodbye in the background.
pub(super) fn quit(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move { timeout(COURTESY, connection.quit()).await });
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::extension::ClientId;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_idle_too_long_is_closed() {
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
