from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from sfu.runtime import log


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def lines(capfd) -> list[dict]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_json_logs_are_one_object_a_line_whoever_wrote_them(capfd):
    log.configure("info", "json")
    log.logger("sfu.test").info("joined", participant="p1")
    logging.getLogger("sfu.media").warning("transport %d closed", 3)
    log.logger("sfu.test").debug("too quiet")
    first, second = lines(capfd)
    assert (first["event"], first["participant"], first["level"], first["logger"]) == (
        "joined",
        "p1",
        "info",
        "sfu.test",
    )
    assert (second["event"], second["level"]) == ("transport 3 closed", "warning")
    assert "timestamp" in second


@pytest.mark.parametrize("key", ["token", "whip_token", "pwd", "ice_pwd", "Authorization", "credential", "send_key"])
def test_secrets_never_reach_the_log(capfd, key):
    log.configure("info", "json")
    log.logger("sfu.test").info("x", **{key: "hunter2"})
    (line,) = lines(capfd)
    assert line[key] == "(hidden)"


def test_console_logs_show_exceptions(capfd):
    log.configure("debug", "console")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("sfu.x").exception("it_failed")
    text = capfd.readouterr().err
    assert "it_failed" in text
    assert "RuntimeError: broken" in text


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_variables(capfd, form):
    log.configure("debug", form)
    spelled_backwards = "2retnuh"
    token = spelled_backwards[::-1]
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.logger("sfu.x").exception("it_failed")
    text = capfd.readouterr().err
    assert "Traceback" in text
    assert token not in text


def test_malformed_requests_are_not_logged_one_by_one(capfd):
    log.configure("info", "console")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert not capfd.readouterr().err
