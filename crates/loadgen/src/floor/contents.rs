//! What the reflector sends: each destination's datagrams in memory of their own, stamped anew or encrypted.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use sfu_core::rtp::RtpHeader;
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::srtp::{SrtpEgress, SrtpProfile};
use sfu_core::transmit::TxArena;

use crate::aead;
use crate::stream::STAMP;

/// How a burst becomes the datagrams of all destinations.
pub enum Contents {
    Stamped(Stamped),
    Sealed(Box<Sealed>),
}

impl Contents {
    /// Makes the burst's datagrams for each of the destinations, those of one after those of another, each as long as it
    /// came, and gives them to `send` with where they go to: all at once or, `part` destinations a time, in parts.
    pub fn each(
        &mut self,
        burst: &TxArena,
        destinations: &[SocketAddr],
        part: usize,
        mut send: impl FnMut(&[SocketAddr], &[u8]),
    ) -> io::Result<()> {
        match self {
            Self::Stamped(stamped) => {
                send(destinations, stamped.all(burst, destinations.len()));
                Ok(())
            }
            Self::Sealed(sealed) => sealed.each(burst, destinations, part, send),
        }
    }
}

/// The bare reflector's: no copy of the payload and no cipher.
pub struct Stamped {
    /// Bytes of the cipher's overhead behind a stamp.
    overhead: usize,
    /// A burst's datagrams for each destination, by what the burst looks like: frame, audio, both at once.
    own: Vec<OwnCopies>,
}

/// The memory from which bursts of one shape are sent, the destinations' parts side by side.
struct OwnCopies {
    /// Sizes of the datagrams.
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stamped {
    pub fn new(overhead: usize) -> Self {
        Self { overhead, own: Vec::new() }
    }

    /// What was sent with the last burst like this, with the stamps of this one.
    fn all(&mut self, burst: &TxArena, destinations: usize) -> &[u8] {
        let index = self.own_copies(burst, destinations);
        let Some(own) = self.own.get_mut(index) else { return &[] };
        own.stamp(burst, self.overhead);
        &own.bytes
    }

    /// The memory for bursts of this shape, made when the first one comes.
    fn own_copies(&mut self, burst: &TxArena, destinations: usize) -> usize {
        let shape: Vec<usize> = burst.iter().map(|datagram| datagram.bytes.len()).collect();
        let known = self.own.iter().position(|own| own.shape == shape);
        known.unwrap_or_else(|| {
            let one: Vec<u8> = burst.iter().flat_map(|datagram| datagram.bytes).copied().collect();
            self.own.push(OwnCopies { shape, bytes: one.repeat(destinations) });
            self.own.len() - 1
        })
    }
}

impl OwnCopies {
    /// Writes the burst's stamps into every destination's part; `overhead` bytes lie behind a stamp.
    fn stamp(&mut self, burst: &TxArena, overhead: usize) {
        for part in self.bytes.chunks_exact_mut(burst.total_bytes().max(1)) {
            let mut end = 0;
            for datagram in burst.iter() {
                end += datagram.bytes.len();
                let stamp = end.saturating_sub(STAMP + overhead)..end.saturating_sub(overhead);
                let from = datagram.bytes.len().saturating_sub(STAMP + overhead);
                if let (Some(place), Some(new)) = (part.get_mut(stamp), datagram.bytes.get(from..from + STAMP)) {
                    place.copy_from_slice(new);
                }
            }
        }
    }
}

/// The encrypting reflector's: one plaintext into each destination's datagrams, protected there with its keys.
pub struct Sealed {
    overhead: usize,
    contexts: Vec<SrtpEgress>,
    /// By SSRC, to know the rollover counter.
    numbers: Vec<(u32, SeqUnwrapper)>,
    /// One part's datagrams. Sent before the next part is made: the kernel reads what has just been written.
    bytes: Vec<u8>,
}

impl Sealed {
    pub fn new(profile: SrtpProfile, destinations: usize) -> io::Result<Self> {
        let contexts = (0..destinations).map(|number| aead::egress(profile, number)).collect::<io::Result<_>>()?;
        Ok(Self { overhead: profile.rtp_overhead(), contexts, numbers: Vec::new(), bytes: Vec::new() })
    }

    fn each(
        &mut self,
        burst: &TxArena,
        destinations: &[SocketAddr],
        part: usize,
        mut send: impl FnMut(&[SocketAddr], &[u8]),
    ) -> io::Result<()> {
        let indices: Vec<u64> = burst.iter().map(|datagram| self.index_of(datagram.bytes)).collect();
        let part = part.max(1);
        let room = burst.total_bytes() * part.min(destinations.len());
        self.bytes.resize(room.max(self.bytes.len()), 0);
        for (destinations, contexts) in destinations.chunks(part).zip(self.contexts.chunks(part)) {
            let mut rest = self.bytes.as_mut_slice();
            for context in contexts {
                rest = seal(burst, &indices, self.overhead, context, rest)?;
            }
            send(destinations, &self.bytes);
        }
        Ok(())
    }

    /// The packet's number with the rollover counter. Loopback keeps the order, and the first number is in no cycle.
    fn index_of(&mut self, packet: &[u8]) -> u64 {
        let Ok(header) = RtpHeader::parse_protected(packet) else { return 0 };
        let known = self.numbers.iter().position(|(ssrc, _)| *ssrc == header.ssrc);
        let place = known.unwrap_or_else(|| {
            self.numbers.push((header.ssrc, SeqUnwrapper::default()));
            self.numbers.len() - 1
        });
        self.numbers.get_mut(place).map_or(0, |(_, numbers)| numbers.unwrap_seq(header.seq).saturating_sub(0x1_0000))
    }
}

/// All packets of the burst for one destination; what is left of the space.
fn seal<'a>(
    burst: &TxArena,
    indices: &[u64],
    overhead: usize,
    context: &SrtpEgress,
    mut space: &'a mut [u8],
) -> io::Result<&'a mut [u8]> {
    for (datagram, index) in burst.iter().zip(indices) {
        let (plain, _) = datagram.bytes.split_at(datagram.bytes.len().saturating_sub(overhead));
        let (packet, rest) = space.split_at_mut_checked(datagram.bytes.len()).ok_or(ErrorKind::OutOfMemory)?;
        space = rest;
        let (place, _) = packet.split_at_mut(plain.len());
        place.copy_from_slice(plain);
        context.protect_rtp(packet, plain.len(), *index).map_err(aead::refused)?;
    }
    Ok(space)
}
