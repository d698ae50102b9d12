//! Listening sockets, and kernel options of each connection.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that may wait to be accepted: after a restart all clients return at once.
const BACKLOG: i32 = 4096;

/// Bytes that the kernel may buffer for a client in each direction. By default it takes up to 4 MB for one
/// that does not read, and up to 32 MB from one that sends faster than it is answered.
const KERNEL_BUFFER: usize = 64 * 1024;

/// How long sent bytes may stay unacknowledged before the kernel gives up a connection (RFC 5482).
const USER_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
        // Accepted connections inherit these; set later, the receive buffer could not limit the window any
        // more.
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok::<_, std::io::Error>(socket.into())
    };
    listen().map_err(|error| format!("cannot listen on {address} ({key}): {error}"))
}

pub(super) fn local_address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| format!("no local address: {error}"))
}

pub(super) fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // Each is only an optimization: a connection without it still works.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}
