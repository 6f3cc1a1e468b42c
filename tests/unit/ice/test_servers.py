"""ICE servers: URLs, TURN credentials, and discovery against a real STUN responder on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aioice import stun

from sfu.errors import EngineError
from sfu.ice.servers import IceServer, IceUrl, discover_public_address, turn_credentials


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("stun:stun.example.org", "stun:stun.example.org:3478"),
        ("stuns:stun.example.org", "stuns:stun.example.org:5349"),
        ("turn:192.0.2.1:443?transport=tcp", "turn:192.0.2.1:443?transport=tcp"),
        ("stun:[2001:db8::1]:19302", "stun:[2001:db8::1]:19302"),
    ],
)
def test_an_ice_url_goes_through_with_its_default_port(text: str, full: str) -> None:
    assert str(IceUrl.parse(text)) == full


@pytest.mark.parametrize(
    "text", ["", "http://x", "stun:", "stun:a:0", "stun:a:70000", "stun:a?transport=udp", "turn:a b", "stun:[::g]"]
)
def test_a_wrong_ice_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        IceServer((text,))


def test_turn_credentials_are_what_coturn_computes() -> None:
    username, credential = turn_credentials("north", "ada", expires_unix_s=1_700_000_000)
    assert username == "1700000000:ada"
    assert base64.b64decode(credential) == hmac.new(b"north", b"1700000000:ada", hashlib.sha1).digest()


def test_a_turn_server_for_a_client_carries_credentials_that_expire() -> None:
    server = IceServer.turn(("turn:192.0.2.1",), "north", "ada", now_unix_s=1_000.9, ttl_s=600)
    assert server.username == "1600:ada"
    assert server.to_json() == {"urls": ["turn:192.0.2.1"], "username": "1600:ada", "credential": server.credential}
    assert server.credential not in repr(server)
    assert IceServer(("stun:192.0.2.1",)).to_json() == {"urls": ["stun:192.0.2.1"]}


class Responder(asyncio.DatagramProtocol):
    """Tells everyone that they come from ``told``; loses the first ``lost`` requests."""

    def __init__(self, lost: int, told: tuple[str, int] | None) -> None:
        self.lost = lost
        self.told = told

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.lost:
            self.lost -= 1
            return
        request = stun.parse_message(data)
        self.transport.sendto(b"\x16noise", addr)
        answer = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
        if self.told:
            answer.attributes["XOR-MAPPED-ADDRESS"] = self.told
        self.transport.sendto(bytes(answer), addr)


@asynccontextmanager
async def responder(lost: int = 0, told: tuple[str, int] | None = ("203.0.113.9", 5555)) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Responder(lost, told), local_addr=("127.0.0.1", 0))
    try:
        yield f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()
        await asyncio.sleep(0)


async def test_a_stun_server_tells_the_public_address_even_when_the_first_request_is_lost() -> None:
    async with responder(lost=1) as url:
        assert await discover_public_address(url, local_ip="127.0.0.1") == "203.0.113.9"


async def test_a_silent_stun_server_is_an_error_that_says_what_to_do() -> None:
    async with responder(lost=1000) as url:
        with pytest.raises(EngineError, match=r"no answer in time.*advertise the public address"):
            await discover_public_address(url, timeout_s=0.2)


async def test_an_answer_without_an_address_is_an_error() -> None:
    async with responder(told=None) as url:
        with pytest.raises(EngineError, match="no mapped address"):
            await discover_public_address(url)


async def test_only_plain_stun_servers_are_asked() -> None:
    with pytest.raises(ValueError, match="plain STUN"):
        await discover_public_address("turn:127.0.0.1")
