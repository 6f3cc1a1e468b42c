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

/// Who look at an encoding are a crowd from so many on: its keyframe is a burst that others on the thread wait for.
const CROWD: usize = 64;
/// What one packet of a keyframe to one of a crowd books: some times what it costs, so that one is over before the next
/// begins.
const PER_PACKET: Micros = Micros(12);
/// The same while it goes on and on: a storm of joins that lasts leaves the thread to those who are there.
const PER_PACKET_LASTING: Micros = Micros(36);
/// So much may be booked of that at once: who comes alone sees a whole page without waiting for it.
const BURST: Micros = Micros::from_secs(2);
/// No request waits longer for others than this.
const LONGEST_WAIT: Micros = Micros::from_secs(2);

/// When the next keyframe for a crowd may be asked for: of all encodings of a shard, one after the other.
///
/// A storm of joins makes every camera on the first page be asked at once. A thousand who look at ten cameras then are
/// sent a hundred thousand packets in one go, and everything else waits behind them.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrowdPace {
    /// When what was booked last is over.
    free_at: Time,
    /// When all that was booked would be, at the pace that lasts.
    lasting_until: Time,
}

impl CrowdPace {
    /// Books the time of a keyframe of so many packets to so many; when it may be asked for.
    fn book(&mut self, now: Time, audience: usize, packets: usize) -> Time {
        if audience < CROWD {
            return now;
        }
        let rested = Time(self.lasting_until.0.saturating_sub(BURST.0));
        let at = self.free_at.max(rested).clamp(now, now + LONGEST_WAIT);
        let copies = audience.saturating_mul(packets.max(1)) as u64;
        let books = |per_packet: Micros| Micros(copies.saturating_mul(per_packet.0).min(LONGEST_WAIT.0));
        self.free_at = at + books(PER_PACKET);
        self.lasting_until = self.lasting_until.max(now).min(now + BURST + LONGEST_WAIT) + books(PER_PACKET_LASTING);
        at
    }
}

/// Keyframe requests towards one encoding.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyframeRequests {
    due: Option<Time>,
    sent_at: Option<Time>,
    unanswered: u8,
    /// Its turn among those for crowds is booked: at `due`.
    is_booked: bool,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe. Sent now, or when the last request is old enough; not at all when
    /// a keyframe comes before.
    pub fn request(&mut self, now: Time) {
        self.unanswered = 0;
        if self.is_booked {
            return;
        }
        let allowed = self.sent_at.map_or(now, |sent| now.max(sent + SENDER_INTERVAL));
        self.due = Some(self.due.map_or(allowed, |due| due.min(allowed)));
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
        self.is_booked = false;
    }

    pub fn due(&self) -> Option<Time> {
        self.due
    }

    pub fn is_due(&self, now: Time) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// True when a request is to be sent now; plans its repetition. When a crowd is to get the keyframe, of which the last
    /// one had so many `packets`, it may have to wait for its turn.
    pub fn take_due(&mut self, now: Time, pace: &mut CrowdPace, audience: usize, packets: usize) -> bool {
        if !self.is_due(now) {
            return false;
        }
        if !self.is_booked {
            let turn = pace.book(now, audience, packets);
            if turn > now {
                self.is_booked = true;
                self.due = Some(turn);
                return false;
            }
        }
        self.is_booked = false;
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

    /// Of a meeting of few.
    fn take_due(requests: &mut KeyframeRequests, now: Time) -> bool {
        requests.take_due(now, &mut CrowdPace::default(), 9, 10)
    }

    #[test]
    fn requests_are_joined_and_repeated_until_a_keyframe_comes() {
        let mut requests = KeyframeRequests::default();
        requests.request(ms(0));
        requests.request(ms(0));
        assert!(take_due(&mut requests, ms(0)));
        assert!(!take_due(&mut requests, ms(0)));
        requests.request(ms(100));
        assert_eq!(requests.due(), Some(ms(500)));
        assert!(!take_due(&mut requests, ms(499)));
        assert!(take_due(&mut requests, ms(500)));
        assert!(!take_due(&mut requests, ms(1_499)));
        assert!(take_due(&mut requests, ms(1_500)));
        requests.settle();
        assert_eq!(requests.due(), None);
    }

    #[test]
    fn a_sender_that_never_answers_is_not_asked_for_ever() {
        let mut requests = KeyframeRequests::default();
        requests.request(ms(0));
        let asked = (0..100).filter(|second| take_due(&mut requests, ms(second * 1_000))).count();
        assert_eq!((asked, requests.due()), (10, None));
    }

    #[test]
    fn keyframes_for_crowds_are_asked_for_one_after_the_other() {
        let (mut pace, mut cameras) = (CrowdPace::default(), [KeyframeRequests::default(); 4]);
        let mut asked = Vec::new();
        for at_ms in 0..500 {
            for (number, camera) in cameras.iter_mut().enumerate() {
                // One more who wishes it puts nobody before those who wait.
                camera.request(ms(at_ms));
                if camera.take_due(ms(at_ms), &mut pace, 1_000, 10) {
                    asked.push((number, at_ms));
                }
            }
        }
        assert_eq!(asked, [(0, 0), (1, 120), (2, 240), (3, 360)]);
    }

    #[test]
    fn what_few_wait_for_waits_for_nobody() {
        let mut pace = CrowdPace::default();
        assert_eq!(pace.book(ms(0), 1_000, 50), ms(0));
        assert_eq!(pace.book(ms(0), CROWD - 1, 50), ms(0));
        assert_eq!(pace.book(ms(0), 1_000, 50), ms(600));
    }

    #[test]
    fn who_comes_alone_sees_a_page_at_once_and_a_storm_that_lasts_gets_a_third_of_that_pace() {
        let (mut pace, mut now, mut turns) = (CrowdPace::default(), ms(0), Vec::new());
        // Nine cameras, five packets a keyframe, a thousand who look; somebody comes all the time.
        for _ in 0..90 {
            let turn = pace.book(now, 1_000, 5);
            turns.push(turn);
            now = now.max(turn);
        }
        let gap = |from: usize, to: usize| turns[to].since(turns[from]).0 / (to - from) as u64;
        assert_eq!(gap(0, 9), 5_000 * PER_PACKET.0);
        assert_eq!(gap(45, 89), 5_000 * PER_PACKET_LASTING.0);
        // After a rest it is as at first.
        let later = now + BURST + BURST;
        let again: Vec<Time> = (0..9).map(|_| pace.book(later, 1_000, 5)).collect();
        assert_eq!(again[8].since(again[0]).0, 8 * 5_000 * PER_PACKET.0);
    }

    #[test]
    fn no_request_waits_longer_than_two_seconds() {
        let mut pace = CrowdPace::default();
        let turns: Vec<Time> = (0..50).map(|_| pace.book(ms(0), 100_000, 1_000)).collect();
        assert!(turns.iter().all(|&turn| turn <= ms(2_000)), "{turns:?}");
        assert_eq!(pace.book(ms(10_000), 1_000, 10), ms(10_000), "bookings do not pile up");
    }

    #[test]
    fn a_receiver_is_heard_three_times_in_ten_seconds() {
        let mut limit = ReceiverLimit::default();
        let heard: Vec<u64> = (0..12_000).step_by(100).filter(|&at| limit.allow(ms(at))).collect();
        assert_eq!(heard, [0, 200, 400, 10_000, 10_200, 10_400]);
    }
}
