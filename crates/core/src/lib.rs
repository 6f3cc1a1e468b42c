//! `sfu-core`: the packet path, sans-IO.
//!
//! Owns everything that happens to a datagram between the socket and the socket. Owns no socket,
//! no clock, no thread, no Python: time comes in as an argument, datagrams come in as mutable
//! slices, what is to be sent is left in a [`transmit::TxArena`]. The stops of a media packet are
//! listed in ARCHITECTURE.md.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::todo,
        clippy::dbg_macro
    )
)]

pub mod bwe;
pub mod codec;
pub mod command;
pub mod event;
pub mod ids;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod stun;
pub mod time;
pub mod wire;

pub mod cache;
pub mod demux;
pub mod drop;
pub mod egress;
pub mod hash;
pub mod ingress;
pub mod layer;
pub mod mid;
pub mod outbox;
pub mod pacer;
pub mod rate;
pub mod rewrite;
pub mod router;
pub mod shard;
pub mod slab;
pub mod stage;
pub mod stats;
pub mod table;
pub mod transmit;
pub mod transport;
