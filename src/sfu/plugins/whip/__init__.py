"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one HTTP request publishes into a meeting or plays from it.

The client offers here, which shows that the conference does not care how SDP travels. See ``docs/whip.md``.
"""

from __future__ import annotations

from sfu.plugins.api import PluginContext
from sfu.plugins.whip.routes import whep_routes, whip_routes


class WhipPlugin:
    """The built-in ``whip``."""

    name = "whip"

    def setup(self, context: PluginContext) -> None:
        """Adds both sets of routes."""
        context.include_router(whip_routes(context))
        context.include_router(whep_routes(context))
