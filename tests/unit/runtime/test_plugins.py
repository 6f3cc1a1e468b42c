"""Finding plugins, and what a stranger's plugin can do."""

from __future__ import annotations

import sys
import types

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine

from sfu.conference import Conference
from sfu.config import BUILT_IN_PLUGINS
from sfu.errors import ConfigError
from sfu.layers import StandardPolicy
from sfu.plugins.api import PluginContext, ServerOptions
from sfu.plugins.page import PagePlugin
from sfu.plugins.registry import BUILT_IN, load_layer_policy, load_plugins
from sfu.runtime.app import make_app
from sfu.runtime.log import logger
from sfu.runtime.view import Runtime


class HelloSettings(BaseModel):
    greeting: str = "hello"


class HelloPlugin:
    name = "hello"

    def setup(self, context: PluginContext) -> None:
        settings = context.settings_as(HelloSettings)
        router = APIRouter()

        @router.get("/hello")
        async def hello() -> dict[str, object]:
            return {"greeting": settings.greeting, "meetings": len(context.conference.meetings)}

        context.include_router(router)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("a_strangers_plugin")
    module.HelloPlugin = HelloPlugin
    module.instance = HelloPlugin()
    module.nothing = object()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def context_of(name: str, **settings: object) -> PluginContext:
    clock = VirtualClock()
    engine, _ = sim_engine()
    runtime = Runtime(engine, engine.options.certificate, clock)
    return PluginContext(
        name, Conference(engine, clock), clock, ServerOptions(), runtime, logger("test"), settings=settings
    )


def client_of(*contexts: PluginContext) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(make_app(contexts, "0"))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def test_every_built_in_plugin_loads_under_its_own_name():
    assert tuple(BUILT_IN) == BUILT_IN_PLUGINS
    assert [plugin.name for plugin in load_plugins(BUILT_IN)] == list(BUILT_IN)


@pytest.mark.parametrize("path", ["HelloPlugin", "instance"])
async def test_a_strangers_plugin_serves_beside_the_built_in_ones(module, path):
    (plugin,) = load_plugins([f"{module.__name__}:{path}"])
    context = context_of("hello", greeting="good day")
    plugin.setup(context)
    response = await client_of(context).get("/hello")
    assert response.json() == {"greeting": "good day", "meetings": 0}


def test_an_installed_plugin_is_found_by_its_entry_point(monkeypatch):
    entry = types.SimpleNamespace(load=lambda: HelloPlugin)
    monkeypatch.setattr("sfu.plugins.registry.entry_points", lambda **_selection: [entry])
    assert [plugin.name for plugin in load_plugins(["hello"])] == ["hello"]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["helo"], "there is no plugin 'helo'"),
        (["no_such_module:x"], "cannot be imported"),
        (["a_strangers_plugin:Goodbye"], "has no 'Goodbye'"),
        (["a_strangers_plugin:nothing"], "is no plugin"),
        (["a_strangers_plugin:HelloPlugin", "a_strangers_plugin:instance"], "second plugin called 'hello'"),
    ],
)
def test_what_is_no_plugin_is_a_fault_of_the_configuration(module, names, fault):
    with pytest.raises(ConfigError, match=fault) as caught:
        load_plugins(names)
    assert caught.value.key == "plugins"


def test_a_plugins_setting_that_is_wrong_names_its_key():
    with pytest.raises(ConfigError) as caught:
        HelloPlugin().setup(context_of("hello", greeting=3))
    assert caught.value.key == "plugin.hello.greeting"


async def test_the_page_answers_on_both_of_its_addresses_and_never_from_an_old_cache():
    context = context_of("page")
    PagePlugin().setup(context)
    client = client_of(context)
    home, meeting = await client.get("/"), await client.get("/m/abc-defg-hij")
    assert home.text == meeting.text
    assert home.headers["content-type"].startswith("text/html")
    assert home.headers["cache-control"] == "no-cache"
    script = await client.get("/web/sdk/sfu.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert (script.headers["cache-control"], script.headers["access-control-allow-origin"]) == ("no-cache", "*")
    again = await client.get("/web/sdk/sfu.js", headers={"if-none-match": script.headers["etag"]})
    assert again.status_code == 304
    style = await client.get("/web/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "access-control-allow-origin" not in style.headers
    assert (await client.get("/web/../config.py")).status_code == 404
    assert (await client.get("/web/%2e%2e/config.py")).status_code == 404


@pytest.mark.parametrize("dev", [True, False])
async def test_the_page_says_whether_meetings_are_listed_to_everybody(dev: bool) -> None:
    context = context_of("page")
    context.options = ServerOptions(dev=dev)
    PagePlugin().setup(context)
    answer = await client_of(context).get("/")
    assert ('data-meetings="open"' in answer.text) is dev


def test_a_layer_policy_is_found_by_name(module: types.ModuleType) -> None:
    class OwnPolicy(StandardPolicy):
        pass

    module.OwnPolicy = OwnPolicy
    module.policy = OwnPolicy()
    assert isinstance(load_layer_policy("a_strangers_plugin:OwnPolicy"), OwnPolicy)
    assert load_layer_policy("a_strangers_plugin:policy") is module.policy
    assert type(load_layer_policy("")) is StandardPolicy


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("not_a_module:Policy", "cannot be imported"),
        ("a_strangers_plugin:missing", "has no 'missing'"),
        ("a_strangers_plugin:nothing", "is no layer policy"),
        ("a_strangers_plugin:HelloPlugin", "is no layer policy"),
    ],
)
def test_what_is_no_layer_policy_is_named_with_its_key(module: types.ModuleType, name: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load_layer_policy(name)
    assert str(caught.value).startswith("layers.policy")
