"""A plugin that blocks the control plane: ``POST /bench/block?seconds=…`` stops the event loop for so long.

It is loaded by name in the server that ``sfu bench isolate`` starts for itself, and nowhere else.
"""

from __future__ import annotations

import time

from fastapi import APIRouter

from sfu.errors import RemoteError
from sfu.plugins.api import PluginContext

NAME = "sfu.bench.block_plugin:BlockPlugin"
"""As the configuration names it."""
MAX_SECONDS = 60.0
PATH = "/bench/block"


class BlockPlugin:
    """Does what a bug in Python, a long garbage collection or a full disk under a log file would do."""

    name = "bench_block"

    def setup(self, context: PluginContext) -> None:
        """Adds the route."""
        router = APIRouter()

        @router.post(PATH)
        async def block(seconds: float) -> dict[str, float]:
            if not 0 < seconds <= MAX_SECONDS:
                raise RemoteError("bad_request", f"seconds is {seconds}, accepted are up to {MAX_SECONDS:.0f}")
            start = time.monotonic()
            time.sleep(seconds)  # noqa: ASYNC251 - on the loop: that is the point
            return {"blocked_s": time.monotonic() - start}

        context.include_router(router)
