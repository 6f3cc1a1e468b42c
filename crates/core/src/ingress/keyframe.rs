//! When to ask a sender for a keyframe, and how often a receiver may ask us.

use crate::time::{Micros, Time};

/// Two requests to one encoding are at least so far apart.
const SENDER_INTERVAL: Micros = Micros::from_millis(500);
/// A request that brought no keyframe is repeated after this.
const REPEAT_AFTER: Micros = Micros::from_secs(1);
/// A sender that answers none of so many is not there; the next packet or request starts anew.
const MAX_UNANSWERED: u8 = 10;
/// Requests of one receiver: so far apart, and so many in the window.
const RECEIVER_INTERVAL: Micros = Micros::from_millis(200);
const RECEIVER_WINDOW: Micros = Micros::from_secs(10);
const RECEIVER_BURST: usize = 3;

/// Keyframe requests towards one encoding.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyframeRequests {
    due: Option<Time>,
    sent_at: Option<Time>,
    unanswered: u8,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe. Sent now, or when the last request is old enough; not at all when
    /// a keyframe comes before.
    pub fn request(&mut self, now: Time) {
        let allowed = self.sent_at.map_or(now, |sent| now.max(sent + SENDER_INTERVAL));
        self.due = Some(self.due.map_or(allowed, |due| due.min(allowed)));
        self.unanswered = 0;
    }

    /// As [`KeyframeRequests::request`], unless one is under way.
    pub fn ensure(&mut self, now: Time) {
        if self.due.is_none() {
            self.request(now);
        }
    }

    /// A keyframe came, or nobody needs one any more.
    pub fn settle(&mut self) {
        self.due = None;
    }

    pub fn due(&self) -> Option<Time> {
        self.due
    }

    /// True when a request is to be sent now; plans its repetition.
    pub fn take_due(&mut self, now: Time) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.sent_at = Some(now);
        self.unanswered += 1;
        self.due = (self.unanswered < MAX_UNANSWERED).then(|| now + REPEAT_AFTER);
        true
    }
}

/// Keyframe requests that one receiver may make.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiverLimit {
    granted: [Option<Time>; RECEIVER_BURST],
}

impl ReceiverLimit {
    /// Whether the request counts.
    pub fn allow(&mut self, now: Time) -> bool {
        let [oldest, middle, newest] = self.granted;
        let too_soon = newest.is_some_and(|last| now.since(last) < RECEIVER_INTERVAL);
        let too_many = oldest.is_some_and(|first| now.since(first) < RECEIVER_WINDOW);
        if too_soon || too_many {
            return false;
        }
        self.granted = [middle, newest, Some(now)];
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: u64) -> Time {
        Time(value * 1_000)
    }

    #[test]
    fn requests_are_joined_and_repeated_until_a_keyframe_comes() {
        let mut requests = KeyframeRequests::default();
        requests.request(ms(0));
        requests.request(ms(0));
        assert!(requests.take_due(ms(0)));
        assert!(!requests.take_due(ms(0)));
        requests.request(ms(100));
        assert_eq!(requests.due(), Some(ms(500)));
        assert!(!requests.take_due(ms(499)));
        assert!(requests.take_due(ms(500)));
        assert!(!requests.take_due(ms(1_499)));
        assert!(requests.take_due(ms(1_500)));
        requests.settle();
        assert_eq!(requests.due(), None);
    }

    #[test]
    fn a_sender_that_never_answers_is_not_asked_for_ever() {
        let mut requests = KeyframeRequests::default();
        requests.request(ms(0));
        let asked = (0..100).filter(|second| requests.take_due(ms(second * 1_000))).count();
        assert_eq!((asked, requests.due()), (10, None));
    }

    #[test]
    fn a_receiver_is_heard_three_times_in_ten_seconds() {
        let mut limit = ReceiverLimit::default();
        let heard: Vec<u64> = (0..12_000).step_by(100).filter(|&at| limit.allow(ms(at))).collect();
        assert_eq!(heard, [0, 200, 400, 10_000, 10_200, 10_400]);
    }
}
