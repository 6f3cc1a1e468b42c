//! The ICE-lite side of one transport: answers checks, knows where the client is (RFC 8445 §2.5,
//! consent by RFC 7675).
//!
//! States: `New` (no nominated path) -> `Connected` -> `Expired` (no valid check for the consent
//! time). Only the credentials of a restart lead out of `Expired`.

use crate::command::IceCredentials;
use crate::rate::TokenBucket;
use crate::stun::{IceRole, IntegrityKey, Message};
use crate::table::Path;
use crate::time::{Micros, Time};

/// RFC 7675 §5.1: consent ends 30 s after the last valid check.
pub const CONSENT: Micros = Micros::from_secs(30);
/// Paths on which a transport accepts datagrams.
pub const MAX_PATHS: usize = 8;
/// A client that moved without nominating again (its NAT gave it a new port) is followed when the
/// selected path has been silent for longer than browsers' and aioice's check intervals (2.5 s, 5 s).
const FOLLOW_AFTER: Micros = Micros::from_secs(6);
/// Changes of the selected path: each is an event, and no client moves more often.
const MOVES_BURST: u32 = 16;
const MOVES_PER_SECOND: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    New,
    Connected,
    Expired,
}

#[derive(Debug)]
struct Generation {
    ufrag: String,
    key: IntegrityKey,
}

impl Generation {
    fn new(credentials: &IceCredentials) -> Self {
        Self { ufrag: credentials.ufrag.clone(), key: IntegrityKey::new(&credentials.pwd) }
    }
}

#[derive(Clone, Copy, Debug)]
struct ValidPath {
    path: Path,
    checked_at: Time,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// MESSAGE-INTEGRITY is missing or wrong, or consent is gone and these are the old credentials.
    Unauthenticated,
    /// It claims to be controlled, as we are.
    RoleConflict,
    /// It has attributes that must be understood and are not.
    NotUnderstood,
    Valid(Valid),
}

/// Effects of a valid check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valid {
    /// A path that was forgotten to make room.
    pub evicted: Option<Path>,
    pub is_new_path: bool,
    /// The selected path is another now, or the new credentials came into force.
    pub selected: bool,
    pub restarted: bool,
}

/// See the module.
#[derive(Debug)]
#[repr(C)]
pub struct IceLite {
    // In front: what each packet reads.
    selected: Option<Path>,
    phase: Phase,
    current: Generation,
    /// Credentials of a restart, beside the current ones until a nomination uses them.
    next: Option<Generation>,
    paths: Vec<ValidPath>,
    checked_at: Option<Time>,
    moves: TokenBucket,
}

impl IceLite {
    pub fn new(credentials: &IceCredentials) -> Self {
        Self {
            current: Generation::new(credentials),
            next: None,
            paths: Vec::new(),
            selected: None,
            checked_at: None,
            phase: Phase::New,
            moves: TokenBucket::new(MOVES_BURST, MOVES_PER_SECOND),
        }
    }

