//! The sending side: what one subscriber gets of one source. Stop `egress`.
//!
//! [`packet::send`] is the only door from here to the transmit arena. Media that does not fit the rate that the network
//! carries waits in [`crate::pacer`] in front of its consumer ([`paced`]). Numbers come from [`numbers`] alone, in the moment
//! of sending.

pub mod consumer;
pub mod continuity;
pub mod forward;
pub mod numbers;
pub mod paced;
pub mod packet;
pub mod probe;
pub mod redundancy;
pub mod retransmit;
pub mod sending;
pub mod shed;
