//! Ports: free ones for tests, and who holds a busy one.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

use crate::{Error, Result};

/// Below the range from which systems take the ports of outgoing connections. A port from `bind(0)` comes out
/// of that range, and while a process is down for a restart, some connection may be given it.
const LOW: u16 = 15_000;
const SPAN: u16 = 17_000;

static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    // Several test programs may run at a time: each begins elsewhere.
    let mut seed = [0; 2];
    let _best_effort = getrandom::fill(&mut seed);
    AtomicU16::new(u16::from_le_bytes(seed))
});

/// An address on this machine, as everything here listens on.
#[must_use]
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port that is free now, and that this program has not handed out before.
///
/// # Errors
/// If none is free.
pub fn free() -> Result<u16> {
    for _ in 0..SPAN {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = LOW.saturating_add(step.checked_rem(SPAN).unwrap_or_default());
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(Error::Invalid(format!("no free port from {LOW} on")))
}

/// Whether a server could listen there.
///
/// It binds and does not listen: a program that another thread starts at this moment holds a copy of the socket
/// until it has begun, and a copy of a listening socket would keep the port from its taker.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpSocket::new_v4()
        .is_ok_and(|socket| socket.set_reuseaddr(true).is_ok() && socket.bind(local(port)).is_ok())
}

/// Who listens there, such as `envoy (process 4711)`, as far as this user may see it.
#[must_use]
pub fn holder(port: u16) -> Option<String> {
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listener_of(&fs::read_to_string(table).ok()?, port))?;
    let link = format!("socket:[{socket}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Other users' processes do not show their files.
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = |file: fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == &*link)
        };
        if files.flatten().any(holds) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

/// The inode of the socket that listens on the port, in the kernel's table of TCP sockets.
fn listener_of(table: &str, port: u16) -> Option<String> {
    const LISTENING: &str = "0A";
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next()?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        (local.ends_with(&suffix) && state == LISTENING).then(|| inode.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn hands_out_each_port_once() {
        let ports: Vec<u16> = (0..20).map(|_| free().unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), 20);
        assert!(ports.iter().all(|port| (LOW..32_768).contains(port)));
    }

    #[test]
    fn a_port_is_free_while_other_threads_start_programs() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::process::Command::new("true").status().unwrap();
                    }
                });
            }
            let busy = (0..2_000).filter(|_| TcpListener::bind(local(free().unwrap())).is_err());
            let busy = busy.count();
            stop.store(true, Ordering::Relaxed);
            assert_eq!(busy, 0);
        });
    }

    #[test]
    fn a_held_port_is_not_free_and_names_its_holder() {
        let listener = TcpListener::bind(local(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        let holder = holder(port).unwrap();
        assert!(holder.contains(&format!("(process {})", std::process::id())), "{holder}");
        drop(listener);
        // A program that another test starts at this moment holds a copy of the listener until it has begun.
        assert!((0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            is_free(port)
        }));
    }

    #[test]
    fn reads_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:2710 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0 20\n\
               1: 0100007F:2710 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 10\n";
        assert_eq!(listener_of(table, 10_000).as_deref(), Some("222"));
        assert_eq!(listener_of(table, 10_001), None);
    }
}
