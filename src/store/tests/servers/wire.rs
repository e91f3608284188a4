//! A proxy in front of PostgreSQL that disturbs swaps, with manners of its own.
//!
//! **Invariant:** what it does not disturb passes as it came. A statement counts as a swap by its
//! text; every third one is disturbed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What it does to swaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WireManner {
    /// Closes the connection and does not pass the statement on.
    Drop,
    /// Passes it on, waits until it is committed, and closes the connection.
    Cut,
    /// The same, but first says nothing for a while.
    Hang,
    /// Closes the connection, and passes the statement on some time later.
    Late,
}

/// A running proxy; its threads end with the test.
pub struct Wire {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    swaps: Arc<AtomicUsize>,
}

const SWAP: &[u8] = b"UPDATE factfs_objects SET tag";
const HANG: Duration = Duration::from_secs(2);
/// Long enough for the client to have looked at what is there.
const LATER: Duration = Duration::from_millis(100);

impl Wire {
    /// Starts one before the server on `upstream`.
    pub fn start(upstream: u16, manner: WireManner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let swaps = Arc::new(AtomicUsize::new(0));
        let counter = swaps.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else { continue };
                let disturbed = Arc::new(AtomicBool::new(false));
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (flag, swaps) = (disturbed.clone(), counter.clone());
                std::thread::spawn(move || {
                    up(&mut from, &mut to, manner, &flag, &swaps).ok();
                    close(&from, &to);
                });
                std::thread::spawn(move || {
                    down(server, client, manner, &disturbed).ok();
                });
            }
        });
        Self { port, swaps }
    }

    /// How many swaps came.
    pub fn swaps(&self) -> usize {
        self.swaps.load(Relaxed)
    }
}

fn close(one: &TcpStream, other: &TcpStream) {
    // One that is closed already is what was wanted.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

fn up(
    client: &mut TcpStream,
    server: &mut TcpStream,
    manner: WireManner,
    disturbed: &AtomicBool,
    swaps: &AtomicUsize,
) -> std::io::Result<()> {
    let mut chunk = vec![0; 1 << 20];
    loop {
        let got = client.read(&mut chunk)?;
        if got == 0 {
            return Ok(());
        }
        let is_swap = chunk[..got].windows(SWAP.len()).any(|some| some == SWAP);
        if is_swap && swaps.fetch_add(1, Relaxed) % 3 == 2 {
            match manner {
                WireManner::Drop => return Ok(()),
                WireManner::Late => {
                    client.shutdown(Shutdown::Both)?;
                    std::thread::sleep(LATER);
                    server.write_all(&chunk[..got])?;
                    // Until it is done: a server drops what a closed connection asked for.
                    std::thread::sleep(LATER);
                    return Ok(());
                }
                WireManner::Cut | WireManner::Hang => disturbed.store(true, Relaxed),
            }
        }
        server.write_all(&chunk[..got])?;
    }
}

fn down(
    mut server: TcpStream,
    mut client: TcpStream,
    manner: WireManner,
    disturbed: &AtomicBool,
) -> std::io::Result<()> {
    let mut chunk = vec![0; 1 << 16];
    loop {
        let got = server.read(&mut chunk)?;
        if got == 0 {
            return client.shutdown(Shutdown::Both);
        }
        if disturbed.load(Relaxed) {
            if manner == WireManner::Hang {
                std::thread::sleep(HANG);
            }
            close(&client, &server);
            return Ok(());
        }
        client.write_all(&chunk[..got])?;
    }
}
