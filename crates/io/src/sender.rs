//! Gives the transmit arena to the kernel and decides what becomes of packets that it does not take.
//!
//! One packet that cannot be sent never costs the others of its batch. What is not sent is dropped and counted: media is
//! sent again when the receiver asks for it.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

use sfu_core::transmit::{Train, TxArena};

use crate::BATCH;
use crate::stats::IoStats;
use crate::sys::{self, Socket};

/// Full buffers: wait so often and so long in one pass over a batch, then drop. Longer would hold up receiving.
const MAX_WAITS: u32 = 4;
const WAIT: Duration = Duration::from_micros(500);
/// Errors that concern an earlier packet are reported once; more in a row are about this one.
const MAX_RETRIES: u32 = 3;

/// What to do about the first train that the kernel did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Retry,
    WaitForRoom,
    /// The kernel does not segment on this path: without offload from now on.
    DisableGso,
    /// The kernel does not segment this run (a path with a small MTU): its datagrams one by one.
    Split,
    /// Longer than the path takes.
    Fragment,
    Drop,
}

fn verdict(error: &io::Error, segments: usize) -> Verdict {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::ConnectionRefused => return Verdict::Retry,
        ErrorKind::WouldBlock => return Verdict::WaitForRoom,
        _ => {}
    }
    match error.raw_os_error() {
        Some(libc::ENOBUFS) => Verdict::WaitForRoom,
        // EIO: the device cannot do the checksums that segmentation needs.
        Some(libc::EIO | libc::ENOPROTOOPT | libc::EOPNOTSUPP) if segments > 1 => Verdict::DisableGso,
        Some(libc::EINVAL | libc::EMSGSIZE) if segments > 1 => Verdict::Split,
        Some(libc::EMSGSIZE) => Verdict::Fragment,
        _ => Verdict::Drop,
    }
}

/// Sends arenas and counts.
#[derive(Debug, Default)]
pub struct Sender {
    waits_left: u32,
}

impl Sender {
    /// What is sent from now on may wait for the kernel's buffers anew: once for all parts of a batch.
    pub fn begin(&mut self) {
        self.waits_left = MAX_WAITS;
    }

    /// Sends everything in the arena; what the kernel does not take is gone.
    pub fn send(&mut self, sockets: &mut [Socket], tx: &TxArena, stats: &mut IoStats) {
        if tx.is_empty() {
            return;
        }
        let mut batch: Vec<Train<'_>> = Vec::with_capacity(BATCH);
        for train in tx.trains() {
            let full = batch.len() == BATCH || batch.first().is_some_and(|first| first.socket != train.socket);
            if full {
                self.flush(sockets, &batch, stats);
                batch.clear();
            }
            batch.push(train);
        }
        self.flush(sockets, &batch, stats);
    }

    /// One socket's batch.
    fn flush(&mut self, sockets: &mut [Socket], batch: &[Train<'_>], stats: &mut IoStats) {
        let Some(socket) = batch.first().and_then(|train| sockets.get_mut(usize::from(train.socket))) else {
            stats.dropped_refused += datagrams(batch);
            return;
        };
        let mut rest = batch;
        let mut retries = 0;
        while let [first, after @ ..] = rest {
            if first.segments > 1 && !socket.gso() {
                self.send_singly(socket, first, stats);
                rest = after;
                continue;
            }
            // Up to the next train that must be split.
            let whole = rest.iter().take_while(|train| train.segments == 1 || socket.gso()).count();
            let Err(error) = send_some(socket, &mut rest, whole, stats) else {
                retries = 0;
                continue;
            };
            match verdict(&error, first.segments) {
                Verdict::Retry if retries < MAX_RETRIES => retries += 1,
                Verdict::WaitForRoom if self.waits_left > 0 => self.wait_for_room(socket),
                Verdict::WaitForRoom => {
                    stats.dropped_buffers_full += datagrams(rest);
                    return;
                }
                Verdict::DisableGso => {
                    socket.disable_gso();
                    stats.sockets_without_gso += 1;
                }
                Verdict::Split => {
                    stats.trains_split += 1;
                    self.send_singly(socket, first, stats);
                    rest = after;
                }
                Verdict::Fragment => {
                    send_in_fragments(socket, first, stats);
                    rest = after;
                }
                Verdict::Retry | Verdict::Drop => {
                    stats.dropped_refused += first.segments as u64;
                    rest = after;
                }
            }
        }
    }

    fn send_singly(&mut self, socket: &mut Socket, train: &Train<'_>, stats: &mut IoStats) {
        let singles: Vec<Train<'_>> = train
            .bytes
            .chunks(train.segment_size.max(1))
            .map(|bytes| Train { segment_size: bytes.len(), segments: 1, bytes, ..*train })
            .collect();
        let mut rest = singles.as_slice();
        while let [first, after @ ..] = rest {
            let whole = rest.len();
            let Err(error) = send_some(socket, &mut rest, whole, stats) else { continue };
            match verdict(&error, first.segments) {
                Verdict::WaitForRoom if self.waits_left > 0 => self.wait_for_room(socket),
                Verdict::Fragment => {
                    send_in_fragments(socket, first, stats);
                    rest = after;
                }
                _ => {
                    stats.dropped_refused += 1;
                    rest = after;
                }
            }
        }
    }

    fn wait_for_room(&mut self, socket: &Socket) {
        self.waits_left -= 1;
        let mut fds = [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
        // When waiting fails too, the next attempt says why.
        let _ = sys::wait(&mut fds, WAIT);
    }
}

/// One call into the kernel with the first `whole` trains; moves `rest` past what it took.
fn send_some(socket: &Socket, rest: &mut &[Train<'_>], whole: usize, stats: &mut IoStats) -> io::Result<()> {
    stats.send_calls += 1;
    let sent = socket.send(&rest[..whole.min(BATCH)])?;
    stats.sent_messages += sent as u64;
    stats.sent += datagrams(&rest[..sent]);
    *rest = &rest[sent..];
    Ok(())
}

/// One datagram that is longer than its path takes.
fn send_in_fragments(socket: &mut Socket, train: &Train<'_>, stats: &mut IoStats) {
    stats.send_calls += 1;
    if socket.send_in_fragments(train).is_ok() {
        stats.sent_messages += 1;
        stats.sent += 1;
        stats.sent_in_fragments += 1;
    } else {
        stats.dropped_refused += 1;
    }
}

fn datagrams(trains: &[Train<'_>]) -> u64 {
    trains.iter().map(|train| train.segments as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_verdict() {
        let table = [
            (libc::EINTR, 1, Verdict::Retry),
            (libc::ECONNREFUSED, 1, Verdict::Retry),
            (libc::EAGAIN, 8, Verdict::WaitForRoom),
            (libc::ENOBUFS, 1, Verdict::WaitForRoom),
            (libc::EIO, 8, Verdict::DisableGso),
            (libc::EIO, 1, Verdict::Drop),
            (libc::EINVAL, 8, Verdict::Split),
            (libc::EMSGSIZE, 8, Verdict::Split),
            (libc::EMSGSIZE, 1, Verdict::Fragment),
            (libc::EPERM, 1, Verdict::Drop),
            (libc::ENETUNREACH, 3, Verdict::Drop),
        ];
        for (code, segments, expected) in table {
            assert_eq!(verdict(&io::Error::from_raw_os_error(code), segments), expected, "errno {code}");
        }
    }
}
