//! What was sent and what of it is not told of yet: all that a packet changes on its way out, in one cache line.

use super::history::History;
use crate::time::Time;

#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub struct Outgoing {
    pub history: History,
    /// Of all packets ever.
    pub bytes: u64,
    /// When the first packet after the last feedback was sent.
    pub unanswered: Option<Time>,
}

const _: () = assert!(size_of::<Outgoing>() == 64, "a packet of one of a thousand receivers is one cache miss here");

impl Outgoing {
    #[inline]
    pub fn on_sent(&mut self, seq: u64, size: u32, sent: Time) {
        self.history.add(seq, size, sent);
        self.bytes += u64::from(size);
        if self.unanswered.is_none() {
            self.unanswered = Some(sent);
        }
    }
}
