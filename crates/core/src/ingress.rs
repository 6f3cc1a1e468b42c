//! The receiving side: from an authenticated packet to the history ring. Stop `ingress`.

pub mod arrivals;
pub mod chains;
pub mod clock;
pub mod encoding;
pub mod keyframe;
pub mod layer_rates;
pub mod nack;
pub mod producer;
pub mod receive;
pub mod reception;
pub mod streams;
