//! The socket layer on the loopback interface: what is sent arrives, datagram by datagram.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sfu_core::transmit::TxArena;
use sfu_io::sender::Sender;
use sfu_io::stats::IoStats;
use sfu_io::sys::{self, Receiver, Socket};

const DEADLINE: Duration = Duration::from_secs(5);

fn bind(offload: bool) -> Socket {
    Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), offload).expect("loopback can be bound")
}

/// Waits for `count` datagrams.
fn receive(socket: &Socket, receiver: &mut Receiver, count: usize) -> Vec<(SocketAddr, Option<Duration>, Vec<u8>)> {
    let started = Instant::now();
    let mut all = Vec::new();
    while all.len() < count && started.elapsed() < DEADLINE {
        let mut fds = [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        sys::wait(&mut fds, Duration::from_millis(100)).expect("poll works");
        match receiver.receive(socket) {
            Ok(_) => all.extend(receiver.datagrams().map(|got| (got.source, got.stamp, got.bytes.to_vec()))),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    all
}

/// How many datagrams wait, which are taken.
fn receive_what_is_there(socket: &Socket, receiver: &mut Receiver) -> usize {
    std::iter::from_fn(|| receiver.receive(socket).ok()).sum()
}

/// Frames of equal packets with a shorter last one, as video makes them.
fn frames(sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut number = 0u8;
    let mut packets = Vec::new();
    for &size in sizes {
        for left in (0..size).step_by(1_200) {
            number = number.wrapping_add(1);
            packets.push(vec![number; 1_200.min(size - left)]);
        }
    }
    packets
}

fn arena(packets: &[Vec<u8>], destination: SocketAddr) -> TxArena {
    let mut tx = TxArena::with_capacity(0);
    for packet in packets {
        assert!(tx.push(0, destination, packet));
    }
    tx
}

#[test]
fn trains_arrive_as_the_datagrams_they_were_made_of() {
    for (sends, receives) in [(true, true), (true, false), (false, true), (false, false)] {
        let (from, to) = (bind(sends), bind(receives));
        let packets = frames(&[30_000, 500, 90_000, 1_200, 7_000]);
        let mut stats = IoStats::default();
        let source = from.local_address();
        let tx = arena(&packets, to.local_address());
        Sender::default().send(&mut [from], &tx, &mut stats);
        let got = receive(&to, &mut Receiver::new(receives), packets.len());
        let bytes: Vec<_> = got.iter().map(|(_, _, bytes)| bytes.clone()).collect();
        assert_eq!(bytes, packets, "segmentation {sends}, receive offload {receives}");
        assert!(got.iter().all(|(from, ..)| *from == source));
        assert_eq!(stats.sent, packets.len() as u64);
        let in_trains = stats.sent_messages < stats.sent / 2;
        assert_eq!(in_trains, sends && cfg!(not(feature = "portable")), "{stats:?}");
    }
}

#[test]
fn the_kernel_says_when_a_datagram_came() {
    let (from, to) = (bind(false), bind(false));
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let tx = arena(&[vec![1; 10]], to.local_address());
    Sender::default().send(&mut [from], &tx, &mut IoStats::default());
    let got = receive(&to, &mut Receiver::new(false), 1);
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(got[0].1.is_some(), cfg!(not(feature = "portable")));
    if let Some(stamp) = got[0].1 {
        // The clock of coarse timestamps may be a tick behind.
        assert!(stamp + Duration::from_millis(10) >= before && stamp <= after);
    }
}

#[test]
fn what_the_kernel_had_no_room_for_is_counted() {
    let (from, to) = (bind(false), bind(false));
    let small: libc::c_int = 4_096;
    // SAFETY: the pointer and length describe `small`; the descriptor is open.
    let set = unsafe {
        libc::setsockopt(
            to.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const small).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!((set, to.overflowed()), (0, 0));
    let packets = vec![vec![7; 1_000]; 50];
    Sender::default().send(&mut [from], &arena(&packets, to.local_address()), &mut IoStats::default());
    let got = receive_what_is_there(&to, &mut Receiver::new(false));
    assert!(got < packets.len(), "{got} fit");
    let lost = if cfg!(feature = "portable") { 0 } else { packets.len() - got };
    assert_eq!(to.overflowed(), lost as u64);
}

#[test]
fn a_datagram_that_cannot_be_sent_costs_no_other() {
    let (from, to) = (bind(true), bind(true));
    let mut tx = TxArena::with_capacity(0);
    let wrong_family = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9));
    for number in 0..50u8 {
        assert!(tx.push(0, to.local_address(), &[number; 100]));
        assert!(tx.push(0, wrong_family, &[number; 100]));
    }
    let mut stats = IoStats::default();
    Sender::default().send(&mut [from], &tx, &mut stats);
    let got = receive(&to, &mut Receiver::new(true), 50);
    assert_eq!(got.iter().map(|(_, _, bytes)| bytes[0]).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    assert_eq!((stats.sent, stats.dropped_refused), (50, 50));
}

#[test]
fn a_datagram_for_a_socket_that_is_not_there_is_refused() {
    let mut stats = IoStats::default();
    let mut tx = TxArena::with_capacity(0);
    assert!(tx.push(3, SocketAddr::from(([127, 0, 0, 1], 9)), &[0; 10]));
    Sender::default().send(&mut [bind(true)], &tx, &mut stats);
    assert_eq!(stats.dropped_refused, 1);
}

#[test]
fn nobody_listening_does_not_stop_the_rest() {
    let mut from = [bind(true)];
    let gone = bind(true).local_address();
    let to = bind(true);
    let mut stats = IoStats::default();
    // The refusal of the first comes back before the second is sent.
    for _ in 0..3 {
        Sender::default().send(&mut from, &arena(&[vec![1; 10]], gone), &mut stats);
        Sender::default().send(&mut from, &arena(&[vec![2; 10]], to.local_address()), &mut stats);
    }
    assert_eq!(receive(&to, &mut Receiver::new(true), 3).len(), 3);
}

#[test]
fn a_datagram_longer_than_a_slot_is_dropped_and_counted() {
    let (from, to) = (bind(false), bind(false));
    let mut receiver = Receiver::new(false);
    let mut stats = IoStats::default();
    let tx = arena(&[vec![1; 3_000], vec![2; 10]], to.local_address());
    Sender::default().send(&mut [from], &tx, &mut stats);
    let got = receive(&to, &mut receiver, 1);
    assert_eq!(got.iter().map(|(_, _, bytes)| bytes.len()).collect::<Vec<_>>(), [10]);
    assert_eq!(receiver.truncated(), 1);
}

#[test]
fn an_address_in_use_is_an_error_that_says_so() {
    let taken = bind(true);
    let error = Socket::bind(taken.local_address(), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn both_wildcard_addresses_fit_on_one_port() {
    let four = Socket::bind(SocketAddr::from(([0, 0, 0, 0], 0)), true).unwrap();
    let port = four.local_address().port();
    let six = Socket::bind(SocketAddr::from(([0; 8], port)), true).unwrap();
    assert_eq!(six.local_address().port(), port);
}
