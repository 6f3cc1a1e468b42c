//! Packets that are longer than their path takes, in a network of its own whose loopback takes 1,000 bytes.
#![cfg(all(target_os = "linux", not(feature = "portable")))]

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use sfu_core::transmit::TxArena;
use sfu_io::sender::Sender;
use sfu_io::stats::IoStats;
use sfu_io::sys::{self, Receiver, Socket};

const MTU: &str = "1000";
const DEADLINE: Duration = Duration::from_secs(5);

/// Puts this thread, and the programs it starts, into a network of their own. False: this user may not.
fn small_network() -> bool {
    // SAFETY: the call takes no memory; it changes the calling thread's network alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return false;
    }
    Command::new("ip").args(["link", "set", "lo", "up", "mtu", MTU]).status().is_ok_and(|status| status.success())
}

#[test]
fn what_is_longer_than_the_path_takes_arrives_all_the_same() {
    if !small_network() {
        assert!(std::env::var_os("SFU_REQUIRE_NAMESPACES").is_none(), "no network of its own: needs root and iproute2");
        eprintln!("skipped: no network of its own for this user");
        return;
    }
    let bind = || Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), true).expect("loopback can be bound");
    let (from, to) = (bind(), bind());
    // One alone, a train that is too long, a train that fits, one alone.
    let sizes = [1_400, 1_300, 1_300, 1_300, 700, 700, 700, 200];
    let packets: Vec<Vec<u8>> = (0u8..).zip(sizes).map(|(number, size)| vec![number; size]).collect();
    let mut tx = TxArena::with_capacity(0);
    for packet in &packets {
        assert!(tx.push(0, to.local_address(), packet));
    }
    let mut stats = IoStats::default();
    Sender::default().send(&mut [from], &tx, &mut stats);
    let mut receiver = Receiver::new(true);
    let (started, mut got) = (Instant::now(), Vec::new());
    while got.len() < packets.len() && started.elapsed() < DEADLINE {
        let mut fds = [libc::pollfd { fd: to.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        sys::wait(&mut fds, Duration::from_millis(100)).expect("poll works");
        if receiver.receive(&to).is_ok() {
            got.extend(receiver.datagrams().map(|datagram| datagram.bytes.to_vec()));
        }
    }
    got.sort();
    assert_eq!(got, packets);
    assert_eq!((stats.sent, stats.sent_in_fragments, stats.dropped_refused), (8, 4, 0));
}
