"""A plugin for tests that stops the control plane: ``POST /test/stall?seconds=5`` blocks the event loop for so long."""

from __future__ import annotations

import time

from fastapi import APIRouter

from sfu.plugins.api import PluginContext


class StallPlugin:
    """Never loaded but by tests, by name: ``"stall_plugin:StallPlugin"``."""

    name = "stall"

    def setup(self, context: PluginContext) -> None:
        """Adds the route."""
        router = APIRouter()

        @router.post("/test/stall")
        async def stall(seconds: float) -> dict[str, float]:
            context.logger.warning("stalling", seconds=seconds)
            time.sleep(seconds)  # on the loop: that is the point
            return {"stalled_s": seconds}

        context.include_router(router)
