//! One datagram: whose it is and what is done with it.

use crate::demux::{Protocol, classify};
use crate::drop::DropReason;
use crate::event::Event;
use crate::ingress::encoding::Encoding;
use crate::ingress::receive::on_rtp;
use crate::outbox::Outbox;
use crate::rate::earlier;
use crate::rtp::header::SSRC_AT;
use crate::shard::{Datagram, Shard, outbox};
use crate::slab::Key;
use crate::stun::write::MAX_LEN;
use crate::stun::{BINDING, Class, ErrorCode, IntegrityKey, Message, write_binding_success, write_error};
use crate::table::Path;
use crate::time::Time;
use crate::transmit::TxArena;
use crate::transport::control::Control;
use crate::transport::ice::{Check, Valid};
use crate::wire::u32_at;

/// Larger than any DTLS record that fits a path; fragments are smaller.
const MAX_DTLS: usize = 2_048;

impl Shard {
    pub(super) fn receive(
        &mut self,
        now: Time,
        datagram: &mut Datagram<'_>,
        tx: &mut TxArena,
    ) -> Result<(), DropReason> {
        self.counters.rx_packets += 1;
        self.counters.rx_bytes += datagram.bytes.len() as u64;
        let path = Path { socket: datagram.socket, remote: datagram.source };
        let protocol = classify(datagram.bytes).ok_or(DropReason::UnknownProtocol)?;
        let owner = self.table.by_path(&path);
        if protocol == Protocol::Stun {
            self.counters.rx_stun += 1;
            return self.on_stun(now, path, owner, datagram.bytes, tx);
        }
        let key = owner.ok_or(DropReason::UnknownAddress)?;
        let transport = self.transports.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        transport.counters.rx_packets += 1;
        transport.counters.rx_bytes += datagram.bytes.len() as u64;
        match protocol {
            Protocol::Dtls => self.on_dtls(now, key, datagram.bytes),
            Protocol::Rtp => self.on_media(now, key, datagram, tx),
            Protocol::Rtcp => self.on_control(now, key, datagram, tx),
            Protocol::Stun => Ok(()),
        }
    }

    fn on_media(
        &mut self,
        now: Time,
        key: Key,
        datagram: &mut Datagram<'_>,
        tx: &mut TxArena,
    ) -> Result<(), DropReason> {
        let transport = self.transports.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        let mut out = outbox!(self, now, tx);
        self.serial += 1;
        let fresh = on_rtp(transport, &mut self.producers, datagram.bytes, datagram.received, self.serial, &mut out);
        if self.is_due_earlier(key, datagram.bytes) {
            self.touch(key);
        }
        self.touched_producers.extend(fresh?);
        Ok(())
    }

    /// Whether what a packet has changed (what is to be told of its arrival, what is missing before it) is due before the
    /// transport's next time: of most packets it is not, and the transport is left alone.
    fn is_due_earlier(&self, key: Key, packet: &[u8]) -> bool {
        let Some(transport) = self.transports.get(key) else { return false };
        let stream = u32_at(packet, SSRC_AT).and_then(|ssrc| transport.streams.find(ssrc));
        let producer = stream.and_then(|stream| Some((self.producers.get(stream.producer)?, stream.encoding)));
        let encoding = producer.and_then(|(producer, encoding)| producer.encoding(encoding));
        let due = earlier(transport.arrivals.due(), encoding.and_then(Encoding::due));
        due.is_some_and(|due| transport.scheduled.is_none_or(|scheduled| due < scheduled))
    }

    fn on_control(
        &mut self,
        now: Time,
        key: Key,
        datagram: &mut Datagram<'_>,
        tx: &mut TxArena,
    ) -> Result<(), DropReason> {
        let transport = self.transports.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        let mut out = outbox!(self, now, tx);
        let mut control = Control {
            transport,
            producers: &mut self.producers,
            consumers: &mut self.consumers,
            unix_offset_us: self.config.unix_offset_us,
            received: datagram.received,
            wants_attention: false,
        };
        let mut asked = Vec::new();
        let result = control.on_rtcp(datagram.bytes, &mut asked, &mut out);
        if control.wants_attention {
            self.touch(key);
        }
        for asked in asked {
            self.touch(asked);
        }
        result
    }

