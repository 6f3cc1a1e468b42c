//! A full ICE agent's part towards one remote candidate, controlling (RFC 8445): checks, nomination, consent (RFC 7675).

use std::net::SocketAddr;

use sfu_core::stun::write::MAX_LEN;
use sfu_core::stun::{BindingRequest, Class, IceRole, IntegrityKey, Message, write_binding_success};
use sfu_core::time::{Micros, Time};

/// RFC 8445 §14.3 starts a retransmission timer at 500 ms; on the machine itself or its network this is ample.
const RETRANSMISSION: Micros = Micros::from_millis(100);
/// As browsers do.
const CONSENT: Micros = Micros::from_millis(2_500);
/// RFC 7675 §5.1.
const EXPIRY: Micros = Micros::from_secs(30);
/// RFC 8445 §5.1.2.1: a host candidate's, as peer-reflexive.
const PRIORITY: u32 = (110 << 24) | (0xFFFF << 8) | 255;

#[derive(Debug)]
pub struct Ice {
    username: String,
    local_key: IntegrityKey,
    remote_key: IntegrityKey,
    tie_breaker: u64,
    checks: u32,
    next_check: Time,
    answered: Option<Time>,
}

impl Ice {
    pub fn new(username: String, local_pwd: &str, remote_pwd: &str, tie_breaker: u64, now: Time) -> Self {
        Self {
            username,
            local_key: IntegrityKey::new(local_pwd),
            remote_key: IntegrityKey::new(remote_pwd),
            tie_breaker,
            checks: 0,
            next_check: now,
            answered: None,
        }
    }

    /// The server consents at the moment.
    pub fn is_connected(&self, now: Time) -> bool {
        self.answered.is_some_and(|at| now.since(at) < EXPIRY)
    }

    /// Writes the check that is due; its length.
    pub fn poll_check(&mut self, now: Time, buffer: &mut [u8; MAX_LEN]) -> Option<usize> {
        if now < self.next_check {
            return None;
        }
        self.next_check = now + if self.answered.is_some() { CONSENT } else { RETRANSMISSION };
        self.checks += 1;
        let mut transaction_id = [0; 12];
        transaction_id[..8].copy_from_slice(&self.tie_breaker.to_be_bytes());
        transaction_id[8..].copy_from_slice(&self.checks.to_be_bytes());
        let request = BindingRequest {
            transaction_id,
            username: &self.username,
            priority: Some(PRIORITY),
            role: Some(IceRole::Controlling(self.tie_breaker)),
            use_candidate: true,
        };
        request.write(buffer, &self.remote_key).ok()
    }

    /// Takes an answer, or writes one to a check of the server (`source`); its length, and whether it was the first
    /// good answer to ours.
    pub fn handle(
        &mut self,
        now: Time,
        bytes: &[u8],
        source: SocketAddr,
        buffer: &mut [u8; MAX_LEN],
    ) -> (Option<usize>, bool) {
        let Ok(message) = Message::parse(bytes) else { return (None, false) };
        match message.class {
            Class::Request if message.verify_integrity(&self.local_key) => {
                (write_binding_success(buffer, &message.transaction_id, source, &self.local_key).ok(), false)
            }
            Class::Success
                if message.transaction_id[..8] == self.tie_breaker.to_be_bytes()
                    && message.verify_integrity(&self.remote_key) =>
            {
                let first = self.answered.replace(now).is_none();
                if first {
                    self.next_check = now + CONSENT;
                }
                (None, first)
            }
            _ => (None, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Ice {
        Ice::new("theirs:ours".to_owned(), "our-password", "their-password", 7, Time(0))
    }

    fn answer(request: &[u8], password: &str) -> Vec<u8> {
        let id = Message::parse(request).unwrap().transaction_id;
        let mut buffer = [0; MAX_LEN];
        let mapped = "127.0.0.1:9".parse().unwrap();
        let len = write_binding_success(&mut buffer, &id, mapped, &IntegrityKey::new(password)).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn a_check_is_repeated_until_it_is_answered_and_then_consent_is_asked_for() {
        let (mut ice, mut buffer) = (agent(), [0; MAX_LEN]);
        assert!(ice.poll_check(Time(0), &mut buffer).is_some());
        assert_eq!(ice.poll_check(Time(99_999), &mut buffer), None);
        let len = ice.poll_check(Time(100_000), &mut buffer).unwrap();
        let good = answer(&buffer[..len], "their-password");
        let source = "127.0.0.1:9".parse().unwrap();
        assert_eq!(ice.handle(Time(100_500), &good, source, &mut buffer), (None, true));
        assert_eq!(ice.handle(Time(100_600), &good, source, &mut buffer), (None, false));
        assert_eq!(ice.poll_check(Time(2_600_499), &mut buffer), None);
        assert!(ice.poll_check(Time(2_600_500), &mut buffer).is_some());
        assert!(ice.is_connected(Time(30_000_000)) && !ice.is_connected(Time(30_100_600)));
    }

    #[test]
    fn an_answer_by_somebody_without_the_password_counts_for_nothing() {
        let (mut ice, mut buffer) = (agent(), [0; MAX_LEN]);
        let len = ice.poll_check(Time(0), &mut buffer).unwrap();
        let forged = answer(&buffer[..len], "another-password");
        assert_eq!(ice.handle(Time(1), &forged, "127.0.0.1:9".parse().unwrap(), &mut buffer), (None, false));
        assert!(!ice.is_connected(Time(1)));
    }
}
