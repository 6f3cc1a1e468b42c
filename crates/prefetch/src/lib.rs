//! Asks the processor to bring memory into its caches before it is needed. A hint: it never faults, reads nothing into
//! the program and changes no value, so it is safe for whatever a reference points to.

use std::ops::Range;

/// Of every processor that this runs on.
pub const LINE_BYTES: usize = 64;

/// Fetches the first `bytes` of a value. Nothing waits for them.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction a line; a call costs more")]
pub fn prefetch<T: ?Sized>(value: &T, bytes: usize) {
    prefetch_range(value, 0..bytes);
}

/// Fetches the lines of a value in which these of its bytes lie, the last line included. Nothing waits for them.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one instruction a line; a call costs more")]
pub fn prefetch_range<T: ?Sized>(value: &T, bytes: Range<usize>) {
    let end = bytes.end.min(size_of_val(value));
    let start = std::ptr::from_ref(value).cast::<u8>();
    // From the start of a line on: a range that begins within one may end within one more than its length tells.
    let within = start.wrapping_add(bytes.start).addr() % LINE_BYTES;
    for offset in (bytes.start.saturating_sub(within)..end).step_by(LINE_BYTES) {
        line(start.wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn line(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction takes any address; one that is not mapped is ignored.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn line(address: *const u8) {
    // SAFETY: the instruction takes any address; one that is not mapped is ignored. It touches no register or flag.
    unsafe { std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly)) }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn line(_address: *const u8) {}

#[cfg(test)]
mod tests {
    use super::{prefetch, prefetch_range};

    #[test]
    fn asking_for_any_part_of_anything_changes_nothing() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in [0, 1, 64, 65, 256, usize::MAX] {
            prefetch(bytes.as_slice(), len);
            prefetch(&bytes[256..], len);
            prefetch_range(&bytes, len / 2..len);
        }
        prefetch(&(), 64);
        assert!((0..=255).eq(bytes));
    }
}
