//! Which encoding an SSRC belongs to (RFC 9143 §9.2, RFC 8852): signalled or learnt SSRC, else mid
//! and rid, else mid and repaired rid, else the payload type when only one producer can have sent it.

use sfu_prefetch::prefetch;

use crate::command::{Codec, Kind, PayloadType};
use crate::ingress::producer::Producer;
use crate::slab::{Key, Slab};
use crate::time::Time;

/// Where a received SSRC leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRef {
    pub producer: Key,
    pub encoding: u8,
    /// Retransmissions of the encoding (RFC 4588).
    pub is_rtx: bool,
}

/// The names that a packet of an unknown SSRC carries.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamNames<'a> {
    pub mid: Option<&'a str>,
    pub rid: Option<&'a str>,
    pub repaired_rid: Option<&'a str>,
}

/// Received SSRCs of a transport. Bounded: an encoding has one SSRC and one for retransmissions. So few that they are
/// searched in turn; they lie side by side, which is one cache line where a table has three.
#[derive(Debug, Default)]
pub struct Streams {
    ssrcs: Vec<u32>,
    /// Of each of them.
    refs: Vec<StreamRef>,
}

impl Streams {
    pub fn find(&self, ssrc: u32) -> Option<StreamRef> {
        let position = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.refs.get(position).copied()
    }

    /// Asks for what [`Streams::find`] reads.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.ssrcs.as_slice(), usize::MAX);
        prefetch(self.refs.as_slice(), usize::MAX);
    }

    /// Binds the SSRCs that were signalled; false when one of them is taken.
    pub fn add_producer(&mut self, key: Key, producer: &Producer) -> bool {
        let signalled = || {
            producer.encodings.iter().zip(0u8..).flat_map(|(encoding, index)| {
                let bind = move |is_rtx| move |ssrc| (ssrc, StreamRef { producer: key, encoding: index, is_rtx });
                encoding.ssrc.map(bind(false)).into_iter().chain(encoding.rtx_ssrc.map(bind(true)))
            })
        };
        if signalled().any(|(ssrc, _)| self.ssrcs.contains(&ssrc)) {
            return false;
        }
        for (ssrc, stream) in signalled() {
            self.bind(ssrc, stream);
        }
        true
    }

    pub fn remove_producer(&mut self, key: Key) {
        let mut kept = self.refs.iter().map(|stream| stream.producer != key);
        self.ssrcs.retain(|_| kept.next().unwrap_or_default());
        self.refs.retain(|stream| stream.producer != key);
    }

    /// Finds the encoding of an unknown SSRC by its names and binds it.
    pub fn learn(
        &mut self,
        now: Time,
        ssrc: u32,
        names: &StreamNames<'_>,
        payload: Payload,
        transport_producers: &[Key],
        producers: &mut Slab<Producer>,
    ) -> Option<StreamRef> {
        let stream = transport_producers.iter().find_map(|&key| {
            let candidate = producers.get(key)?;
            let (encoding, is_rtx) = matches(candidate, names, payload)?;
            Some(StreamRef { producer: key, encoding, is_rtx })
        });
        let stream = stream.or_else(|| by_payload_type(names, payload, transport_producers, producers))?;
        let producer = producers.get_mut(stream.producer)?;
        if !producer.may_learn(now) {
            return None;
        }
        let encoding = producer.encoding_mut(stream.encoding)?;
        let former = if stream.is_rtx { encoding.rtx_ssrc.replace(ssrc) } else { encoding.ssrc };
        if !stream.is_rtx {
            encoding.adopt_ssrc(ssrc);
        }
        if let Some(position) = former.and_then(|former| self.ssrcs.iter().position(|known| *known == former)) {
            self.ssrcs.swap_remove(position);
            self.refs.swap_remove(position);
        }
        self.bind(ssrc, stream);
        Some(stream)
    }

    /// The last word on an SSRC counts, as nobody else can have it.
    fn bind(&mut self, ssrc: u32, stream: StreamRef) {
        if let Some(position) = self.ssrcs.iter().position(|known| *known == ssrc)
            && let Some(known) = self.refs.get_mut(position)
        {
            *known = stream;
            return;
        }
        self.ssrcs.push(ssrc);
        self.refs.push(stream);
    }

    pub fn len(&self) -> usize {
        self.ssrcs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ssrcs.is_empty()
    }
}

/// What a packet's payload type says of it.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    pub media: PayloadType,
    pub is_rtx: bool,
}

/// The kind of media that a codec carries.
pub fn kind_of(codec: Codec) -> Kind {
    match codec {
        Codec::Opus | Codec::Red => Kind::Audio,
        Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => Kind::Video,
    }
}

/// The encoding of this producer that the names tell, and whether they tell of its retransmissions.
fn matches(producer: &Producer, names: &StreamNames<'_>, payload: Payload) -> Option<(u8, bool)> {
    if names.mid.is_some_and(|mid| mid != producer.mid.as_str()) || producer.kind != kind_of(payload.media.codec.codec)
    {
        return None;
    }
    let rid = if payload.is_rtx { names.repaired_rid.or(names.rid) } else { names.rid };
    if let Some(rid) = rid {
        let index = producer.encodings.iter().position(|encoding| encoding.rid.as_deref() == Some(rid))?;
        return Some((index as u8, payload.is_rtx));
    }
    // Without rid the mid must be there, and the producer must have nothing to choose from.
    let single = producer.encodings.len() == 1 && names.mid.is_some();
    single.then_some((0, payload.is_rtx))
}

/// RFC 9143 §9.2: a payload type that only one m-line can have identifies it. For us: only one
/// producer of the kind, with one encoding that has no SSRC yet.
fn by_payload_type(
    names: &StreamNames<'_>,
    payload: Payload,
    transport_producers: &[Key],
    producers: &Slab<Producer>,
) -> Option<StreamRef> {
    if names.mid.is_some() || names.rid.is_some() || payload.is_rtx {
        return None;
    }
    let kind = kind_of(payload.media.codec.codec);
    let mut of_kind =
        transport_producers.iter().filter(|&&key| producers.get(key).is_some_and(|producer| producer.kind == kind));
    let (&key, None) = (of_kind.next()?, of_kind.next()) else { return None };
    let [encoding] = producers.get(key)?.encodings.as_slice() else { return None };
    encoding.ssrc.is_none().then_some(StreamRef { producer: key, encoding: 0, is_rtx: false })
}
