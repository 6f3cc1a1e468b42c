"""``sfu bench speaker``: exit status, texts, what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sfu.bench.cli import app
from sfu.bench.speaker import spoken
from sfu.bench.speaker.board import OURS, Row, markdown

TINY = ["speaker", "--only", "music", "--seeds", "1"]


def test_the_exit_status_says_whether_all_holds(tmp_path: Path) -> None:
    page = tmp_path / "board.md"
    result = CliRunner().invoke(app, [*TINY, "--json", "--scoreboard", str(page)])
    ours, published = json.loads(result.stdout)
    assert (ours["detector"], published["detector"]) == (OURS, "as published")
    assert result.exit_code == (0 if ours["holds"] else 1)
    assert ours["correct"] > published["correct"]
    assert page.read_text().splitlines()[-2].startswith(f"| music | {OURS} | {ours['correct']:.3f} |")


def test_a_row_that_misses_a_bound_says_so() -> None:
    good = Row("music", OURS, 1, 10.0, 0.93, 0.93, 0.3, 0.5, 1.0, 0, 80)
    assert good.holds
    for missed in ({"correct": 0.91}, {"latency_p50_s": 0.7}, {"false_per_10_minutes": 1.1}):
        row = Row(**{name: getattr(good, name) for name in Row.__slots__} | missed)
        assert not row.holds
        assert markdown([row], 1).endswith("| **no** |\n")


def test_an_unknown_meeting_is_a_wrong_use() -> None:
    result = CliRunner().invoke(app, ["speaker", "--only", "party"])
    assert result.exit_code == 2
    assert "--only takes conversation" in result.stderr


def test_without_a_voice_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(app, ["speaker", "--only", "real speech", "--seeds", "1"])
    assert result.exit_code == 1
    assert "apt-get install espeak-ng" in result.stderr


def test_a_voice_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / spoken.PROGRAM
    program.write_text("#!/bin/sh\necho no such voice >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(spoken.SpeechError, match="en\\+none failed: no such voice"):
        spoken.said("Hello?", "en+none")
    program.chmod(0o644)
    monkeypatch.setattr(spoken, "PROGRAM", str(program))
    with pytest.raises(spoken.SpeechError, match="failed: .*Permission denied"):
        spoken.said("Hello again?", "en+none")
