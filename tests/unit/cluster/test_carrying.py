"""Requests and sockets for a meeting that another process has, over a real Redis."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.support.redis import PrivateRedis
from tests.support.waiting import until

from sfu.cluster import bounds

from .conftest import Start, vanish


async def told(request: Request) -> PlainTextResponse:
    body = await request.body()
    assert request.client is not None
    text = f"{request.method} {request.client.host} {request.headers['x-note']} {request.query_params} {len(body)}"
    return PlainTextResponse(text, 201, {"X-Made": "there"})


async def fails(_request: Request) -> PlainTextResponse:
    raise RuntimeError("a fault")


async def talk(websocket: WebSocket) -> None:
    if "chat" not in websocket.scope["subprotocols"]:
        await websocket.send_denial_response(PlainTextResponse("no", 400))
        return
    await websocket.accept(subprotocol="chat")
    try:
        while (text := await websocket.receive_text()) != "bye":
            for _ in range(int(text) if text.isdigit() else 1):
                await websocket.send_text(text)
        await websocket.close(4000, "you wanted it")
    except WebSocketDisconnect as gone:
        websocket.scope["app"].state.gone.append(gone.code)


def application() -> Starlette:
    app = Starlette(
        routes=[
            Route("/meetings/m/told", told, methods=["POST"]),
            Route("/meetings/m/fails", fails),
            WebSocketRoute("/meetings/m/signaling", talk),
        ]
    )
    app.state.gone = []
    return app


class Client:
    """ASGI's other end."""

    def __init__(self, app: Any, kind: str, path: str, **more: Any) -> None:
        scope = {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"a=1",
            "headers": [(b"x-note", b"hello")],
            "client": ("192.0.2.7", 4711),
            "server": ("10.0.0.2", 8080),
            "extensions": {"websocket.http.response": {}},
            **more,
        }
        self.sent: list[Any] = []
        self.is_stuck = False
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._done = asyncio.get_running_loop().create_task(app(scope, self._incoming.get, self._send))

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        while self.is_stuck and message["type"] == "websocket.send":
            await asyncio.sleep(0.02)

    def say(self, **message: Any) -> None:
        self._incoming.put_nowait(message)

    async def until(self, kind: str, count: int = 1) -> list[Any]:
        """Messages of that kind, once there are so many."""

        def found() -> list[Any]:
            return [one for one in self.sent if one["type"] == kind]

        return await until(found, f"{count} {kind}", good=lambda seen: len(seen) >= count)

    async def over(self) -> None:
        async with asyncio.timeout(15):
            await self._done


