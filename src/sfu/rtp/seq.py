"""Numbers that wrap: sequence numbers (16 bit), timestamps (32 bit); RFC 3550 §A.1, compared as RFC 1982 does."""

from __future__ import annotations


def signed_distance(later: int, earlier: int, bits: int = 16) -> int:
    """``later - earlier`` by the shorter way round; half the circle counts as backwards."""
    half = 1 << (bits - 1)
    return ((later - earlier + half) & ((1 << bits) - 1)) - half


def is_newer(seq: int, than: int, bits: int = 16) -> bool:
    """Whether ``seq`` comes after ``than``."""
    return signed_distance(seq, than, bits) > 0


class Unwrapper:
    """Turns wrapping numbers into ones that only grow (ext_seq, and timestamps alike).

    A number is taken to be at most half a circle from the highest one so far. The first comes out as it is, so
    numbers before it may come out negative.
    """

    def __init__(self, bits: int = 16) -> None:
        self._bits = bits
        self.highest: int | None = None

    def unwrap(self, number: int) -> int:
        if self.highest is None:
            self.highest = number
            return number
        extended = self.highest + signed_distance(number, self.highest & ((1 << self._bits) - 1), self._bits)
        self.highest = max(self.highest, extended)
        return extended
