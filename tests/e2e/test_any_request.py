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
from tests.support.server import running_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES = 30
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def explore(url: str) -> int:
    """Calls every operation of the server; how many there are."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    with requests.Session() as session:
        operations = [found.ok() for found in schema.get_all_operations()]
        for operation in operations:
            call_often(operation, session, url)
    return len(operations)


def call_often(operation: Any, session: requests.Session, url: str) -> None:
    """With a meeting of its own and with ones that are not there, with credentials that are good and that are not."""
    made = session.post(f"{url}/meetings", json={"title": operation.label}).json()
    bearers = st.sampled_from([None, made["host_token"], "sfu_wrong_key", "a.b.c"])

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
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
