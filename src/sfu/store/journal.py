"""Facts on disk, for the time that the database is away: a file that is only appended to, and emptied when the database
has it all.

A line is the CRC-32 of what follows, in hex, a blank, and a fact as JSON. A line that was cut short by the end of the
process or of the machine ends what is read; one that was damaged in between is counted and passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from zlib import crc32

from sfu.conference.ledger import Fact
from sfu.store.facts import from_json, to_json

MAX_LINE_BYTES = 64 * 1024


class Journal:
    """Blocks on the disk, so calls belong into a thread. Raises ``OSError`` like any file."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.damaged = 0
        """Lines that could not be read."""
        self._lock = Lock()
        """A call whose caller was cancelled may still be at it."""
        self._path = path
        self._file = path.open("a+b")
        path.chmod(0o600)
        self.bytes = self._file.seek(0, os.SEEK_END)
        self._position = 0
        """What is before it has been taken."""
        self._is_full = False
        self._cut_torn_line()

    def _cut_torn_line(self) -> None:
        """A line without an end was never told to be safe, and what is appended must begin a line."""
        tail = min(self.bytes, MAX_LINE_BYTES)
        self._file.seek(self.bytes - tail)
        end = self._file.read(tail).rfind(b"\n") + 1
        if tail and end != tail:
            self.bytes -= tail - end
            self._file.truncate(self.bytes)
            self.damaged += 1

    @property
    def waiting_bytes(self) -> int:
        """What has not been taken."""
        return self.bytes - self._position

    @property
    def is_full(self) -> bool:
        """Something found no room since it was empty last."""
        return self._is_full

    def append(self, facts: Sequence[Fact]) -> int:
        """Writes as many as there is room for, and waits until the disk has them; how many."""
        with self._lock:
            return self._append(facts)

    def _append(self, facts: Sequence[Fact]) -> int:
        lines: list[bytes] = []
        room = self.max_bytes - self.bytes
        for fact in facts:
            line = _line(fact)
            room -= len(line)
            if room < 0:
                self._is_full = True
                break
            lines.append(line)
        data = b"".join(lines)
        if data:
            try:
                self._file.write(data)
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError:
                self._take_back()
                raise
            self.bytes += len(data)
        return len(lines)

    def _take_back(self) -> None:
        """A full disk took part of it."""
        self._file.close()
        self._file = self._path.open("a+b")
        self._file.truncate(self.bytes)

    def read(self, limit: int) -> tuple[list[Fact], int]:
        """The next facts, and where they end; ``take`` says that they are done with."""
        with self._lock:
            return self._read(limit)

    def _read(self, limit: int) -> tuple[list[Fact], int]:
        facts: list[Fact] = []
        self._file.seek(self._position)
        position = self._position
        while len(facts) < limit:
            line = self._file.readline(MAX_LINE_BYTES)
            if not line:
                break
            position += len(line)
            fact = _fact(line)
            if fact is None:
                self.damaged += 1
            else:
                facts.append(fact)
        return facts, position

    def take(self, position: int) -> None:
        """What is before ``position`` is done with; when that is all, the file is emptied."""
        with self._lock:
            self._position = position
            if position >= self.bytes:
                self._file.truncate(0)
                self.bytes = self._position = 0
                self._is_full = False

    def close(self) -> None:
        """Idempotent."""
        self._file.close()


def _line(fact: Fact) -> bytes:
    text = json.dumps(to_json(fact), separators=(",", ":")).encode()
    return b"%08x %s\n" % (crc32(text), text)


def _fact(line: bytes) -> Fact | None:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if int(checksum, 16) != crc32(text):
            return None
        return from_json(json.loads(text))
    except ValueError:
        return None
