//! A client's socket, to close its connection from outside the code that reads and writes it.

use std::os::fd::RawFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_web::rt;
use nix::sys::socket::{Shutdown, shutdown};

/// The descriptor of a connection, stored when it was accepted.
#[derive(Debug, Clone, Copy)]
pub struct PeerSocket(pub RawFd);

/// Stored in the data of an HTTP connection, so that it is dropped with the connection.
pub struct ConnectionLifetime(Rc<PeerSocket>);

impl ConnectionLifetime {
    #[must_use]
    pub fn new(socket: PeerSocket) -> Self {
        Self(Rc::new(socket))
    }

    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        ConnectionHandle(Rc::downgrade(&self.0))
    }
}

/// An HTTP connection that may have ended.
pub struct ConnectionHandle(Weak<PeerSocket>);

impl ConnectionHandle {
    /// Ends the connection in a while, if it has not ended by itself.
    pub fn close_after(self, patience: Duration) {
        rt::spawn(async move {
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            tokio::time::sleep(patience).await;
            // Dropped with its connection, on this thread, so the number does not belong to another file.
            if let Some(socket) = self.0.upgrade() {
                // Fails only if the peer was faster.
                let _ = shutdown(socket.0, Shutdown::Both);
            }
        });
    }
}
