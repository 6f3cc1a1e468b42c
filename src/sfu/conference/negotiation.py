"""Offers of one transport, one after another (RFC 3264): the server offers, at most one offer waits for its
answer, and an answer counts only for the latest. Whoever needs a new offer meanwhile waits; see ``Attendee``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sfu.errors import RemoteError
from sfu.sdp.description import SessionDescription
from sfu.sdp.grammar import SdpError
from sfu.sdp.negotiate import (
    CodecPolicy,
    EgressSection,
    IngressSection,
    LocalTransportParameters,
    NegotiatedSession,
    apply_answer,
    build_offer,
)


class Negotiation:
    """Counts offers from 1. ``is_outstanding``: the latest has no answer yet."""

    def __init__(self, codecs: CodecPolicy) -> None:
        self.version = 0
        self.is_outstanding = False
        self._codecs = codecs
        self._session_id = secrets.randbits(62)  # RFC 8866 section 5.2: numeric, unique; 63 bits at most
        self._offer: SessionDescription | None = None
        self.sdp = ""
        """The latest offer's text."""

    def propose(self, local: LocalTransportParameters, sections: Sequence[IngressSection | EgressSection]) -> None:
        """Makes the next offer."""
        self.version += 1
        self._offer = build_offer(local, sections, self._codecs, session_id=self._session_id, version=self.version)
        self.sdp = str(self._offer)
        self.is_outstanding = True

    def understand(self, version: int, sdp: str) -> NegotiatedSession:
        """What an answer says. The offer waits until ``settle``, so the client may try again after an error.

        Raises ``RemoteError``: ``conflict`` when it answers no outstanding offer, ``bad_sdp`` or
        ``unsupported_media`` when it does not fit.
        """
        if self._offer is None or version != self.version:
            raise RemoteError(
                "conflict",
                f"the answer is to offer {version}, the latest is {self.version}",
                "answer the latest offer",
                status=409,
            )
        if not self.is_outstanding:
            raise RemoteError("conflict", f"offer {version} has been answered already", status=409)
        return apply_answer(self._offer, parse_sdp(sdp))

    def settle(self) -> None:
        """The answer to the latest offer took effect."""
        self.is_outstanding = False


def parse_sdp(text: str) -> SessionDescription:
    """Parses a client's SDP. Raises ``RemoteError`` ``bad_sdp`` that names the line."""
    try:
        return SessionDescription.parse(text)
    except SdpError as error:
        raise RemoteError("bad_sdp", error.detail, error.hint) from error
