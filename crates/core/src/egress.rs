//! The sending side: what one subscriber gets of one source. Stop `egress`.
//!
//! [`packet::send`] is the only door from here to the transmit arena: a pacer (the stop between
//! `egress` and `io`) stands there once there is an estimate to pace by.

pub mod consumer;
pub mod continuity;
pub mod forward;
pub mod numbers;
pub mod packet;
pub mod retransmit;
