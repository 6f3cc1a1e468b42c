//! Applies commands of the control plane. A command that cannot be applied changes nothing.

use crate::command::{Command, IceCredentials, ProducerOptions, RtpMap, SrtpKeys};
use crate::ids::{ProducerId, RouterId, TransportId};
use crate::ingress::producer::Producer;
use crate::mid::MAX_MID_LEN;
use crate::shard::{Router, Shard};
use crate::slab::Key;
use crate::srtp::{SrtpEgress, SrtpIngress};
use crate::time::Time;
use crate::transmit::{MAX_DATAGRAM, TxArena};
use crate::transport::Transport;
use crate::transport::ice::IceLite;
use crate::transport::maps::{ReceiveMap, SendMap, fault};

pub(super) const UNKNOWN: &str = "unknown id";
pub(super) const DOUBLED: &str = "id is taken";

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
        Command::SetStage { router, .. } => ("set_stage", router.0),
        Command::StageProducer { producer, .. } => ("stage_producer", producer.0),
        Command::StageConsumer { consumer, .. } => ("stage_consumer", consumer.0),
        Command::SetSpeakers { router, .. } => ("set_speakers", router.0),
        Command::RequestKeyframe { producer } => ("request_keyframe", producer.0),
    }
}

impl Shard {
    pub(super) fn execute(&mut self, now: Time, command: Command, tx: &mut TxArena) -> Outcome {
        match command {
            Command::AddRouter { router } => self.add_router(router),
            Command::RemoveRouter { router } => self.remove_router(now, router),
            Command::AddTransport { transport, router, ice } => self.add_transport(now, transport, router, &ice),
            Command::RemoveTransport { transport } => self.remove_transport(now, transport),
            Command::RestartIce { transport, ice } => self.restart_ice(transport, &ice),
            Command::SetSrtpKeys { transport, keys } => self.set_srtp_keys(transport, &keys),
            Command::SendDtls { transport, datagram } => self.send_dtls(transport, &datagram, tx),
            Command::SetRtp { transport, receive, send, rtcp_reduced_size } => {
                self.set_rtp(now, transport, receive, send, rtcp_reduced_size)
            }
            Command::SetBandwidth { transport, options } => self.set_bandwidth(now, transport, options),
            Command::SetDesiredBitrate { transport, bps } => self.set_desired_bitrate(now, transport, bps),
            Command::AddProducer { producer, transport, options } => self.add_producer(producer, transport, options),
            Command::RemoveProducer { producer } => self.remove_producer(now, producer),
            Command::PauseProducer { producer, paused } => self.pause_producer(now, producer, paused),
            Command::AddConsumer { consumer, transport, options } => self.add_consumer(consumer, transport, options),
            Command::RemoveConsumer { consumer } => self.remove_consumer(consumer),
            Command::SwitchConsumer { consumer, producer } => self.switch_consumer(now, consumer, producer),
            Command::SetLayers { consumer, limit } => self.set_layers(now, consumer, limit),
            Command::SetPriority { consumer, priority } => self.set_priority(consumer, priority),
            Command::PauseConsumer { consumer, paused } => self.pause_consumer(now, consumer, paused),
            Command::SetStage { router, slots, forward_silence } => self.set_stage(router, slots, forward_silence),
            Command::StageProducer { producer, staged, always } => self.stage_producer(now, producer, staged, always),
            Command::StageConsumer { consumer, position } => self.stage_consumer(now, consumer, position),
            Command::SetSpeakers { router, dominant, audible } => self.set_speakers(now, router, dominant, &audible),
            Command::RequestKeyframe { producer } => self.request_keyframe(now, producer),
        }
    }

    fn add_router(&mut self, id: RouterId) -> Outcome {
        if self.names.routers.contains_key(&id) {
            return Err(DOUBLED);
        }
        let key = self.routers.insert(Router { id, transports: Vec::new(), staging: None });
        self.names.routers.insert(id, key);
        Ok(())
    }

    fn remove_router(&mut self, now: Time, id: RouterId) -> Outcome {
        let key = self.names.routers.remove(&id).ok_or(UNKNOWN)?;
        let router = self.routers.remove(key).ok_or(UNKNOWN)?;
        router.transports.into_iter().for_each(|transport| self.drop_transport(now, transport));
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

    fn remove_transport(&mut self, now: Time, id: TransportId) -> Outcome {
        let (key, transport) = self.transport(id)?;
        let router = transport.router;
        if let Some(router) = self.routers.get_mut(router) {
            router.transports.retain(|&other| other != key);
        }
        self.drop_transport(now, key);
        Ok(())
    }

    fn drop_transport(&mut self, now: Time, key: Key) {
        let Some(transport) = self.transports.remove(key) else { return };
        self.names.transports.remove(&transport.id);
        transport.ice.ufrags().for_each(|ufrag| self.table.release_ufrag(ufrag));
        transport.ice.paths().for_each(|path| self.table.release_path(&path, key));
        transport.consumers.iter().for_each(|&consumer| self.drop_consumer(consumer, Some(transport.router)));
        transport.producers.iter().for_each(|&producer| self.drop_producer(now, producer, Some(transport.router)));
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
        let receive = ReceiveMap::new(self.maps.share(receive));
        let (transport_key, transport) = self.transport(id)?;
        transport.receive_map = receive;
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

    fn remove_producer(&mut self, now: Time, id: ProducerId) -> Outcome {
        let key = *self.names.producers.get(&id).ok_or(UNKNOWN)?;
        let owner = self.producers.get(key).map(|producer| producer.transport);
        let mut router = None;
        if let Some(transport) = owner.and_then(|owner| self.transports.get_mut(owner)) {
            transport.producers.retain(|&other| other != key);
            transport.streams.remove_producer(key);
            router = Some(transport.router);
        }
        self.drop_producer(now, key, router);
        Ok(())
    }

    fn drop_producer(&mut self, now: Time, key: Key, router: Option<Key>) {
        let Some(producer) = self.producers.remove(key) else { return };
        self.names.producers.remove(&producer.id);
        for consumer in producer.fed() {
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                consumer.switch(None);
            }
        }
        if let (true, Some(router)) = (producer.voice.is_some(), router) {
            self.stage_left(now, key, router);
        }
    }

    fn pause_producer(&mut self, now: Time, id: ProducerId, paused: bool) -> Outcome {
        let key = *self.names.producers.get(&id).ok_or(UNKNOWN)?;
        let producer = self.producers.get_mut(key).ok_or(UNKNOWN)?;
        if producer.paused == paused {
            return Ok(());
        }
        producer.paused = paused;
        let fed: Vec<Key> = producer.fed().collect();
        for consumer in fed {
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                consumer.restart();
            }
            self.retarget(now, consumer);
        }
        self.stage_paused(now, key, paused);
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
