"""The adapters, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.adapter import Peer
from bench.peers.janus import Janus
from bench.peers.livekit import LiveKit
from bench.peers.mediasoup import Mediasoup
from bench.peers.rtpengine import Rtpengine


def peers() -> Sequence[Peer]:
    """Every peer that there is an adapter for, installed or not."""
    return [
        Janus("janus as shipped", 9, event_loops=None, with_libsrtp=False),
        Janus("janus tuned", 4.5, event_loops=1, with_libsrtp=True),
        Rtpengine(),
        LiveKit(),
        Mediasoup("mediasoup", with_feedback=True),
        Mediasoup("mediasoup without feedback", with_feedback=False),
    ]