async def post(app: Any, path: str, body: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
    client = Client(app, "http", path)
    client.say(type="http.request", body=body[:10], more_body=True)
    client.say(type="http.request", body=body[10:], more_body=False)
    await client.over()
    start, end = client.sent
    return start["status"], dict(start["headers"]), end["body"]


async def socket(app: Any) -> Client:
    client = Client(app, "websocket", "/meetings/m/signaling", subprotocols=["other", "chat"])
    client.say(type="websocket.connect")
    [accepted] = await client.until("websocket.accept")
    assert accepted["subprotocol"] == "chat"
    return client


@pytest.fixture
async def pair(start: Start) -> Any:
    """The home of meeting m, and another process."""
    home, other = await start(application()), await start(application())
    await home.leases.open("m")
    return home, other


async def test_a_request_is_answered_by_the_home_as_if_the_client_were_there(pair: Any) -> None:
    home, other = pair
    status, headers, body = await post(other.app, "/meetings/m/told", b"x" * 1000)
    assert (status, headers[b"x-made"], body) == (201, b"there", b"POST 192.0.2.7 hello a=1 1000")
    assert home.cluster.stats().hosted["requests"] == other.cluster.stats().carried["requests"] == 1
    assert (await post(other.app, "/meetings/m/nothing"))[0] == 404
    assert (await post(home.app, "/meetings/m/told"))[2].endswith(b" 0")
    assert other.cluster.stats().carried["requests"] == 2


async def test_a_body_that_is_too_long_goes_nowhere(pair: Any) -> None:
    _, other = pair
    assert (await post(other.app, "/meetings/m/told", b"x" * (bounds.MAX_BODY_BYTES + 1)))[0] == 413
    assert other.cluster.stats().carried["requests"] == 0


async def test_a_socket_is_carried_both_ways_and_closed_as_the_home_says(pair: Any) -> None:
    home, other = pair
    client = await socket(other.app)
    assert (home.cluster.stats().hosted_sockets, other.cluster.stats().carried_sockets) == (1, 1)
    for text in ("one", "two", "3", "bye"):
        client.say(type="websocket.receive", text=text)
    [closed] = await client.until("websocket.close")
    assert (closed["code"], closed["reason"]) == (4000, "you wanted it")
    texts = [message["text"] for message in client.sent if message["type"] == "websocket.send"]
    assert texts == ["one", "two", "3", "3", "3"]
    await client.over()
    await until(lambda: home.cluster.stats().hosted_sockets, "that it is over", good=lambda count: count == 0)


async def test_a_home_may_refuse_a_socket(pair: Any) -> None:
    _, other = pair
    client = Client(other.app, "websocket", "/meetings/m/signaling", subprotocols=["other"])
    client.say(type="websocket.connect")
    await client.over()
    assert [message.get("status") or message.get("body") for message in client.sent] == [400, b"no"]


async def test_the_home_hears_when_a_client_goes(pair: Any) -> None:
    home, other = pair
    client = await socket(other.app)
    client.say(type="websocket.disconnect", code=1001)
    await client.over()
    gone = await until(lambda: home.cluster._app.state.gone, "that the home knows")
    assert gone == [1001]


async def test_who_reads_too_slowly_loses_its_socket_and_nobody_else_does(pair: Any) -> None:
    _, other = pair
    slow, quick = await socket(other.app), await socket(other.app)
    slow.is_stuck = True
    for turn in (1, 2, 3):
        for client in (slow, quick):
            client.say(type="websocket.receive", text=str(bounds.MAX_FRAMES // 2))
        await quick.until("websocket.send", turn * bounds.MAX_FRAMES // 2)
    slow.is_stuck = False
    [closed] = await slow.until("websocket.close")
    assert closed["code"] == bounds.CLOSE_TOO_MUCH
    quick.say(type="websocket.receive", text="still here")
    await until(lambda: quick.sent[-1].get("text"), "an answer", good=lambda text: text == "still here")


async def test_clients_of_a_home_that_is_killed_are_told_to_come_back(pair: Any) -> None:
    home, other = pair
    client = await socket(other.app)
    await vanish(home)
    [closed] = await client.until("websocket.close")
    assert closed["code"] == bounds.CLOSE_RESTART
    assert (await post(other.app, "/meetings/m/told"))[0] == 201, "the meeting is here now"
    assert other.leases.taken_over == 1


async def test_a_home_hears_of_a_process_that_is_killed(pair: Any) -> None:
    home, other = pair
    await socket(other.app)
    await vanish(other)
    assert await until(lambda: home.cluster._app.state.gone, "that the home knows") == [1006]


async def test_while_redis_is_away_a_home_serves_its_own_and_others_are_refused(pair: Any, redis: PrivateRedis) -> None:
    home, other = pair
    here, there = await socket(home.app), await socket(other.app)
    assert (await post(other.app, "/meetings/m/told"))[0] == 201
    assert other.cluster.stats().carried["requests"] == 1
    redis.kill()
    try:
        [closed] = await there.until("websocket.close")
        assert closed["code"] == bounds.CLOSE_RESTART
        here.say(type="websocket.receive", text="hello")
        await here.until("websocket.send")
        assert (await post(home.app, "/meetings/m/told"))[0] == 201
        status, headers, _ = await post(other.app, "/meetings/m/told")
        assert (status, headers[b"retry-after"]) == (503, b"2")
        refused = Client(other.app, "websocket", "/meetings/m/signaling", subprotocols=["chat"])
        refused.say(type="websocket.connect")
        await refused.over()
        assert refused.sent[0]["status"] == 503
    finally:
        redis.start()

    async def answers() -> bool:
        return (await post(other.app, "/meetings/m/told"))[0] == 201

    await until(answers, "that all is well again")
    here.say(type="websocket.receive", text="bye")
    await here.until("websocket.close")


async def test_what_fails_at_the_home_is_an_answer_too(pair: Any) -> None:
    _, other = pair
    client = Client(other.app, "http", "/meetings/m/fails", method="GET")
    client.say(type="http.request", body=b"", more_body=False)
    await client.over()
    assert client.sent[0]["status"] == 500
