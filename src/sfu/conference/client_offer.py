"""The other way round: the client offers, the server answers at once (WHIP, WHEP)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from sfu.media.transport import Transport
from sfu.sdp.description import SessionDescription
from sfu.sdp.negotiate import CodecPolicy, EgressSection, LocalTransportParameters, answer_offer


class ClientOffer:
    """One exchange: connects ``transport`` to what the offer says. ``answer`` is the SDP to send back.

    ``egress`` are templates for what we send, matched to the client's m-lines by kind, in order.
    """

    def __init__(
        self,
        transport: Transport,
        offer: SessionDescription,
        codecs: CodecPolicy,
        *,
        egress: Sequence[EgressSection],
        accept_ingress: bool,
    ) -> None:
        self._transport = transport
        self._local = transport.local
        answer, self.session = answer_offer(
            offer,
            self._local,
            codecs,
            egress=egress,
            accept_ingress=accept_ingress,
            session_id=secrets.randbits(62),
        )
        self.answer = str(answer)
        self._remote = self.session.remote
        transport.connect(self._remote)
        transport.set_rtp(self.session.receive, self.session.send, self.session.rtcp_reduced_size)

    @property
    def local(self) -> LocalTransportParameters:
        """Our side of ICE as the client knows it."""
        return self._local

    @property
    def remote_ufrag(self) -> str:
        """The client's ICE user name fragment in use; tells a restart from trickled candidates."""
        return self._remote.ufrag

    def restart_ice(self, ufrag: str, pwd: str) -> LocalTransportParameters:
        """The client restarts ICE with these credentials; gives ours (RFC 8839 section 4.4.3.1.2: new ones too)."""
        self._local = self._transport.restart_ice()
        self._remote = replace(self._remote, ufrag=ufrag, pwd=pwd)
        self._transport.update_remote(self._remote)
        return self._local
