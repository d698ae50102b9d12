//! Listening sockets, and kernel options of each connection.

use std::io::{Error, ErrorKind};
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

/// A socket that has its address and does not listen yet.
pub(super) struct Bound {
    socket: Socket,
    key: &'static str,
    asked: SocketAddr,
    /// The port is real even if 0 was asked for.
    pub address: SocketAddr,
}

/// Binds and listens, if there is an address.
pub(super) fn listen(
    key: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<(TcpListener, SocketAddr)>, String> {
    address.map(|address| bind(key, address)?.listen()).transpose()
}

pub(super) fn bind(key: &'static str, asked: SocketAddr) -> Result<Bound, String> {
    let address = asked;
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
        // Accepted connections inherit these; set later, the receive buffer could not limit the window any
        // more.
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok::<_, Error>((socket, address))
    };
    let (socket, address) = bind().map_err(|error| refusal(key, asked, &error))?;
    Ok(Bound { socket, key, asked, address })
}

impl Bound {
    /// Lets clients connect. They wait until the server accepts.
    pub(super) fn listen(self) -> Result<(TcpListener, SocketAddr), String> {
        let Self { socket, key, asked, address } = self;
        socket.listen(BACKLOG).map_err(|error| refusal(key, asked, &error))?;
        Ok((socket.into(), address))
    }
}

/// Why there is no listener, and what to do if that is known.
fn refusal(key: &str, address: SocketAddr, error: &Error) -> String {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "; another program listens there: choose another port",
        ErrorKind::AddrNotAvailable => "; this machine does not have the address",
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            "; a port below 1024 needs the capability CAP_NET_BIND_SERVICE"
        }
        _ => "",
    };
    format!("cannot listen on {address} ({key}): {error}{advice}")
}

pub(super) fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // Each is only an optimization: a connection without it still works.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}
