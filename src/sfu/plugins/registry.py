"""Finds plugins by the names that the configuration gives, in its order."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import cast

from sfu.errors import ConfigError
from sfu.layers import LayerPolicy, StandardPolicy
from sfu.plugins.api import Plugin

GROUP = "sfu.plugins"
"""Entry points of installed packages."""

BUILT_IN = {
    "meetings": "sfu.plugins.meetings:MeetingsPlugin",
    "signaling_ws": "sfu.plugins.signaling_ws:SignalingWsPlugin",
    "whip": "sfu.plugins.whip:WhipPlugin",
    "observability": "sfu.plugins.observability:ObservabilityPlugin",
    "page": "sfu.plugins.page:PagePlugin",
}


def load_plugins(names: Iterable[str]) -> list[Plugin]:
    """One plugin for each name. Raises ``ConfigError`` for what cannot be found or is no plugin."""
    plugins: list[Plugin] = []
    for name in names:
        plugin = _load(name)
        if any(plugin.name == other.name for other in plugins):
            raise ConfigError("plugins", f"{name!r} is a second plugin called {plugin.name!r}", "load one of them")
        plugins.append(plugin)
    return plugins


def load_layer_policy(name: str) -> LayerPolicy:
    """The built-in one for "", else that of ``"module:object"``. Raises ``ConfigError`` when it is none."""
    if not name:
        return StandardPolicy()
    found = _import("layers.policy", name, name)
    # A class has its instances' methods, so it has to be told apart first.
    policy = found() if isinstance(found, type) else found
    if not callable(getattr(policy, "select", None)):
        raise ConfigError("layers.policy", f"{name!r} is no layer policy", "it needs select(), see docs/allocation.md")
    return cast("LayerPolicy", policy)


def _load(name: str) -> Plugin:
    if name in BUILT_IN:
        return _plugin(name, _import("plugins", name, BUILT_IN[name]))
    if ":" in name:
        return _plugin(name, _import("plugins", name, name))
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = [*BUILT_IN, *sorted(entry_points(group=GROUP).names)]
        raise ConfigError("plugins", f"there is no plugin {name!r}", f'known: {", ".join(known)}; or "module:object"')
    return _plugin(name, next(iter(found)).load())


def _import(key: str, name: str, target: str) -> object:
    module, _, path = target.partition(":")
    try:
        found: object = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(key, f"{name!r} cannot be imported: {error}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise ConfigError(key, f"module {module!r} has no {path!r}")
    return found


def _plugin(name: str, found: object) -> Plugin:
    """A class or a factory is called, anything else is the plugin itself."""
    has_setup = hasattr(found, "setup") and not isinstance(found, type)
    plugin = found if has_setup else cast("Callable[[], object]", found)() if callable(found) else found
    if not isinstance(getattr(plugin, "name", None), str) or not callable(getattr(plugin, "setup", None)):
        raise ConfigError("plugins", f"{name!r} is no plugin", "it needs a name and setup(context)")
    return cast("Plugin", plugin)
