"""SDP at the level of lines (RFC 8866 §5, §9): text to ``x=value`` lines, and the small tokens in values.

Owns the limits on size and the one error type; knows no attribute. Total: every text gives lines or an
``SdpError`` that names the line, and no work grows faster than the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sfu.errors import WireError

MAX_TEXT_BYTES = 256 * 1024
"""A browser's answer to our largest offer (57 m-lines) has some 150 KiB."""
MAX_LINES = 20_000
MAX_SECTION_LINES = 1_000
"""Of the session part and of each m-line; a browser writes at most some 120."""

_TOKEN = re.compile(r"[!#-'*+\-.0-9A-Z^-~]+")
_FORBIDDEN = re.compile("[\0\r\ud800-\udfff]")
"""NUL and CR (RFC 8866 §9, byte-string), and halves of surrogate pairs, which no UTF-8 can say."""
_DIGITS = re.compile(r"[0-9]{1,20}")


class SdpError(WireError):
    """A description is malformed. ``line`` counts from 1; 0 when no line is to blame."""

    def __init__(self, detail: str, hint: str = "", *, line: int) -> None:
        super().__init__(f"line {line}: {detail}" if line else detail, hint)
        self.line = line


class Line(NamedTuple):
    """One ``type=value`` line. ``number`` counts from 1 in the text that it came from."""

    number: int
    type: str
    value: str

    def error(self, detail: str, hint: str = "") -> SdpError:
        """An error that blames this line; the caller raises it."""
        return SdpError(detail, hint, line=self.number)

    def words(self, text: str, what: str, least: int, most: int) -> list[str]:
        """``text`` split at spaces (runs count as one: some clients pad) into ``least..most`` words."""
        words = [word for word in text.split(" ") if word]
        if not least <= len(words) <= most:
            raise self.error(f"{what} has {len(words)} words", f"{least} to {most} are expected")
        return words

    def token(self, text: str, what: str, longest: int = 255) -> str:
        """``text`` when it is a *token* of RFC 8866 §9 of at most ``longest`` characters."""
        if len(text) > longest or not _TOKEN.fullmatch(text):
            hint = f'1 to {longest} printable ASCII characters other than space and "(),/:;<=>?@[\\]'
            raise self.error(f"{what} {excerpt(text)} is not a token", hint)
        return text

    def integer(self, text: str, what: str, low: int, high: int) -> int:
        """``text`` as a decimal number in ``low..high``."""
        if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
            raise self.error(f"{what} {excerpt(text)} is not a number in {low}..{high}")
        return int(text)


def excerpt(text: str) -> str:
    """Remote text, quoted and short enough for an error message."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def split_rows(text: str) -> list[str]:
    """The rows of a description. Ends with CRLF or LF, may lack the last one (RFC 8866 §5 asks parsers to)."""
    is_ascii = text.isascii()
    if len(text) > MAX_TEXT_BYTES or not (is_ascii or len(text.encode("utf-8", "surrogatepass")) <= MAX_TEXT_BYTES):
        raise SdpError("the description is too long", f"at most {MAX_TEXT_BYTES} bytes", line=0)
    text = text.rstrip("\r\n").replace("\r\n", "\n")
    rows = text.split("\n")
    if len(rows) > MAX_LINES:
        raise SdpError(f"the description has {len(rows)} lines", f"at most {MAX_LINES}", line=0)
    is_plain = is_ascii and "\0" not in text and "\r" not in text
    if not is_plain and _FORBIDDEN.search(text) is not None:
        number, found = next((n, found) for n, row in enumerate(rows, 1) if (found := _FORBIDDEN.search(row)))
        raise SdpError(f"character {ord(found[0]):#06x} may not appear", line=number)
    return rows


def parse_line(number: int, row: str) -> Line:
    """A row as a line."""
    if len(row) < 2 or row[1] != "=" or not ("a" <= row[0] <= "z"):
        raise SdpError(f"{excerpt(row)} is not of the form x=value", line=number)
    return Line(number, row[0], row[2:])
