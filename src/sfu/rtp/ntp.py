"""NTP timestamps of RTCP (RFC 3550 §4, RFC 5905 §6): 32.32 fixed point seconds since 1900, and their middle 32 bits."""

from __future__ import annotations

UNIX_EPOCH_S = 2_208_988_800
"""1970-01-01 in seconds since 1900-01-01."""
_MASK_32 = 0xFFFF_FFFF
_MASK_64 = 0xFFFF_FFFF_FFFF_FFFF


def ntp_from_unix_us(unix_us: int) -> int:
    """The 64-bit NTP timestamp of a Unix time in microseconds, rounded down; wraps in 2036 as NTP does."""
    seconds, us = divmod(unix_us, 1_000_000)
    return (((seconds + UNIX_EPOCH_S) << 32) + (us << 32) // 1_000_000) & _MASK_64


def unix_us_from_ntp(ntp: int) -> int:
    """Unix time in microseconds, rounded to the nearest, of the era from 1968 to 2104 (RFC 2030 §3)."""
    seconds, fraction = ntp >> 32, ntp & _MASK_32
    era = 0 if seconds & 0x8000_0000 else 1 << 32
    return (seconds + era - UNIX_EPOCH_S) * 1_000_000 + ((fraction * 1_000_000 + (1 << 31)) >> 32)


def compact(ntp: int) -> int:
    """The middle 32 bits: 16.16 fixed point seconds, as in LSR (RFC 3550 §6.4.1)."""
    return (ntp >> 16) & _MASK_32


def dlsr_from_us(delay_us: int) -> int:
    """A delay in units of 1/65,536 s, at most what 32 bits hold (18 h)."""
    return min((max(delay_us, 0) << 16) // 1_000_000, _MASK_32)


def round_trip_us(now_ntp: int, lsr: int, dlsr: int) -> int | None:
    """RFC 3550 §6.4.1: A - LSR - DLSR. None without a report (LSR 0), or when the clocks make it negative."""
    if lsr == 0:
        return None
    units = (compact(now_ntp) - lsr - dlsr) & _MASK_32
    return None if units & 0x8000_0000 else (units * 1_000_000) >> 16
