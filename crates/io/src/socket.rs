//! Opens a UDP socket the way both system layers want it.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// What a shard wants to hold in the kernel: 8 MiB is about 100 ms at 650 Mbit/s. The kernel may grant less.
pub const BUFFER_BYTES: usize = 8 << 20;

/// Binds a non-blocking socket. An IPv6 socket takes IPv6 alone, so that both wildcard addresses fit on one port.
pub fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Best effort: the limit is the machine's (net.core.rmem_max, net.core.wmem_max).
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The address a socket is bound to.
pub fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("the socket has no IP address"))
}
