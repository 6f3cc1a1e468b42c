//! What each transport and consumer did, second by second, for the last while.
//!
//! Kept here and not in Python because it is written for everybody each second and read for one now and then.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};
use sfu_core::hash::SeededState;
use sfu_core::stats::{ConsumerStats, TransportStats};

use crate::report::Section;

/// Not known, in a row of 16-bit numbers; what is larger than the largest is cut.
const NOT_KNOWN: u16 = 0xFFFF;
const MOST: u64 = 0xFFFE;
/// Loss is kept in hundredths of a percent.
const LOSS_SCALE: f64 = 10_000.0;

/// (estimate, sent: kbit/s; loss; round trip, ms)
type NetworkRow = [u16; 4];
/// (sent, kbit/s)
type StreamRow = [u16; 1];
/// The oldest second first.
type Column = Vec<Option<u16>>;

/// The rows of one object; grows until it holds as many as are wanted, then the oldest is written over.
struct Ring<const N: usize> {
    rows: Vec<[u16; N]>,
    next: usize,
    /// Last second that it was there.
    second: i64,
}

impl<const N: usize> Ring<N> {
    const fn new(second: i64) -> Self {
        Self { rows: Vec::new(), next: 0, second }
    }

    /// The row of this second, and of those since the last one.
    fn write(&mut self, row: [u16; N], second: i64, most: usize) {
        let passed = usize::try_from(second - self.second).unwrap_or(0).min(most);
        self.second = second;
        if passed == 0 && !self.rows.is_empty() {
            let newest = (self.next + self.rows.len() - 1) % self.rows.len();
            self.rows.get_mut(newest).into_iter().for_each(|place| *place = row);
            return;
        }
        for _ in 0..passed.max(1) {
            if self.rows.len() < most {
                self.rows.push(row);
            } else {
                self.rows.get_mut(self.next).into_iter().for_each(|place| *place = row);
                self.next = (self.next + 1) % most;
            }
        }
    }

    /// One number of each of the last rows, the oldest first.
    fn column(&self, index: usize, last: usize) -> Column {
        let len = self.rows.len();
        let rows = self.rows.iter().cycle().skip(self.next + len.saturating_sub(last)).take(len.min(last));
        rows.map(|row| row.get(index).copied().filter(|&number| number != NOT_KNOWN)).collect()
    }
}

/// See `_native.pyi`.
#[pyclass(module = "sfu._native")]
pub struct History {
    seconds: usize,
    second: i64,
    transports: Rings<4>,
    consumers: Rings<1>,
}

/// Ids are this server's own: nobody can choose them to collide.
type Rings<const N: usize> = HashMap<u32, Ring<N>, SeededState>;

#[pymethods]
impl History {
    #[new]
    fn new(seconds: usize) -> Self {
        Self { seconds: seconds.max(1), second: i64::MIN, transports: Rings::default(), consumers: Rings::default() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "seconds of a clock")]
    fn record(&mut self, now: f64, snapshot: &Bound<'_, PyDict>) -> PyResult<()> {
        let second = now.floor() as i64;
        if second < self.second {
            return Ok(());
        }
        self.second = second;
        if let Some(section) = snapshot.get_item("transports")? {
            write(&mut self.transports, &network_rows(&section)?, second, self.seconds);
        }
        if let Some(section) = snapshot.get_item("consumers")? {
            write(&mut self.consumers, &stream_rows(&section)?, second, self.seconds);
        }
        Ok(())
    }

    #[getter]
    const fn second(&self) -> Option<i64> {
        if self.second == i64::MIN { None } else { Some(self.second) }
    }

    fn transport(&self, transport: u32, last: usize) -> (Column, Column, Column, Column) {
        let column = |index| self.transports.get(&transport).map_or_else(Vec::new, |ring| ring.column(index, last));
        (column(0), column(1), column(2), column(3))
    }

    fn consumer(&self, consumer: u32, last: usize) -> Column {
        self.consumers.get(&consumer).map_or_else(Vec::new, |ring| ring.column(0, last))
    }

    #[getter]
    fn size_bytes(&self) -> usize {
        let transports: usize = self.transports.values().map(|ring| size_of_val(&*ring.rows)).sum();
        transports + self.consumers.values().map(|ring| size_of_val(&*ring.rows)).sum::<usize>()
    }
}

/// A row for each object that there is; those that are gone are forgotten.
fn write<const N: usize>(rings: &mut Rings<N>, rows: &[(u32, [u16; N])], second: i64, most: usize) {
    for &(id, row) in rows {
        rings.entry(id).or_insert_with(|| Ring::new(second)).write(row, second, most);
    }
    if rings.len() > rows.len() {
        rings.retain(|_, ring| ring.second == second);
    }
}

fn network_rows(section: &Bound<'_, PyAny>) -> PyResult<Vec<(u32, NetworkRow)>> {
    if let Ok(section) = section.cast::<Section>() {
        return Ok(section.get().transports().iter().map(|(id, stats)| (id.0, network_row(stats))).collect());
    }
    let row = |stats: &Bound<'_, PyAny>| {
        Ok(network_row(&TransportStats {
            estimate_bps: number(stats, "estimate_bps")?,
            sent_bps: number(stats, "sent_bps")?,
            loss: number(stats, "loss")?,
            rtt_us: number(stats, "rtt_us")?,
            ..TransportStats::default()
        }))
    };
    rows(section, row)
}

fn stream_rows(section: &Bound<'_, PyAny>) -> PyResult<Vec<(u32, StreamRow)>> {
    if let Ok(section) = section.cast::<Section>() {
        return Ok(section.get().consumers().iter().map(|(id, stats)| (id.0, stream_row(stats))).collect());
    }
    rows(section, |stats| Ok([number(stats, "bitrate_bps")?.map_or(NOT_KNOWN, kbps)]))
}

/// From any other mapping of dictionaries.
fn rows<T>(section: &Bound<'_, PyAny>, row: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<Vec<(u32, T)>> {
    let items = section.cast::<PyMapping>()?.items()?;
    items
        .iter()
        .map(|item| {
            let (id, stats): (u32, Bound<'_, PyAny>) = item.extract()?;
            Ok((id, row(&stats)?))
        })
        .collect()
}

fn number<'py, T>(stats: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py>,
    for<'a> <T as FromPyObject<'a, 'py>>::Error: Into<PyErr>,
{
    let value = stats.call_method1("get", (name,))?;
    if value.is_none() { Ok(None) } else { value.extract().map(Some).map_err(Into::into) }
}

fn network_row(stats: &TransportStats) -> NetworkRow {
    let rtt_ms = stats.rtt_us.map_or(NOT_KNOWN, |us| (us / 1_000).min(MOST) as u16);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to what a row holds")]
    let loss = stats.loss.map_or(NOT_KNOWN, |loss| (loss * LOSS_SCALE).round().clamp(0.0, MOST as f64) as u16);
    [stats.estimate_bps.map_or(NOT_KNOWN, kbps), stats.sent_bps.map_or(NOT_KNOWN, kbps), loss, rtt_ms]
}

fn stream_row(stats: &ConsumerStats) -> StreamRow {
    [kbps(stats.bitrate_bps)]
}

fn kbps(bps: u64) -> u16 {
    (bps / 1_000).min(MOST) as u16
}
