"""What a server tells a participant without having been asked: counted, hardly read."""

from __future__ import annotations

from collections import Counter, deque

from sfu.bench.meter import quantile

_A_SECOND = 1.0
_TYPE = '{"type":"'
_MAX_TYPE = 32


class Told:
    """Notifications of one participant from the last ``reset`` on."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self.messages = 0
        self.bytes = 0
        self.busiest = 0
        """The most within any second, by when they were read: one that was read late counts with those after it."""
        self.kinds: Counter[str] = Counter()

    def reset(self) -> None:
        """Counts from here on."""
        self._recent.clear()
        self.messages = self.bytes = self.busiest = 0
        self.kinds.clear()

    def add(self, now: float, kind: str, size: int) -> None:
        """One more, of ``size`` bytes."""
        recent = self._recent
        while recent and now - recent[0] >= _A_SECOND:
            recent.popleft()
        recent.append(now)
        self.messages += 1
        self.bytes += size
        self.busiest = max(self.busiest, len(recent))
        self.kinds[kind] += 1


def kind_of(frame: str) -> str | None:
    """The ``type`` of a message that begins with it, as our server's do; None: it has to be read to know."""
    if not frame.startswith(_TYPE):
        return None
    end = frame.find('"', len(_TYPE), len(_TYPE) + _MAX_TYPE)
    return frame[len(_TYPE) : end] if end > 0 else None


def together(all_told: list[Told], duration_s: float) -> dict[str, float]:
    """Of many participants: messages a second in the mean and in each one's busiest second (p50, p99, most), bytes to
    each in the mean and at most.
    """
    busiest = sorted(float(told.busiest) for told in all_told)
    count = max(1, len(all_told))
    return {
        "messages": sum(told.messages for told in all_told),
        "messages_per_s": sum(told.messages for told in all_told) / count / duration_s if duration_s else 0.0,
        "busiest_p50": quantile(busiest, 0.5),
        "busiest_p99": quantile(busiest, 0.99),
        "busiest": quantile(busiest, 1.0),
        "bytes_each": sum(told.bytes for told in all_told) / count,
        "bytes_most": max((told.bytes for told in all_told), default=0),
        "bytes_per_message": sum(told.bytes for told in all_told) / max(1, sum(told.messages for told in all_told)),
    }


def kinds(all_told: list[Told]) -> dict[str, int]:
    """How many messages of each kind, the most frequent first."""
    total: Counter[str] = Counter()
    for told in all_told:
        total.update(told.kinds)
    return dict(total.most_common())
