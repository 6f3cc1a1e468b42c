"""The HTTP application: errors as problems, bodies within bounds."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from sfu.errors import RemoteError, StateError
from sfu.runtime.app import make_app
from sfu.runtime.http import MAX_MESSAGE_BYTES


class Thing(BaseModel):
    name: str


@pytest.fixture
async def client():
    router = APIRouter()

    @router.post("/things")
    async def things(thing: Thing) -> dict[str, str]:
        return {"name": thing.name}

    @router.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.get("/refused")
    async def refused() -> None:
        raise RemoteError("meeting_full", "the meeting has 3 participants", "try later", status=409)

    @router.get("/secret")
    async def secret() -> None:
        raise RemoteError("unauthorized", "no token", status=401)

    @router.get("/bug")
    async def bug() -> None:
        raise StateError("transport 5 is closed")

    @router.get("/crash")
    async def crash() -> None:
        raise ZeroDivisionError

    @router.get("/crash/{token}")
    async def crash_of(token: str) -> None:
        raise ZeroDivisionError

    @router.get("/left")
    async def left() -> None:
        raise ClientDisconnect

    @router.get("/embeddable")
    async def embeddable() -> Response:
        return Response(headers={"Content-Security-Policy": "frame-ancestors https://intranet.example"})

    mounted = FastAPI()
    context = SimpleNamespace(name="test", routers=[router], mounts=[("/mounted", mounted)], directs=[])
    transport = httpx.ASGITransport(make_app([context], "1.2.3"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def told(response: httpx.Response) -> tuple[int, str]:
    """Status and code, after checking that both places agree."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert set(body) == {"type", "title", "status", "detail", "code"}
    return response.status_code, body["code"]


async def test_what_the_remote_did_wrong_keeps_its_code_and_status(client):
    response = await client.get("/refused")
    assert told(response) == (409, "meeting_full")
    assert response.json()["detail"] == "the meeting has 3 participants (try later)"


async def test_a_missing_token_asks_for_one(client):
    response = await client.get("/secret")
    assert told(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_wrong_form_is_400_and_names_the_field(client):
    response = await client.post("/things", json={"nam": 1})
    assert told(response) == (400, "bad_request")
    assert response.json()["detail"].startswith("body.name: ")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", "/things", 405, "method_not_allowed")],
)
async def test_what_does_not_exist_is_a_problem_too(client, method, path, status, code):
    assert told(await client.request(method, path)) == (status, code)


@pytest.mark.parametrize("path", ["/bug", "/crash"])
async def test_a_bug_tells_the_log_and_not_the_client(client, path, capfd):
    response = await client.get(path)
    assert told(response) == (500, "internal")
    assert "transport 5" not in response.text


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_failure(client):
    with capture_logs() as logs:
        assert told(await client.get("/left")) == (400, "bad_request")
    assert not logs


async def test_a_secret_in_an_address_does_not_reach_the_log(client):
    with capture_logs() as logs:
        await client.get("/crash/hunter2")
    assert logs[0]["route"] == "/crash/{token}"
    assert "hunter2" not in str(logs)


async def test_a_body_that_says_it_is_too_long_is_not_read(client):
    async def never():
        yield b""
        raise AssertionError("read")

    length = {"content-length": str(MAX_MESSAGE_BYTES + 1)}
    assert told(await client.post("/raw", content=never(), headers=length)) == (413, "bad_request")


async def test_a_body_that_turns_out_too_long_is_cut(client):
    async def chunks():
        for _ in range(2):
            yield bytes(MAX_MESSAGE_BYTES // 2 + 1)

    assert told(await client.post("/raw", content=chunks())) == (413, "bad_request")


async def test_a_body_within_the_limit_arrives_whole(client):
    response = await client.post("/raw", content=bytes(MAX_MESSAGE_BYTES))
    assert response.json() == {"bytes": MAX_MESSAGE_BYTES}


async def test_the_api_describes_itself(client):
    described = (await client.get("/openapi.json")).json()
    assert described["info"]["version"] == "1.2.3"
    assert "/things" in described["paths"]


@pytest.mark.parametrize("path", ["/openapi.json", "/refused", "/nowhere", "/mounted/x"])
async def test_no_answer_may_be_framed_or_taken_for_another_type_or_tell_where_one_came_from(client, path):
    headers = (await client.get(path)).headers
    assert headers["content-security-policy"] == "frame-ancestors 'none'"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_a_plugin_may_let_its_page_be_framed(client):
    headers = (await client.get("/embeddable")).headers
    assert headers.get_list("content-security-policy") == ["frame-ancestors https://intranet.example"]
