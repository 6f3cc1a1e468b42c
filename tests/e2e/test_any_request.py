"""Requests made up from the description of the API: none makes the server fail, and each answer is as described."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
from tests.support.server import running_server
from tests.support.several import several

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = 30
EXAMPLES_CARRIED = 15
"""What differs is the way that requests and answers take, not what is asked."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def explore(url: str, makes_at: str = "", examples: int = EXAMPLES) -> int:
    """Calls every operation of the server; how many there are. ``makes_at``: the server that has the meetings."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    with requests.Session() as session:
        operations = [found.ok() for found in schema.get_all_operations()]
        for operation in operations:
            call_often(operation, session, url, makes_at or url, examples)
    return len(operations)


def call_often(operation: Any, session: requests.Session, url: str, makes_at: str, examples: int) -> None:
    """With a meeting of its own and with ones that are not there, with credentials that are good and that are not."""
    made = session.post(f"{makes_at}/meetings", json={"title": operation.label}).json()
    bearers = st.sampled_from([None, made["host_token"], "sfu_wrong_key", "a.b.c"])

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), is_real=st.booleans(), bearer=bearers)
    def call(case: Any, is_real: bool, bearer: str | None) -> None:
        if is_real and "meeting_id" in (case.path_parameters or {}):
            case.path_parameters["meeting_id"] = made["id"]
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        case.call_and_validate(base_url=url, session=session, headers=headers, checks=CHECKS, timeout=20)

    call()


async def test_no_request_makes_the_server_fail_and_answers_are_as_described(tmp_path: Path) -> None:
    async with running_server(tmp_path, env={"SFU_STORE__DATA_DIR": str(tmp_path / "data")}) as server:
        assert await asyncio.to_thread(explore, server.url) > 20
        assert "request_failed" not in server.log()


async def test_nor_does_it_for_a_meeting_that_another_server_has(
    redis: PrivateRedis, postgres: Postgres, tmp_path: Path
) -> None:
    async with several(redis, postgres, tmp_path) as deployment:
        one, other = await deployment.pair()
        assert await asyncio.to_thread(explore, other.url, one.url, EXAMPLES_CARRIED) > 20
        assert (await other.metrics())['sfu_cluster_streams_total{kind="requests",side="carried"}'] > 100
        for server in (one, other):
            log = server.log()
            assert [
                word for word in ("request_failed", "hosted_request_failed", "message_not_taken") if word in log
            ] == []
