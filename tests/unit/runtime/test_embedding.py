"""Embedding: the program in docs/embedding.md runs as it stands, and what it says of errors is true."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from sfu import Engine
from sfu.errors import EngineError, RemoteError, TransportClosed, WireError

DOCUMENT = Path(__file__).parents[3] / "docs" / "embedding.md"


@pytest.mark.e2e
async def test_the_program_in_the_documentation_forwards_video_as_it_stands(tmp_path: Path):
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    file = tmp_path / "program.py"
    file.write_text(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(45):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, output.decode()
    lines = output.decode().splitlines()
    assert "forwarding layers (0, 0)" in lines
    assert any(line.startswith("connected with DTLS 1.") for line in lines)
    assert lines[-1] == "received 10 frames of 640 x 480, codec vp8"


async def test_a_transport_that_closes_tells_everybody_who_waits():
    async with Engine() as engine:
        transport = engine.create_router().create_transport()
        seen = []
        transport.on_state = lambda _transport, state, _detail: seen.append(state)

        async def watch() -> list[str]:
            return [change.state.value async for change in transport.states()]

        waiting = asyncio.create_task(transport.wait_connected())
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        transport.close("enough of it")
        with pytest.raises(TransportClosed, match="enough of it"):
            await waiting
        assert await watching == ["new", "closed"]
        assert seen == ["closed"]
        with pytest.raises(TransportClosed, match="enough of it"):
            await transport.wait_connected()


async def test_waiting_has_an_end():
    async with Engine() as engine:
        with pytest.raises(TimeoutError):
            await engine.create_router().create_transport().wait_connected(timeout_s=0.01)


async def test_leaving_the_engine_closes_what_hangs_from_it():
    async with Engine() as engine:
        transport = engine.create_router().create_transport()
        assert engine.local_addresses[0][0] == "127.0.0.1"
        assert engine.stats().transports == {"new": 1}
    assert transport.close_reason == "engine closed"
    with pytest.raises(EngineError):
        engine.create_router()
    with pytest.raises(EngineError, match="used once"):
        await engine.__aenter__()


async def test_an_engine_that_was_not_entered_says_how():
    with pytest.raises(EngineError, match="async with"):
        Engine().create_router()


@pytest.mark.parametrize(
    ("sdp", "error"), [("v=1", WireError), ("v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\n", RemoteError)]
)
async def test_an_offer_that_is_refused_leaves_nothing_behind(sdp, error):
    async with Engine() as engine:
        router = engine.create_router()
        with pytest.raises(error):
            router.accept(sdp)
        assert not router.transports
        assert engine.stats().transports == {}


async def test_two_engines_cannot_have_one_port():
    async with Engine() as engine:
        _, port = engine.local_addresses[0]
        with pytest.raises(EngineError, match=f"127.0.0.1:{port}"):
            async with Engine(port=port):
                pass
