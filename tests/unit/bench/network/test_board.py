"""The board: verdicts, texts, exit status."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sfu.bench.cli import app
from sfu.bench.network import cases
from sfu.bench.network.cases import CASES, Figure
from sfu.bench.network.figures import Course
from sfu.bench.network.runner import Board, Row, run
from sfu.bench.network.scenario import FAST, Scenario, watch
from sfu.bench.network.scoreboard import markdown


def row(values: tuple[float, ...], limit: float | None, *, at_least: bool = False) -> Row:
    return Row("case", "a title", Figure("what", "s", lambda _: 0.0, limit, at_least), values)


def test_the_median_decides_and_the_worse_end_is_told() -> None:
    low, high = row((1.0, 2.0, 9.0), 2.0), row((1.0, 2.0, 9.0), 2.0, at_least=True)
    assert (low.holds, low.median, low.p95) == (True, 2.0, 9.0)
    assert (high.holds, high.p95) == (True, 1.0)
    assert not row((3.0,), 2.0).holds
    assert row((math.inf,), None).holds
    late = Row("case", "", Figure("what", "s", lambda _: 0.0, 1.0, meanwhile=3.0), (2.0,))
    assert (late.holds, late.reached) == (True, False)


def test_the_page_says_what_must_be_what_is_and_what_fails() -> None:
    board = Board(3, 1, [row((1.0,), 2.0), row((math.inf,), 2.0), row((5.0,), None)])
    *_, good, bad, plain = markdown(board).splitlines()
    assert good == "| a title | what | ≤ 2 s | 1.00 s | 1.00 s | yes |"
    assert bad == "| a title | what | ≤ 2 s | never | never | **no, worse** |"
    assert plain == "| a title | what |  | 5.00 s | 5.00 s |  |"
    assert not board.holds
    assert json.loads(json.dumps(board.as_dict()))["rows"][1]["median"] is None


def test_the_page_of_other_seeds_names_the_command_that_plays_them() -> None:
    assert "--seeds 3 --first-seed 501 --scoreboard docs/network-scoreboard-held-out.md`" in markdown(Board(3, 501))
    assert "--first-seed" not in markdown(Board(3))


def test_case_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def _tiny(limit: float) -> cases.Case:
    def frames(played: cases.Played) -> float:
        course: Course = played.course
        return float(course.frames[0][-1])

    return cases.Case("tiny", "a tiny case", lambda _: watch(FAST, 5.0), (Figure("frames", "", frames, limit),))


@pytest.mark.parametrize(("limit", "status"), [(1_000.0, 0), (1.0, 1)])
def test_the_exit_status_says_whether_all_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: float, status: int
) -> None:
    for module in ("cases", "runner"):
        monkeypatch.setattr(f"sfu.bench.network.{module}.CASES", (_tiny(limit),))
    page, picture = tmp_path / "board.md", tmp_path / "plot.svg"
    arguments = ["network", "--seeds", "1", "--jobs", "1", "--json", "--scoreboard", str(page), "--plot", str(picture)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == status, result.output
    assert json.loads(result.stdout)["holds"] is (status == 0)
    assert "a tiny case" in page.read_text()
    assert picture.read_text().startswith("<svg")


def test_runs_begin_with_the_seed_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []

    def scenario(seed: int) -> Scenario:
        played.append(seed)
        return watch(FAST, 4.0)

    case = cases.Case("tiny", "a tiny case", scenario, ())
    for module in ("cases", "runner"):
        monkeypatch.setattr(f"sfu.bench.network.{module}.CASES", (case,))
    result = CliRunner().invoke(app, ["network", "--seeds", "2", "--first-seed", "501", "--jobs", "1"])
    assert (result.exit_code, played) == (0, [501, 502])


def test_several_processes_get_the_same_figures() -> None:
    alone, together = run(("down",), 3), run(("down",), 3, jobs=2)
    assert [row.values for row in together.rows] == [row.values for row in alone.rows]
    assert (together.runs, together.virtual_s) == (alone.runs, alone.virtual_s)


def test_an_unknown_case_is_a_wrong_use() -> None:
    result = CliRunner().invoke(app, ["network", "--only", "nothing"])
    assert result.exit_code == 2
    assert "--only takes" in result.stderr
