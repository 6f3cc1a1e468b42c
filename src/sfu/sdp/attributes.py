"""SDP attributes as values: each class reads and writes the text after ``a=name:`` of one attribute.

Attributes that WebRTC gives a meaning to have a type, all others are kept as ``Plain``, so a description
goes through parse and serialize unharmed. Which class reads which name is the table ``_TYPED``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sfu.sdp.grammar import Line, SdpError
from sfu.sdp.media_attributes import (
    Direction,
    ExtMap,
    FormatParameters,
    Msid,
    Rid,
    RtcpFeedback,
    RtpMapping,
    Simulcast,
    SimulcastRid,
    Ssrc,
    SsrcGroup,
)
from sfu.sdp.transport_attributes import Fingerprint, Group, IceOptions, IcePwd, IceUfrag, Mid, Setup, SetupRole

__all__ = [
    "FLAGS",
    "Attribute",
    "Direction",
    "ExtMap",
    "Fingerprint",
    "FormatParameters",
    "Group",
    "IceOptions",
    "IcePwd",
    "IceUfrag",
    "Mid",
    "Msid",
    "Plain",
    "Rid",
    "RtcpFeedback",
    "RtpMapping",
    "Setup",
    "SetupRole",
    "Simulcast",
    "SimulcastRid",
    "Ssrc",
    "SsrcGroup",
    "parse_attribute",
    "serialize_attribute",
]


@dataclass(frozen=True, slots=True)
class Plain:
    """A flag (``value`` None) or an attribute that only its reader needs to understand."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.value or ""


Attribute = (
    Plain
    | IceUfrag
    | IcePwd
    | IceOptions
    | Fingerprint
    | Setup
    | Mid
    | Group
    | RtpMapping
    | FormatParameters
    | RtcpFeedback
    | ExtMap
    | Ssrc
    | SsrcGroup
    | Msid
    | Rid
    | Simulcast
)

FLAGS = frozenset(
    {"ice-lite", "rtcp-mux", "rtcp-rsize", "end-of-candidates", "extmap-allow-mixed", "bundle-only", *Direction}
)

_TYPED: dict[str, Callable[[str, Line], Attribute]] = {
    IceUfrag.name: IceUfrag.parse,
    IcePwd.name: IcePwd.parse,
    IceOptions.name: IceOptions.parse,
    Fingerprint.name: Fingerprint.parse,
    Setup.name: Setup.parse,
    Mid.name: Mid.parse,
    Group.name: Group.parse,
    RtpMapping.name: RtpMapping.parse,
    FormatParameters.name: FormatParameters.parse,
    RtcpFeedback.name: RtcpFeedback.parse,
    ExtMap.name: ExtMap.parse,
    Ssrc.name: Ssrc.parse,
    SsrcGroup.name: SsrcGroup.parse,
    Msid.name: Msid.parse,
    Rid.name: Rid.parse,
    Simulcast.name: Simulcast.parse,
}


OWN = ("ice-ufrag:", "ice-pwd:", "fingerprint:", "candidate:", "ssrc:", "ssrc-group:", "msid:")
"""How attributes begin that no two clients say alike."""
_SHORT = 200


def parse_attribute(line: Line) -> Attribute:
    """The attribute of an ``a=`` line; one that has no type here comes back as ``Plain``.

    What a browser says, it says again in every m-line and every session, so most lines have been read before.
    """
    if len(line.value) <= _SHORT and not line.value.startswith(OWN):
        try:
            return _parse_again(line.value)
        except SdpError:
            pass  # anew, so that the error blames this line
    return _parse(line)


@lru_cache(maxsize=4096)
def _parse_again(text: str) -> Attribute:
    return _parse(Line(0, "a", text))


def _parse(line: Line) -> Attribute:
    name, colon, value = line.value.partition(":")
    line.token(name, "attribute name", 64)
    if name in FLAGS and colon:
        raise line.error(f"a={name} takes no value")
    parse = _TYPED.get(name)
    if parse is None:
        return Plain(name, value if colon else None)
    if not colon:
        raise line.error(f"a={name} needs a value")
    return parse(value, line)


def serialize_attribute(attribute: Attribute) -> str:
    """The ``a=`` line, without its end."""
    if isinstance(attribute, Plain) and attribute.value is None:
        return f"a={attribute.name}"
    return f"a={attribute.name}:{attribute}"
