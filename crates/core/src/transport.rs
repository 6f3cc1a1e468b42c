//! One ICE + DTLS association with one client: its keys, its maps, its producers and consumers.

pub mod bandwidth;
pub mod control;
pub mod ice;
pub mod maps;
pub mod report;
pub mod unprobed;

use std::collections::HashSet;
use std::mem::offset_of;
use std::ops::Range;

use sfu_prefetch::{LINE_BYTES, prefetch};

use crate::ids::TransportId;
use crate::ingress::arrivals::ArrivalLog;
use crate::ingress::clock::ClockOffset;
use crate::ingress::streams::Streams;
use crate::rate::TokenBucket;
use crate::slab::Key;
use crate::srtp::{SrtpEgress, SrtpIngress};
use crate::table::Path;
use crate::time::{Micros, Time};
use crate::transport::bandwidth::Bandwidth;
use crate::transport::ice::IceLite;
use crate::transport::maps::{ReceiveMap, SendMap};

/// Before anything was measured.
const ASSUMED_RTT: Micros = Micros::from_millis(100);
/// Larger samples are errors of the measurement.
const MAX_RTT: Micros = Micros::from_secs(10);
/// Reports on audio and video go out about this often (RFC 3550 §6.2 allows less than its 5 s).
pub const REPORT_INTERVAL: Micros = Micros::from_secs(1);
/// A DTLS handshake is some ten datagrams each way; retransmissions and a renewed one included.
const DTLS_BURST: u32 = 64;
const DTLS_PER_SECOND: u32 = 32;

/// See the module.
#[derive(Debug)]
#[repr(C)]
pub struct Transport {
    // What each packet that comes in reads, side by side.
    pub srtp_in: Option<SrtpIngress>,
    pub receive_map: ReceiveMap,
    pub streams: Streams,
    pub arrivals: ArrivalLog,
    pub producers: Vec<Key>,
    pub reported_at: Time,
    /// The earliest entry of the timer queue that is still good.
    pub scheduled: Option<Time>,
    /// In the list of transports to be settled after this batch.
    pub is_touched: bool,
    // What both directions count.
    pub counters: TransportCounters,
    // What each packet that is sent reads, side by side as well; see `Consumer`.
    pub srtp_out: Option<SrtpEgress>,
    pub send_map: SendMap,
    /// Next transport-wide sequence number towards the client; its lower 16 bits are what a packet carries.
    pub transport_cc_seq: u64,
    pub bandwidth: Option<Box<Bandwidth>>,
    pub ice: IceLite,
    // What is needed now and then.
    pub rtcp_reduced_size: bool,
    pub consumers: Vec<Key>,
    pub clock_offset: ClockOffset,
    pub id: TransportId,
    pub router: Key,
    /// SSRC of our reports and requests.
    pub rtcp_ssrc: u32,
    /// SSRCs that ever sent under these keys: none may start anew, the cipher's nonces would repeat.
    pub used_ssrcs: HashSet<u32>,
    pub dtls_limit: TokenBucket,
    rtt: Option<Micros>,
}

/// Datagrams and bytes of every kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransportCounters {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
}

/// What it takes to send media to a client.
#[derive(Debug)]
pub struct Link<'a> {
    pub srtp: &'a SrtpEgress,
    pub path: Path,
    pub send_map: &'a SendMap,
    pub transport_cc_seq: &'a mut u64,
    pub bandwidth: Option<&'a mut Bandwidth>,
    pub counters: &'a mut TransportCounters,
}

impl Transport {
    pub fn new(id: TransportId, router: Key, ice: IceLite, now: Time, random: u64) -> Self {
        Self {
            id,
            router,
            ice,
            srtp_in: None,
            srtp_out: None,
            receive_map: ReceiveMap::default(),
            send_map: SendMap::default(),
            rtcp_reduced_size: false,
            streams: Streams::default(),
            producers: Vec::new(),
            consumers: Vec::new(),
            arrivals: ArrivalLog::default(),
            clock_offset: ClockOffset::default(),
            rtcp_ssrc: (random as u32).max(1),
            used_ssrcs: HashSet::new(),
            transport_cc_seq: (random >> 32) & 0xFFFF,
            bandwidth: None,
            dtls_limit: TokenBucket::new(DTLS_BURST, DTLS_PER_SECOND),
            // Spread over the interval, so that a thousand transports do not report in one tick.
            reported_at: now - Micros((random >> 40) % REPORT_INTERVAL.0),
            scheduled: None,
            is_touched: false,
            counters: TransportCounters::default(),
            rtt: None,
        }
    }

    /// What each packet that comes in reads of the transport itself.
    pub const INGRESS: Range<usize> = 0..offset_of!(Self, srtp_out);
    /// What each packet that is sent reads, of `ice` the address.
    pub const EGRESS: Range<usize> = offset_of!(Self, counters)..offset_of!(Self, ice) + 64;

    /// Asks for what a packet that is sent reads behind [`Transport::EGRESS`], which has been asked for before.
    pub fn prefetch_egress_rest(&self) {
        if let Some(bandwidth) = &self.bandwidth {
            prefetch(&**bandwidth, Bandwidth::HOT_BYTES);
        }
    }

    /// The same for a packet that comes in.
    pub fn prefetch_ingress_rest(&self) {
        if let Some(srtp) = &self.srtp_in {
            srtp.prefetch();
        }
        self.streams.prefetch();
        self.arrivals.prefetch();
        prefetch(self.producers.as_slice(), LINE_BYTES);
    }

    /// `None` while there are no keys or the client's address is not known.
    pub fn link(&mut self) -> Option<Link<'_>> {
        Some(Link {
            srtp: self.srtp_out.as_ref()?,
            path: self.ice.selected()?,
            send_map: &self.send_map,
            transport_cc_seq: &mut self.transport_cc_seq,
            bandwidth: self.bandwidth.as_deref_mut(),
            counters: &mut self.counters,
        })
    }

    /// Smoothed round trip, or an assumption.
    pub fn rtt(&self) -> Micros {
        self.rtt.unwrap_or(ASSUMED_RTT)
    }

    /// By reports, else from sending to feedback, which is a little more.
    pub fn measured_rtt(&self) -> Option<Micros> {
        self.rtt.or_else(|| self.bandwidth.as_ref()?.estimator.state().rtt)
    }

    /// Estimates the client's bandwidth from now on.
    pub fn estimate(&mut self, now: Time) -> &mut Bandwidth {
        self.bandwidth.get_or_insert_with(|| Box::new(Bandwidth::new(now)))
    }

    pub fn on_rtt_sample(&mut self, now: Time, sample: Micros) {
        if sample <= MAX_RTT {
            let rtt = self.rtt.map_or(sample, |rtt| Micros((rtt.0 * 7 + sample.0) / 8));
            self.rtt = Some(rtt);
            if let Some(bandwidth) = &mut self.bandwidth {
                bandwidth.estimator.on_rtt(now, rtt);
            }
        }
    }

    /// Whether there is anything to report on.
    pub fn reports(&self) -> bool {
        self.srtp_out.is_some()
            && self.ice.selected().is_some()
            && !(self.producers.is_empty() && self.consumers.is_empty())
    }
}