    /// Accepts these beside the current ones; returns the username of a restart that they replace.
    pub fn restart(&mut self, credentials: &IceCredentials) -> Option<String> {
        self.next.replace(Generation::new(credentials)).map(|replaced| replaced.ufrag)
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Where everything is sent; `None` before a nomination and after consent expired.
    pub fn selected(&self) -> Option<Path> {
        if self.phase == Phase::Connected { self.selected } else { None }
    }

    /// Where a handshake can be sent: the selected path, else the one checked last.
    pub fn handshake_path(&self) -> Option<Path> {
        match self.phase {
            Phase::Expired => None,
            Phase::Connected => self.selected,
            Phase::New => self.paths.iter().max_by_key(|valid| valid.checked_at).map(|valid| valid.path),
        }
    }

    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current).chain(&self.next).map(|generation| generation.ufrag.as_str())
    }

    pub fn paths(&self) -> impl ExactSizeIterator<Item = Path> + '_ {
        self.paths.iter().map(|valid| valid.path)
    }

    pub fn checked_at(&self) -> Option<Time> {
        self.checked_at
    }

    /// The key for answers to checks with this username.
    pub fn key(&self, ufrag: &str) -> &IntegrityKey {
        match &self.next {
            Some(next) if next.ufrag == ufrag => &next.key,
            _ => &self.current.key,
        }
    }

    /// Takes a binding request whose username is one of ours.
    pub fn on_check(&mut self, now: Time, path: Path, ufrag: &str, message: &Message<'_>) -> Check {
        let is_restart = self.next.as_ref().is_some_and(|next| next.ufrag == ufrag);
        if !message.verify_integrity(self.key(ufrag)) || (self.phase == Phase::Expired && !is_restart) {
            return Check::Unauthenticated;
        }
        if matches!(message.role, Some(IceRole::Controlled(_))) {
            return Check::RoleConflict;
        }
        if !message.unknown.is_empty() {
            return Check::NotUnderstood;
        }
        let mut valid = self.remember(now, path);
        self.checked_at = Some(now);
        let follows = !self.selected_is_alive(now) && self.phase == Phase::Connected;
        let restarts = is_restart && message.use_candidate;
        let moves = restarts || self.selected != Some(path) || self.phase != Phase::Connected;
        if (message.use_candidate || follows) && moves && self.moves.take(now) {
            self.selected = Some(path);
            self.phase = Phase::Connected;
            valid.selected = true;
            valid.restarted = restarts;
        }
        Check::Valid(valid)
    }

    fn remember(&mut self, now: Time, path: Path) -> Valid {
        if let Some(known) = self.paths.iter_mut().find(|valid| valid.path == path) {
            known.checked_at = now;
            return Valid::default();
        }
        let mut evicted = None;
        if self.paths.len() >= MAX_PATHS {
            let spare = self.paths.iter().enumerate().filter(|(_, valid)| Some(valid.path) != self.selected);
            let oldest = spare.min_by_key(|(_, valid)| valid.checked_at).map(|(index, _)| index);
            evicted = oldest.map(|index| self.paths.swap_remove(index).path);
        }
        self.paths.push(ValidPath { path, checked_at: now });
        Valid { evicted, is_new_path: true, ..Valid::default() }
    }

    fn selected_is_alive(&self, now: Time) -> bool {
        let selected = self.paths.iter().find(|valid| Some(valid.path) == self.selected);
        selected.is_some_and(|valid| now.since(valid.checked_at) < FOLLOW_AFTER)
    }

    /// The restart is complete: the new credentials replace the old; returns the old username.
    pub fn complete_restart(&mut self) -> Option<String> {
        let next = self.next.take()?;
        Some(std::mem::replace(&mut self.current, next).ufrag)
    }

    /// When consent ends if no check comes.
    pub fn due(&self) -> Option<Time> {
        let checked_at = self.checked_at.filter(|_| self.phase == Phase::Connected)?;
        Some(checked_at + CONSENT)
    }

    /// True when consent has just ended.
    pub fn expire(&mut self, now: Time) -> bool {
        let expired = self.due().is_some_and(|due| due <= now);
        if expired {
            self.phase = Phase::Expired;
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::BindingRequest;
    use std::net::SocketAddr;

    const FIRST: (&str, &str) = ("aaaa", "first password 012345678901");
    const SECOND: (&str, &str) = ("bbbb", "second password 01234567890");

    fn credentials((ufrag, pwd): (&str, &str)) -> IceCredentials {
        IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() }
    }

    fn path(port: u16) -> Path {
        Path { socket: 0, remote: SocketAddr::from(([192, 0, 2, 1], port)) }
    }

    fn check(ice: &mut IceLite, at_s: u64, from: u16, with: (&str, &str), use_candidate: bool) -> Check {
        let username = format!("{}:them", with.0);
        let role = Some(IceRole::Controlling(7));
        let request =
            BindingRequest { transaction_id: [1; 12], username: &username, priority: Some(1), role, use_candidate };
        let mut buffer = [0; 640];
        let len = request.write(&mut buffer, &IntegrityKey::new(with.1)).expect("room");
        let message = Message::parse(&buffer[..len]).expect("well formed");
        ice.on_check(Time(at_s * 1_000_000), path(from), with.0, &message)
    }

    fn selects(check: Check) -> bool {
        matches!(check, Check::Valid(Valid { selected: true, .. }))
    }

    #[test]
    fn nothing_is_selected_before_a_nomination() {
        let mut ice = IceLite::new(&credentials(FIRST));
        assert!(!selects(check(&mut ice, 0, 1, FIRST, false)));
        assert_eq!((ice.selected(), ice.handshake_path()), (None, Some(path(1))));
        assert!(selects(check(&mut ice, 1, 2, FIRST, true)));
        assert!(!selects(check(&mut ice, 2, 2, FIRST, true)));
        assert_eq!(ice.selected(), Some(path(2)));
    }

    #[test]
    fn a_wrong_password_changes_nothing() {
        let mut ice = IceLite::new(&credentials(FIRST));
        assert_eq!(check(&mut ice, 0, 1, (FIRST.0, SECOND.1), true), Check::Unauthenticated);
        assert_eq!((ice.paths().len(), ice.phase()), (0, Phase::New));
    }

    #[test]
    fn a_client_that_moves_is_followed_by_nomination_at_once_and_without_one_after_silence() {
        let mut ice = IceLite::new(&credentials(FIRST));
        check(&mut ice, 0, 1, FIRST, true);
        assert!(!selects(check(&mut ice, 1, 2, FIRST, false)));
        assert!(selects(check(&mut ice, 2, 3, FIRST, true)));
        assert!(!selects(check(&mut ice, 7, 4, FIRST, false)));
        assert!(selects(check(&mut ice, 8, 4, FIRST, false)));
        assert_eq!(ice.selected(), Some(path(4)));
    }

    #[test]
    fn both_credentials_work_until_a_nomination_with_the_new_ones() {
        let mut ice = IceLite::new(&credentials(FIRST));
        check(&mut ice, 0, 1, FIRST, true);
        ice.restart(&credentials(SECOND));
        assert!(matches!(check(&mut ice, 1, 1, FIRST, true), Check::Valid(Valid { selected: false, .. })));
        assert!(matches!(check(&mut ice, 2, 1, SECOND, false), Check::Valid(Valid { restarted: false, .. })));
        let Check::Valid(valid) = check(&mut ice, 3, 1, SECOND, true) else { panic!("valid") };
        assert!(valid.restarted && valid.selected);
        assert_eq!(ice.complete_restart().as_deref(), Some(FIRST.0));
        assert_eq!(ice.ufrags().collect::<Vec<_>>(), [SECOND.0]);
    }

    #[test]
    fn consent_ends_after_30_seconds_and_only_a_restart_brings_it_back() {
        let mut ice = IceLite::new(&credentials(FIRST));
        assert_eq!(ice.due(), None);
        check(&mut ice, 0, 1, FIRST, true);
        check(&mut ice, 5, 1, FIRST, false);
        assert!(!ice.expire(Time(34_999_999)));
        assert!(ice.expire(Time(35_000_000)));
        assert_eq!((ice.selected(), ice.handshake_path()), (None, None));
        assert_eq!(check(&mut ice, 36, 1, FIRST, true), Check::Unauthenticated);
        ice.restart(&credentials(SECOND));
        assert!(selects(check(&mut ice, 37, 1, SECOND, true)));
        assert_eq!(ice.selected(), Some(path(1)));
    }

    #[test]
    fn a_client_that_moves_all_the_time_is_not_followed_each_time() {
        let mut ice = IceLite::new(&credentials(FIRST));
        let moves = (0..1_000).filter(|number| selects(check(&mut ice, 0, number % 2 + 1, FIRST, true))).count();
        assert_eq!(moves, 16);
    }

    #[test]
    fn paths_are_bounded_and_the_selected_one_stays() {
        let mut ice = IceLite::new(&credentials(FIRST));
        check(&mut ice, 0, 1, FIRST, true);
        for port in 2..50u16 {
            check(&mut ice, 1, port, FIRST, false);
        }
        assert_eq!(ice.paths().len(), MAX_PATHS);
        assert!(ice.paths().any(|known| known == path(1)));
    }
}
