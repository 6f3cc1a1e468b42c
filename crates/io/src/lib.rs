//! `sfu-io`: sockets and the shard thread. First and last stop of a packet, and the only unsafe code of the project.
//!
//! [`runner`] starts and stops the thread, `turns` is its thin loop around [`sfu_core::shard::Shard`], [`sender`] decides
//! what becomes of packets that the kernel does not take. `sys` is the system calls: `linux.rs` (recvmmsg, sendmmsg,
//! segmentation offload, eventfd), else `portable.rs` with the same API. Every `unsafe` block is in `sys`.

pub mod clock;
pub mod runner;
pub mod sender;
pub mod stats;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[path = "linux.rs"]
pub mod sys;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
#[path = "portable.rs"]
pub mod sys;

mod shared;
mod socket;
mod turns;

/// Datagrams taken from a socket at once, and messages given to one at once.
pub const BATCH: usize = 64;
