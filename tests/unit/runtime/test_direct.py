"""Direct routes: a short way for what is plainly right, and the long one for all else, with the same answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from sfu.errors import RemoteError, StateError
from sfu.plugins.api import DirectRequest, DirectSocket
from sfu.runtime.app import make_app
from sfu.runtime.http import MAX_MESSAGE_BYTES

JSON = {"content-type": "application/json"}


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


def app():
    router = APIRouter()

    async def act(thing: Thing, way: str) -> Response:
        match thing.name:
            case "full":
                raise RemoteError("meeting_full", "no place", "try later", status=409, retry_after_s=2.5)
            case "bug":
                raise StateError("transport 5 is closed")
            case "crash":
                Thing.model_validate({})  # a model of ours that is wrong is no wrong request
        return Response(json.dumps({"name": thing.name, "way": way}), media_type="application/json")

    @router.post("/{box}/things")
    async def things(box: str, thing: Thing) -> Response:
        return await act(thing, f"long {box}")

    async def directly(request: Request, thing: Thing) -> Response:
        return await act(thing, f"direct {request.path_params['box']}")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.path_params["box"])

    directs = [DirectRequest("/{box}/things", Thing, directly), DirectSocket("/{box}/socket.v1", socket)]
    return make_app([SimpleNamespace(name="test", routers=[router], mounts=[], directs=directs)], "0")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_what_is_plainly_right_goes_the_short_way(client):
    response = await client.post("/a%20b/things", json={"name": "x"})
    assert response.json() == {"name": "x", "way": "direct a b"}
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"name": "x"}', {"content-type": "application/json; charset=utf-8"}, 200),
        (b'{"name": "x"}', {"content-type": "text/plain"}, 400),
        (b'{"name": "x"}', {}, 400),
        (b'{"name": 1}', JSON, 400),
        (b'{"name": "x", "nmae": 1}', JSON, 400),
        (b'{"name": "x"', JSON, 400),
        (b"", JSON, 400),
        (b'{"name": "%s"}' % (b"x" * MAX_MESSAGE_BYTES), JSON, 413),
    ],
)
async def test_what_is_not_goes_the_long_one(client, body, headers, status):
    response = await client.post("/a/things", content=body, headers=headers)
    assert response.status_code == status
    if status == 200:
        assert response.json()["way"] == "long a"
    else:
        assert response.json()["code"] == "bad_request"


async def test_a_body_whose_length_is_not_told_goes_the_long_way(client):
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"name":'
        yield b' "x"}'

    response = await client.post("/a/things", content=parts(), headers=JSON)
    assert response.json() == {"name": "x", "way": "long a"}


async def test_a_body_in_parts_is_put_together():
    parts = [b'{"name"', b': "', b'x"}']
    sent = []

    async def receive():
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"13")]
    await app()(
        {"type": "http", "method": "POST", "path": "/a/things", "headers": headers, "query_string": b""}, receive, send
    )
    assert json.loads(sent[1]["body"])["way"] == "direct a"


@pytest.mark.parametrize("first", [b"", b'{"na'])
async def test_nothing_is_done_for_a_client_that_leaves_before_the_end_of_its_body(first):
    messages = [{"type": "http.disconnect"}]
    if first:
        messages.insert(0, {"type": "http.request", "body": first, "more_body": True})
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"13")]
    await app()({"type": "http", "method": "POST", "path": "/a/things", "headers": headers}, receive, send)
    assert not sent


async def test_a_refusal_is_a_problem_that_says_when_to_come_again(client):
    response = await client.post("/a/things", json={"name": "full"})
    assert (response.status_code, response.json()["code"]) == (409, "meeting_full")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize("name", ["bug", "crash"])
async def test_a_bug_tells_the_log_and_not_the_client(client, name):
    with capture_logs() as logs:
        response = await client.post("/a/things", json={"name": name})
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert [(log["event"], log["route"]) for log in logs] == [("request_failed", "/{box}/things")]


async def test_another_method_goes_to_the_routes(client):
    assert (await client.get("/a/things")).status_code == 405


async def test_a_socket_needs_no_other_route():
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await app()({"type": "websocket", "path": "/box/socket.v1", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
    assert sent[1]["text"] == "box"
