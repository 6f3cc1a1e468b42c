//! Applies commands of the control plane. A command that cannot be applied changes nothing.

use crate::command::{Command, ConsumerOptions, IceCredentials, LayerLimit, ProducerOptions, RtpMap, SrtpKeys};
use crate::egress::consumer::Consumer;
use crate::ids::{ConsumerId, ProducerId, RouterId, TransportId};
use crate::ingress::producer::Producer;
use crate::shard::{Router, Shard};
use crate::slab::Key;
use crate::srtp::{SrtpEgress, SrtpIngress};
use crate::time::Time;
use crate::transmit::{MAX_DATAGRAM, TxArena};
use crate::transport::Transport;
use crate::transport::ice::IceLite;
use crate::transport::maps::{ReceiveMap, SendMap, fault};

/// Texts of the control plane that travel in packets: mid (RFC 8285 elements), CNAME (RFC 3550 §6.5).
const MAX_MID_LEN: usize = 16;
const MAX_TEXT_LEN: usize = 255;

/// Consumers come and go with slots, and slots are used again: this is far beyond any real life.
const MAX_USED_SSRCS: usize = 8_192;

pub(super) const UNKNOWN: &str = "unknown id";
const DOUBLED: &str = "id is taken";

pub(super) type Outcome = Result<(), &'static str>;

/// Name and id of a command, for the report of its failure.
pub(super) fn describe(command: &Command) -> (&'static str, u32) {
    match command {
        Command::AddRouter { router } => ("add_router", router.0),
        Command::RemoveRouter { router } => ("remove_router", router.0),
        Command::AddTransport { transport, .. } => ("add_transport", transport.0),
        Command::RemoveTransport { transport } => ("remove_transport", transport.0),
        Command::RestartIce { transport, .. } => ("restart_ice", transport.0),
        Command::SetSrtpKeys { transport, .. } => ("set_srtp_keys", transport.0),
        Command::SendDtls { transport, .. } => ("send_dtls", transport.0),
        Command::SetRtp { transport, .. } => ("set_rtp", transport.0),
        Command::SetBandwidth { transport, .. } => ("set_bandwidth", transport.0),
        Command::SetDesiredBitrate { transport, .. } => ("set_desired_bitrate", transport.0),
        Command::AddProducer { producer, .. } => ("add_producer", producer.0),
        Command::RemoveProducer { producer } => ("remove_producer", producer.0),
        Command::PauseProducer { producer, .. } => ("pause_producer", producer.0),
        Command::AddConsumer { consumer, .. } => ("add_consumer", consumer.0),
        Command::RemoveConsumer { consumer } => ("remove_consumer", consumer.0),
        Command::SwitchConsumer { consumer, .. } => ("switch_consumer", consumer.0),
        Command::SetLayers { consumer, .. } => ("set_layers", consumer.0),
        Command::SetPriority { consumer, .. } => ("set_priority", consumer.0),
        Command::PauseConsumer { consumer, .. } => ("pause_consumer", consumer.0),
        Command::RequestKeyframe { producer } => ("request_keyframe", producer.0),
    }
}

impl Shard {
    pub(super) fn execute(&mut self, now: Time, command: Command, tx: &mut TxArena) -> Outcome {
        match command {
            Command::AddRouter { router } => self.add_router(router),
            Command::RemoveRouter { router } => self.remove_router(router),
            Command::AddTransport { transport, router, ice } => self.add_transport(now, transport, router, &ice),
            Command::RemoveTransport { transport } => self.remove_transport(transport),
            Command::RestartIce { transport, ice } => self.restart_ice(transport, &ice),
            Command::SetSrtpKeys { transport, keys } => self.set_srtp_keys(transport, &keys),
            Command::SendDtls { transport, datagram } => self.send_dtls(transport, &datagram, tx),
            Command::SetRtp { transport, receive, send, rtcp_reduced_size } => {
                self.set_rtp(now, transport, receive, send, rtcp_reduced_size)
            }
            Command::SetBandwidth { transport, options } => self.set_bandwidth(now, transport, options),
            Command::SetDesiredBitrate { transport, bps } => self.set_desired_bitrate(now, transport, bps),
            Command::AddProducer { producer, transport, options } => self.add_producer(producer, transport, options),
            Command::RemoveProducer { producer } => self.remove_producer(producer),
            Command::PauseProducer { producer, paused } => self.pause_producer(now, producer, paused),
            Command::AddConsumer { consumer, transport, options } => self.add_consumer(consumer, transport, options),
            Command::RemoveConsumer { consumer } => self.remove_consumer(consumer),
            Command::SwitchConsumer { consumer, producer } => self.switch_consumer(now, consumer, producer),
            Command::SetLayers { consumer, limit } => self.set_layers(now, consumer, limit),
            Command::SetPriority { consumer, priority } => self.set_priority(consumer, priority),
            Command::PauseConsumer { consumer, paused } => self.pause_consumer(now, consumer, paused),
            Command::RequestKeyframe { producer } => self.request_keyframe(now, producer),
        }
    }

