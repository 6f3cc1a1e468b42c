//! CPU time that the socket layer takes for a datagram, sending and receiving, with and without offload.
//!
//! `cargo run --release -p sfu-io --example socket_cost`. Linux only: reads the threads' CPU time from /proc.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sfu_core::transmit::TxArena;
use sfu_io::sender::Sender;
use sfu_io::stats::IoStats;
use sfu_io::sys::{self, Receiver, Socket};

const RUN: Duration = Duration::from_secs(2);
const DATAGRAM: usize = 1_200;

/// Nanoseconds that the calling thread has run.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn receive(socket: &Socket, offload: bool, stop: &AtomicBool) -> (u64, u64) {
    let mut receiver = Receiver::new(offload);
    let (start, mut count) = (cpu_ns(), 0);
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        let _ = sys::wait(&mut fds, Duration::from_millis(50));
        while receiver.receive(socket).is_ok() {
            count += receiver.datagrams().count() as u64;
        }
    }
    (cpu_ns() - start, count)
}

/// `burst` datagrams side by side for each of `destinations` sockets, paced to `rate` datagrams a second.
fn measure(burst: usize, destinations: usize, rate: u64, gso: bool, gro: bool) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut from = [Socket::bind(any, gso).expect("bind")];
    let to: Vec<_> = (0..destinations).map(|_| Socket::bind(any, gro).expect("bind")).collect();
    let mut tx = TxArena::with_capacity(1 << 20);
    for socket in &to {
        for _ in 0..burst {
            tx.push(0, socket.local_address(), &[7; DATAGRAM]);
        }
    }
    let stop = AtomicBool::new(false);
    let (mut stats, mut sender) = (IoStats::default(), Sender::default());
    std::thread::scope(|scope| {
        let receivers: Vec<_> = to.iter().map(|socket| scope.spawn(|| receive(socket, gro, &stop))).collect();
        let (start, started) = (cpu_ns(), Instant::now());
        while started.elapsed() < RUN {
            sender.send(&mut from, &tx, &mut stats);
            let due = Duration::from_micros(stats.sent * 1_000_000 / rate);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        let send_ns = cpu_ns() - start;
        std::thread::sleep(Duration::from_millis(50));
        stop.store(true, Ordering::Relaxed);
        let (receive_ns, received) = receivers
            .into_iter()
            .map(|thread| thread.join().expect("receiver"))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        println!(
            "burst {burst:3} to {destinations:2}, GSO {gso:5}, GRO {gro:5}: send {:5} ns, receive {:5} ns a datagram; \
             {:.1} datagrams a message; {} sent, {} lost",
            send_ns / stats.sent.max(1),
            receive_ns / received.max(1),
            stats.sent as f64 / stats.sent_messages.max(1) as f64,
            stats.sent,
            stats.sent - received.min(stats.sent),
        );
    });
}

fn main() {
    for (burst, destinations) in [(1, 1), (10, 1), (10, 8), (40, 8)] {
        for (gso, gro) in [(false, false), (true, false), (true, true)] {
            measure(burst, destinations, 40_000, gso, gro);
        }
    }
}
