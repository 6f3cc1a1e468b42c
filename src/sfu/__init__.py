"""A selective forwarding unit: Python decides, Rust moves packets.

``from sfu import Engine`` gives the media engine for a program of your own (docs/embedding.md); everything
else is reached by its module. Names load when they are first used, so that importing ``sfu.rtp`` or
``sfu.sdp`` alone needs neither the native module nor an event loop.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfu.runtime.embed import Engine

__all__ = ["Engine", "__version__"]


def __getattr__(name: str) -> Any:
    match name:
        case "__version__":
            from importlib.metadata import version

            return version("sfu")
        case "Engine":
            return import_module("sfu.runtime.embed").Engine
    raise AttributeError(f"module 'sfu' has no attribute {name!r}")
