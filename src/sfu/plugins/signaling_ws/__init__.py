"""Signaling over WebSocket (RFC 6455): ``/meetings/{id}/signaling``, as ``docs/signaling.md`` says.

``requests`` has the requests, ``wire`` the notifications and both subprotocols, ``session`` the conversation,
``pump`` what is between it and a WebSocket.
"""

from __future__ import annotations

from typing import Any

from starlette.websockets import WebSocket

from sfu.conference import Attendee
from sfu.plugins.api import DirectSocket, PluginContext
from sfu.plugins.http import base_url
from sfu.plugins.joined import Joined
from sfu.plugins.signaling_ws.pump import accept, pump
from sfu.plugins.signaling_ws.session import SignalingSession
from sfu.plugins.signaling_ws.wire import EventEncoder


class SignalingWsPlugin:
    """The built-in ``signaling_ws``."""

    name = "signaling_ws"

    def setup(self, context: PluginContext) -> None:
        """Adds the WebSocket route."""
        encoder = EventEncoder()

        async def signaling(websocket: WebSocket) -> None:
            wire = await accept(websocket, context.options)
            if wire is None:
                return
            base = base_url(websocket, context.options.public_url)

            def answer(attendee: Attendee) -> dict[str, Any]:
                return Joined.of(attendee, context.options, base).model_dump(mode="json", exclude_none=True)

            session = SignalingSession(
                websocket.path_params["meeting_id"],
                context.conference,
                wire,
                encoder,
                clock=context.clock,
                logger=context.logger,
                answer=answer,
            )
            await pump(websocket, session)

        context.direct(DirectSocket("/meetings/{meeting_id}/signaling", signaling))