    /// Handshakes are the control plane's. Only from addresses that passed a check of the transport.
    fn on_dtls(&mut self, now: Time, key: Key, bytes: &[u8]) -> Result<(), DropReason> {
        let transport = self.transports.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        if bytes.len() > MAX_DTLS || !transport.dtls_limit.take(now) {
            return Err(DropReason::DtlsRate);
        }
        self.counters.rx_dtls += 1;
        self.events.push(Event::Dtls { transport: transport.id, datagram: bytes.to_vec() });
        Ok(())
    }

    fn on_stun(
        &mut self,
        now: Time,
        path: Path,
        owner: Option<Key>,
        bytes: &[u8],
        tx: &mut TxArena,
    ) -> Result<(), DropReason> {
        let message = Message::parse(bytes).map_err(|_| DropReason::StunMalformed)?;
        match message.class {
            Class::Request if message.method == BINDING => {}
            // RFC 8445 §11: keepalives, not to be answered.
            Class::Indication => return Ok(()),
            _ => return Err(DropReason::StunMalformed),
        }
        let ufrag = message.local_ufrag().ok_or(DropReason::StunMalformed)?;
        let key = self.table.by_ufrag(ufrag).ok_or(DropReason::StunUnknownUfrag)?;
        if owner != Some(key) && !self.table.may_authenticate(now) {
            return Err(DropReason::StunRate);
        }
        let transport = self.transports.get_mut(key).ok_or(DropReason::StunUnknownUfrag)?;
        let check = transport.ice.on_check(now, path, ufrag, &message);
        let answer = Answer { path, message: &message, key: transport.ice.key(ufrag) };
        let sent = match check {
            Check::Unauthenticated => return Err(DropReason::StunUnauthenticated),
            Check::RoleConflict => answer.refuse(ErrorCode::RoleConflict, tx),
            Check::NotUnderstood => answer.refuse(ErrorCode::UnknownAttribute, tx),
            Check::Valid(_) => answer.accept(tx),
        };
        self.counters.tx_stun += u64::from(sent > 0);
        self.counters.tx_packets += u64::from(sent > 0);
        self.counters.tx_bytes += sent as u64;
        if let Check::Valid(valid) = check {
            self.on_valid_check(key, path, owner, valid);
        }
        Ok(())
    }

    fn on_valid_check(&mut self, key: Key, path: Path, owner: Option<Key>, valid: Valid) {
        if let Some(evicted) = valid.evicted {
            self.table.release_path(&evicted, key);
        }
        if valid.is_new_path || owner != Some(key) {
            self.table.claim_path(path, key);
        }
        let Some(transport) = self.transports.get_mut(key) else { return };
        if valid.restarted
            && let Some(former) = transport.ice.complete_restart()
        {
            self.table.release_ufrag(&former);
        }
        if valid.selected {
            self.counters.ice_selections += 1;
            let (transport, socket) = (transport.id, path.socket);
            let remote = path.remote;
            self.events.push(Event::IceSelected { transport, remote, socket, restarted: valid.restarted });
        }
        self.touch(key);
    }
}

/// An answer to a check, to where it came from.
struct Answer<'a> {
    path: Path,
    message: &'a Message<'a>,
    key: &'a IntegrityKey,
}

impl Answer<'_> {
    /// Returns the size of what was left in `tx`.
    fn accept(&self, tx: &mut TxArena) -> usize {
        let Some(space) = tx.reserve(MAX_LEN) else { return 0 };
        let written = write_binding_success(space, &self.message.transaction_id, self.path.remote, self.key);
        self.commit(written.unwrap_or(0), tx)
    }

    fn refuse(&self, code: ErrorCode, tx: &mut TxArena) -> usize {
        let Some(space) = tx.reserve(MAX_LEN) else { return 0 };
        let unknown = self.message.unknown;
        let written = write_error(space, &self.message.transaction_id, code, unknown.as_slice(), Some(self.key));
        self.commit(written.unwrap_or(0), tx)
    }

    fn commit(&self, len: usize, tx: &mut TxArena) -> usize {
        if len > 0 {
            tx.commit(self.path.socket, self.path.remote, len);
        }
        len
    }
}
