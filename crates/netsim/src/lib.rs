//! `sfu-netsim`: networks, publishers and subscribers in virtual time.
//!
//! Owns models of links (rate, queue, delay, loss), of what competes on them and of the clients at their ends; no part
//! of the server. No I/O, no clock, no thread: the caller gives the time. Deterministic: one seed, one course of events.
#![forbid(unsafe_code)]

pub mod bottleneck;
pub mod codel;
pub mod driver;
pub mod link;
pub mod loss;
pub mod mark;
pub mod publisher;
pub mod queue;
pub mod random;
pub mod subscriber;
pub mod tcp;
pub mod trace;
pub mod world;

pub mod feedback;

/// IPv4 and UDP headers: what a datagram is longer on the wire.
pub const UDP_OVERHEAD: usize = 28;
