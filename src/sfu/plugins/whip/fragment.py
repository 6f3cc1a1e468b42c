"""SDP fragments of trickle ICE (RFC 8840 section 9), which patch sessions (RFC 9725 section 4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from sfu.errors import RemoteError
from sfu.sdp.negotiate import LocalTransportParameters, NegotiatedMedia

CONTENT_TYPE = "application/trickle-ice-sdpfrag"

_LINE = re.compile(r"[a-z]=[^\r\n]*")
_UFRAG = re.compile(r"a=ice-ufrag:([A-Za-z0-9+/]{4,256})")
_PWD = re.compile(r"a=ice-pwd:([A-Za-z0-9+/]{22,256})")
"""RFC 8839 section 5.4."""


@dataclass(frozen=True, slots=True)
class IceFragment:
    """The client's ICE credentials in a fragment. Its candidates are left out: an ICE-lite agent sends no checks,
    so it has no use for them (RFC 8445 section 2.5).
    """

    ufrag: str | None = None
    pwd: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``RemoteError`` ``bad_sdp`` that names the line."""
        ufrag = pwd = None
        for number, line in enumerate(text.splitlines(), 1):
            if not _LINE.fullmatch(line):
                raise RemoteError("bad_sdp", f"line {number}: not of the form x=value")
            if line.startswith("a=ice-ufrag:"):
                ufrag = ufrag or _value(_UFRAG, line, number)
            elif line.startswith("a=ice-pwd:"):
                pwd = pwd or _value(_PWD, line, number)
        return cls(ufrag, pwd)


def _value(pattern: re.Pattern[str], line: str, number: int) -> str:
    match = pattern.fullmatch(line)
    if match is None:
        raise RemoteError("bad_sdp", f"line {number}: ICE credentials of a wrong form", "RFC 8839 section 5.4")
    return match[1]


def serialize(local: LocalTransportParameters, media: Iterable[NegotiatedMedia]) -> str:
    """Our side after an ICE restart: the first m-line of the BUNDLE group stands for all."""
    lines = [line for line in media if not line.rejected]
    return "".join(
        f"{line}\r\n"
        for line in (
            "a=ice-lite",
            f"a=group:BUNDLE {' '.join(line.mid for line in lines)}",
            f"m={lines[0].kind} 9 UDP/TLS/RTP/SAVPF 0",
            f"a=mid:{lines[0].mid}",
            f"a=ice-ufrag:{local.ufrag}",
            f"a=ice-pwd:{local.pwd}",
            *(f"a=candidate:{candidate}" for candidate in local.candidates),
            "a=end-of-candidates",
        )
    )
