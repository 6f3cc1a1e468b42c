"""Which encodings of a source an m-line announces: by rid (RFC 8853), by SIM and FID groups, or by one SSRC."""

from __future__ import annotations

from sfu.rtp.codecs import EncodingParameters
from sfu.sdp.attributes import Rid, Simulcast, Ssrc, SsrcGroup
from sfu.sdp.description import MediaDescription

MAX_RIDS = 4
"""Encodings of one source; the data plane holds no more."""
MAX_RID_BYTES = 16
"""What a one-byte header extension can carry (RFC 8285 §4.2)."""

_NAMED_LADDERS = (
    ("q", "h", "f"),
    ("l", "m", "h"),
    ("lo", "mi", "hi"),
    ("low", "mid", "high"),
    ("low", "medium", "high"),
)


def simulcast_rids(media: MediaDescription, direction: str) -> tuple[str, ...]:
    """rids of the m-line's simulcast in ``direction`` (``send`` or ``recv``), lowest quality first.

    Of alternatives the most preferred one counts. RFC 8853 gives the list no order by quality: declared
    sizes or rates decide, then well-known names, then numbers (OBS counts down from the full picture, 0);
    else the order written is taken as rising, which is how browsers' applications write it.
    """
    simulcast = media.first(Simulcast)
    streams = () if simulcast is None else simulcast.send if direction == "send" else simulcast.recv
    declared = {rid.id: rid for rid in media.all(Rid) if rid.direction == direction}
    rids = [next((a.rid for a in alternatives if a.rid in declared), None) for alternatives in streams]
    known = list(dict.fromkeys(rid for rid in rids if rid is not None and len(rid) <= MAX_RID_BYTES))
    sizes = {rid: _declared_size(declared[rid]) for rid in known}
    if known and all(sizes.values()):
        return tuple(sorted(known, key=lambda rid: sizes[rid] or 0))
    for ladder in _NAMED_LADDERS:
        if set(known) <= set(ladder):
            return tuple(rid for rid in ladder if rid in known)
    if known == [str(number) for number in range(len(known))]:
        return tuple(reversed(known))
    return tuple(known)


def _declared_size(rid: Rid) -> int | None:
    """Something that grows with quality, from the restrictions of RFC 8851 §5; None when there is none."""
    limits = rid.limits
    width, height = limits.get("max-width", ""), limits.get("max-height", "")
    for number in (width, height, limits.get("max-fs", ""), limits.get("max-br", "")):
        if number.isascii() and number.isdigit() and len(number) <= 12:
            return int(number)
    return None


def read_encodings(media: MediaDescription, rids: tuple[str, ...]) -> tuple[EncodingParameters, ...]:
    """What the writer of ``media`` will send, lowest quality first; ``rids`` when simulcast was agreed."""
    if rids:
        return tuple(EncodingParameters(rid=rid) for rid in rids)
    rtx_of: dict[int, int] = {}
    secondary: set[int] = set()
    simulcast: tuple[int, ...] = ()
    for group in media.all(SsrcGroup):
        if group.semantics == "SIM":
            simulcast = simulcast or tuple(dict.fromkeys(group.ssrcs))
        else:  # FID, FEC-FR: the first is the source, the others repair it.
            secondary.update(group.ssrcs[1:])
            if group.semantics == "FID" and len(group.ssrcs) > 1:
                rtx_of.setdefault(group.ssrcs[0], group.ssrcs[1])
    primary = [ssrc for ssrc in dict.fromkeys(row.ssrc for row in media.all(Ssrc)) if ssrc not in secondary]
    ssrcs = list(simulcast[:MAX_RIDS]) if len(simulcast) > 1 else primary[:1]
    return tuple(EncodingParameters(ssrc=ssrc, rtx_ssrc=rtx_of.get(ssrc)) for ssrc in ssrcs) or (EncodingParameters(),)
