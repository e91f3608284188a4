//! What a service supervisor is told: ready, stopping, and what about (`sd_notify`).
//!
//! **Invariant:** where nobody asked to be told (`$NOTIFY_SOCKET`), nothing is sent; a supervisor
//! that cannot be told is no failure of the mount. The protocol is a datagram of lines, so this
//! needs no library.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells the supervisor, if there is one: `READY=1`, `STOPPING=1`, `STATUS=…`, a line each.
pub fn tell(lines: &str) {
    if let Err(error) = send(lines) {
        tracing::warn!(%error, "the supervisor could not be told: {lines}");
    }
}

fn send(lines: &str) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    // `@name` is a socket without a file.
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(lines.as_bytes(), &address)?;
    Ok(())
}
