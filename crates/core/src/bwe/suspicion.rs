//! It seems that the link fell: the next feedback, 50 ms later as a rule, will tell, and media waits for that.
//!
//! Once in a while only, so that a network that often looks like that does not stutter.

use crate::time::{Micros, Time};

/// So long media waits.
const SUSPENSE: Micros = Micros::from_millis(50);
/// From one suspicion to the next.
const PAUSE: Micros = Micros::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
pub struct Suspicion {
    begun: Option<Time>,
    /// By the feedback before.
    has_waited: bool,
}

impl Suspicion {
    /// At the end of each feedback; `seems_fallen`: as it tells.
    pub fn on_feedback(&mut self, now: Time, seems_fallen: bool) {
        let is_rested = self.begun.is_none_or(|begun| now.since(begun) >= PAUSE);
        self.has_waited = seems_fallen && is_rested;
        if self.has_waited {
            self.begun = Some(now);
        }
    }

    /// Media waited for the feedback of this moment.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// For how long media is to wait from this moment on, that of a feedback.
    pub fn pause(&self, now: Time) -> Option<Micros> {
        (self.begun == Some(now)).then_some(SUSPENSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_waits_for_one_feedback_once_a_second() {
        let mut suspicion = Suspicion::default();
        let mut paused_at = Vec::new();
        for ms in (0..2_500).step_by(50) {
            let now = Time(ms * 1_000);
            let waited_for = suspicion.has_waited();
            assert_eq!(waited_for, paused_at.last() == Some(&ms.wrapping_sub(50)));
            suspicion.on_feedback(now, ms >= 100);
            if suspicion.pause(now) == Some(SUSPENSE) {
                paused_at.push(ms);
            }
            assert_eq!(suspicion.pause(now + Micros(1)), None);
        }
        assert_eq!(paused_at, [100, 1_100, 2_100]);
    }
}
