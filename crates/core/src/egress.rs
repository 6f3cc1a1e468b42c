//! The sending side: what one subscriber gets of one source. Stop `egress`.

pub mod consumer;
pub mod continuity;
pub mod forward;
pub mod packet;
pub mod retransmit;
