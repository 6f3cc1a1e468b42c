//! Building feedback from a log of arrivals: first measure how much fits, then write chunks and
//! deltas side by side.

use super::chunk::ChunkEncoder;
use super::{HEAD_LEN, REFERENCE_TICKS, Status, TICK_US};
use crate::rtcp::{begin, feedback_type, packet_type};
use crate::wire::{NoRoom, Writer};

/// The fields that do not follow from the arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackFields {
    pub sender_ssrc: u32,
    pub media_ssrc: u32,
    /// Goes up by one with each message of the transport, so that their loss is seen.
    pub feedback_count: u8,
}

/// Appends one feedback message and returns how many of `arrivals` it tells of: as many as there is
/// room for and as the format can say (65,535 numbers, steps of at most 8.19 s). The caller goes on
/// with the rest in a further message, based on the number after the last one told.
///
/// `arrivals` are (extended transport-wide sequence number, arrival in microseconds of any epoch),
/// ascending by number, none twice, none below `base`. Numbers from `base` on that are not among
/// them are told as not received. Nothing is written for no arrivals.
pub fn write_transport_feedback(
    writer: &mut Writer<'_>,
    fields: FeedbackFields,
    base: u64,
    arrivals: &[(u64, u64)],
) -> Result<usize, NoRoom> {
    let Some((_, first_arrival_us)) = arrivals.first() else { return Ok(0) };
    let reference = first_arrival_us / TICK_US / REFERENCE_TICKS;
    let room = writer.room().saturating_sub(4 + HEAD_LEN);
    let plan = Plan::make(base, reference, arrivals, room & !3);
    if plan.arrivals == 0 {
        return Err(NoRoom);
    }
    let body_len = (HEAD_LEN + 2 * plan.chunks + plan.deltas_len).next_multiple_of(4);
    begin(writer, feedback_type::TRANSPORT_CC, packet_type::TRANSPORT_FEEDBACK, body_len)?;
    let end = writer.len() + body_len;
    writer.u32(fields.sender_ssrc)?;
    writer.u32(fields.media_ssrc)?;
    writer.u16(base as u16)?;
    writer.u16(plan.numbers as u16)?;
    writer.u24((reference & 0xFF_FFFF) as u32)?;
    writer.u8(fields.feedback_count)?;
    let told = || Steps::new(base, reference, arrivals).take(plan.arrivals);
    write_chunks(writer, told())?;
    write_deltas(writer, told())?;
    (writer.len()..end).try_for_each(|_| writer.u8(0))?;
    Ok(plan.arrivals)
}

fn write_chunks(writer: &mut Writer<'_>, steps: impl Iterator<Item = Step>) -> Result<(), NoRoom> {
    let mut encoder = ChunkEncoder::default();
    let mut result = Ok(());
    let mut emit = |chunk| result = result.and(writer.u16(chunk));
    for step in steps {
        encoder.push(Status::NotReceived, step.gap, &mut emit);
        encoder.push(step.status, 1, &mut emit);
    }
    encoder.finish().into_iter().for_each(emit);
    result
}

fn write_deltas(writer: &mut Writer<'_>, mut steps: impl Iterator<Item = Step>) -> Result<(), NoRoom> {
    steps.try_for_each(|step| match step.status {
        Status::LargeDelta => writer.u16(step.delta.cast_unsigned()),
        // A small delta is 0..=255.
        _ => writer.u8(step.delta as u8),
    })
}

/// One received packet: how many numbers before it are missing, and its delta in ticks.
#[derive(Clone, Copy, Debug)]
struct Step {
    gap: usize,
    status: Status,
    delta: i16,
}

/// Arrivals as steps; ends where one cannot be said in this message.
struct Steps<'a> {
    next_seq: u64,
    last_ticks: u64,
    arrivals: std::slice::Iter<'a, (u64, u64)>,
}

impl<'a> Steps<'a> {
    fn new(base: u64, reference: u64, arrivals: &'a [(u64, u64)]) -> Self {
        Self { next_seq: base, last_ticks: reference * REFERENCE_TICKS, arrivals: arrivals.iter() }
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let (seq, arrival_us) = *self.arrivals.next()?;
        let gap = usize::try_from(seq.checked_sub(self.next_seq)?).ok()?;
        let ticks = arrival_us / TICK_US;
        let delta = i16::try_from(ticks.cast_signed().checked_sub(self.last_ticks.cast_signed())?).ok()?;
        self.next_seq = seq.checked_add(1)?;
        self.last_ticks = ticks;
        let status = if (0..=255).contains(&delta) { Status::SmallDelta } else { Status::LargeDelta };
        Some(Step { gap, status, delta })
    }
}

/// How much one message takes.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    arrivals: usize,
    /// Received and missing numbers together.
    numbers: usize,
    chunks: usize,
    deltas_len: usize,
}

impl Plan {
    /// `room` bytes are free behind the head.
    fn make(base: u64, reference: u64, arrivals: &[(u64, u64)], room: usize) -> Self {
        let mut encoder = ChunkEncoder::default();
        let mut packed = 0;
        let mut plan = Self::default();
        for step in Steps::new(base, reference, arrivals) {
            let numbers = plan.numbers + step.gap + 1;
            if numbers > usize::from(u16::MAX) {
                break;
            }
            encoder.push(Status::NotReceived, step.gap, &mut |_| packed += 1);
            encoder.push(step.status, 1, &mut |_| packed += 1);
            // What is not packed yet always fits into one chunk.
            let chunks = packed + 1;
            let deltas_len = plan.deltas_len + step.status.delta_len();
            if 2 * chunks + deltas_len > room {
                break;
            }
            plan = Self { arrivals: plan.arrivals + 1, numbers, chunks, deltas_len };
        }
        plan
    }
}