    fn add_router(&mut self, id: RouterId) -> Outcome {
        if self.names.routers.contains_key(&id) {
            return Err(DOUBLED);
        }
        let key = self.routers.insert(Router { id, transports: Vec::new() });
        self.names.routers.insert(id, key);
        Ok(())
    }

    fn remove_router(&mut self, id: RouterId) -> Outcome {
        let key = self.names.routers.remove(&id).ok_or(UNKNOWN)?;
        let router = self.routers.remove(key).ok_or(UNKNOWN)?;
        router.transports.into_iter().for_each(|transport| self.drop_transport(transport));
        Ok(())
    }

    pub(super) fn transport(&mut self, id: TransportId) -> Result<(Key, &mut Transport), &'static str> {
        let key = *self.names.transports.get(&id).ok_or(UNKNOWN)?;
        Ok((key, self.transports.get_mut(key).ok_or(UNKNOWN)?))
    }

    fn add_transport(&mut self, now: Time, id: TransportId, router: RouterId, ice: &IceCredentials) -> Outcome {
        if self.names.transports.contains_key(&id) {
            return Err(DOUBLED);
        }
        let router_key = *self.names.routers.get(&router).ok_or("unknown router")?;
        check_credentials(ice)?;
        if self.table.by_ufrag(&ice.ufrag).is_some() {
            return Err("ufrag is taken");
        }
        let random = self.random();
        let key = self.transports.insert(Transport::new(id, router_key, IceLite::new(ice), now, random));
        self.table.claim_ufrag(&ice.ufrag, key);
        self.names.transports.insert(id, key);
        if let Some(router) = self.routers.get_mut(router_key) {
            router.transports.push(key);
        }
        Ok(())
    }

    fn remove_transport(&mut self, id: TransportId) -> Outcome {
        let (key, transport) = self.transport(id)?;
        let router = transport.router;
        if let Some(router) = self.routers.get_mut(router) {
            router.transports.retain(|&other| other != key);
        }
        self.drop_transport(key);
        Ok(())
    }

    fn drop_transport(&mut self, key: Key) {
        let Some(transport) = self.transports.remove(key) else { return };
        self.names.transports.remove(&transport.id);
        transport.ice.ufrags().for_each(|ufrag| self.table.release_ufrag(ufrag));
        transport.ice.paths().for_each(|path| self.table.release_path(&path, key));
        transport.consumers.iter().for_each(|&consumer| self.drop_consumer(consumer));
        transport.producers.iter().for_each(|&producer| self.drop_producer(producer));
    }

    fn restart_ice(&mut self, id: TransportId, ice: &IceCredentials) -> Outcome {
        check_credentials(ice)?;
        if self.table.by_ufrag(&ice.ufrag).is_some() {
            return Err("ufrag is taken");
        }
        let (key, transport) = self.transport(id)?;
        let replaced = transport.ice.restart(ice);
        if let Some(replaced) = replaced {
            self.table.release_ufrag(&replaced);
        }
        self.table.claim_ufrag(&ice.ufrag, key);
        Ok(())
    }

    fn set_srtp_keys(&mut self, id: TransportId, keys: &SrtpKeys) -> Outcome {
        let (key, transport) = self.transport(id)?;
        if transport.srtp_out.is_some() {
            return Err("keys are set already");
        }
        let fault = |_| "key or salt has the wrong length";
        let inward = SrtpIngress::new(keys.profile, &keys.receive_key, &keys.receive_salt).map_err(fault)?;
        let outward = SrtpEgress::new(keys.profile, &keys.send_key, &keys.send_salt).map_err(fault)?;
        transport.srtp_in = Some(inward);
        transport.srtp_out = Some(outward);
        self.touch(key);
        Ok(())
    }

    fn send_dtls(&mut self, id: TransportId, datagram: &[u8], tx: &mut TxArena) -> Outcome {
        if datagram.is_empty() || datagram.len() > MAX_DATAGRAM {
            return Err("datagram size out of range");
        }
        let (_, transport) = self.transport(id)?;
        let path = transport.ice.handshake_path().ok_or("no validated address")?;
        if !tx.push(path.socket, path.remote, datagram) {
            return Err("transmit arena is full");
        }
        transport.counters.tx_packets += 1;
        transport.counters.tx_bytes += datagram.len() as u64;
        self.counters.tx_dtls += 1;
        self.counters.tx_packets += 1;
        self.counters.tx_bytes += datagram.len() as u64;
        Ok(())
    }

    fn set_rtp(&mut self, now: Time, id: TransportId, receive: RtpMap, send: RtpMap, reduced_size: bool) -> Outcome {
        if let Some(fault) = fault(&receive).or_else(|| fault(&send)) {
            return Err(fault);
        }
        let (transport_key, transport) = self.transport(id)?;
        transport.receive_map = ReceiveMap::new(receive);
        let send_map = SendMap::new(send);
        transport.send_map = send_map.clone();
        transport.rtcp_reduced_size = reduced_size;
        for key in transport.consumers.clone() {
            if let Some(consumer) = self.consumers.get_mut(key) {
                consumer.renegotiate(&send_map);
            }
            self.retarget(now, key);
        }
        self.touch(transport_key);
        Ok(())
    }

    fn add_producer(&mut self, id: ProducerId, transport: TransportId, options: ProducerOptions) -> Outcome {
        if self.names.producers.contains_key(&id) {
            return Err(DOUBLED);
        }
        if options.mid.len() > MAX_MID_LEN {
            return Err("mid is too long");
        }
        let (transport_key, _) = self.transport(transport).map_err(|_| "unknown transport")?;
        let producer = Producer::new(id, transport_key, options).ok_or("number of encodings out of range")?;
        let key = self.producers.insert(producer);
        let (Some(transport), Some(producer)) = (self.transports.get_mut(transport_key), self.producers.get_mut(key))
        else {
            return Err(UNKNOWN);
        };
        if !transport.streams.add_producer(key, producer) {
            self.producers.remove(key);
            return Err("ssrc is taken");
        }
        producer.clock_offset = transport.clock_offset;
        transport.producers.push(key);
        self.names.producers.insert(id, key);
        Ok(())
    }

    fn remove_producer(&mut self, id: ProducerId) -> Outcome {
        let key = *self.names.producers.get(&id).ok_or(UNKNOWN)?;
        let owner = self.producers.get(key).map(|producer| producer.transport);
        if let Some(transport) = owner.and_then(|owner| self.transports.get_mut(owner)) {
            transport.producers.retain(|&other| other != key);
            transport.streams.remove_producer(key);
        }
        self.drop_producer(key);
        Ok(())
    }

    fn drop_producer(&mut self, key: Key) {
        let Some(producer) = self.producers.remove(key) else { return };
        self.names.producers.remove(&producer.id);
        for consumer in producer.consumers {
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                consumer.switch(None);
            }
        }
    }

    fn pause_producer(&mut self, now: Time, id: ProducerId, paused: bool) -> Outcome {
        let key = *self.names.producers.get(&id).ok_or(UNKNOWN)?;
        let producer = self.producers.get_mut(key).ok_or(UNKNOWN)?;
        if producer.paused == paused {
            return Ok(());
        }
        producer.paused = paused;
        for consumer in producer.consumers.clone() {
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                consumer.restart();
            }
            self.retarget(now, consumer);
        }
        Ok(())
    }

    fn add_consumer(&mut self, id: ConsumerId, transport: TransportId, options: ConsumerOptions) -> Outcome {
        if self.names.consumers.contains_key(&id) {
            return Err(DOUBLED);
        }
        if options.mid.len() > MAX_MID_LEN || options.cname.len() > MAX_TEXT_LEN {
            return Err("mid or cname is too long");
        }
        let random = self.random();
        let (transport_key, _) = self.transport(transport).map_err(|_| "unknown transport")?;
        self.claim_ssrcs(transport_key, &options)?;
        let key = self.consumers.insert_with(|key| Consumer::new(id, key, transport_key, options, random));
        self.names.consumers.insert(id, key);
        if let Some(transport) = self.transports.get_mut(transport_key) {
            transport.consumers.push(key);
        }
        self.touch(transport_key);
        Ok(())
    }

    /// Two streams of one SSRC under one key, also one after the other, would use the cipher's nonces
    /// twice.
    fn claim_ssrcs(&mut self, transport: Key, options: &ConsumerOptions) -> Outcome {
        let transport = self.transports.get_mut(transport).ok_or(UNKNOWN)?;
        let ssrcs = || std::iter::once(options.ssrc.0).chain(options.rtx_ssrc.map(|ssrc| ssrc.0));
        if options.rtx_ssrc == Some(options.ssrc) || ssrcs().any(|ssrc| transport.used_ssrcs.contains(&ssrc)) {
            return Err("ssrc is taken or was used before");
        }
        if transport.used_ssrcs.len() >= MAX_USED_SSRCS {
            return Err("too many consumers in the life of the transport");
        }
        transport.used_ssrcs.extend(ssrcs());
        Ok(())
    }

    fn remove_consumer(&mut self, id: ConsumerId) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let owner = self.consumers.get(key).map(|consumer| consumer.transport);
        if let Some(transport) = owner.and_then(|owner| self.transports.get_mut(owner)) {
            transport.consumers.retain(|&other| other != key);
        }
        self.drop_consumer(key);
        Ok(())
    }

    fn drop_consumer(&mut self, key: Key) {
        let Some(consumer) = self.consumers.remove(key) else { return };
        self.names.consumers.remove(&consumer.id);
        self.unsubscribe(key, consumer.producer);
    }

    fn unsubscribe(&mut self, consumer: Key, producer: Option<Key>) {
        if let Some(producer) = producer.and_then(|producer| self.producers.get_mut(producer)) {
            producer.consumers.retain(|&other| other != consumer);
        }
    }

    fn switch_consumer(&mut self, now: Time, id: ConsumerId, producer: Option<ProducerId>) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let source = match producer {
            Some(producer) => Some(*self.names.producers.get(&producer).ok_or("unknown producer")?),
            None => None,
        };
        let consumer = self.consumers.get(key).ok_or(UNKNOWN)?;
        if let Some(source) = source {
            let producer = self.producers.get(source).ok_or("unknown producer")?;
            if producer.kind != consumer.kind {
                return Err("producer is of another kind");
            }
            let router = |transport| self.transports.get(transport).map(|transport| transport.router);
            if router(producer.transport) != router(consumer.transport) {
                return Err("producer belongs to another router");
            }
        }
        let former = consumer.producer;
        if former == source {
            return Ok(());
        }
        self.unsubscribe(key, former);
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.switch(source);
        }
        if let Some(producer) = source.and_then(|source| self.producers.get_mut(source)) {
            producer.consumers.push(key);
        }
        self.retarget(now, key);
        Ok(())
    }

    /// Has the consumer choose its encoding again, and asks for the keyframe that it needs.
    pub(super) fn retarget(&mut self, now: Time, key: Key) {
        let Some(consumer) = self.consumers.get_mut(key) else { return };
        let Some(producer) = consumer.producer.and_then(|producer| self.producers.get_mut(producer)) else { return };
        consumer.retarget(producer);
        let wanted = consumer.needs_keyframe(producer);
        producer.request_keyframes(now, wanted);
        let transport = producer.transport;
        self.touch(transport);
    }

    fn set_layers(&mut self, now: Time, id: ConsumerId, limit: LayerLimit) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let consumer = self.consumers.get_mut(key).ok_or(UNKNOWN)?;
        consumer.limit = limit;
        consumer.shed = None;
        self.retarget(now, key);
        Ok(())
    }

    fn pause_consumer(&mut self, now: Time, id: ConsumerId, paused: bool) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let consumer = self.consumers.get_mut(key).ok_or(UNKNOWN)?;
        if consumer.paused != paused {
            consumer.paused = paused;
            consumer.restart();
            self.retarget(now, key);
        }
        Ok(())
    }

    fn request_keyframe(&mut self, now: Time, id: ProducerId) -> Outcome {
        let key = *self.names.producers.get(&id).ok_or(UNKNOWN)?;
        let producer = self.producers.get_mut(key).ok_or(UNKNOWN)?;
        producer.request_keyframes(now, u8::MAX);
        let transport = producer.transport;
        self.touch(transport);
        Ok(())
    }
}

/// RFC 8445 §5.3: at least 4 and 22 characters, at most 256 each.
fn check_credentials(ice: &IceCredentials) -> Outcome {
    let fits = (4..=256).contains(&ice.ufrag.len()) && (22..=256).contains(&ice.pwd.len()) && !ice.ufrag.contains(':');
    if fits { Ok(()) } else { Err("ice credentials out of range") }
}
