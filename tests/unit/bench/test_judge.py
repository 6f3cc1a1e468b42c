from __future__ import annotations

import pytest

from sfu.bench.judge import Check, Relation, Verdict, judge, unmeasured, worst
from sfu.bench.report import Report, RowResult, markdown


def check(relation: Relation = Relation.AT_MOST, limit: float = 1.8) -> Check:
    return Check("cost", "cpu.us", relation, limit)


def rounds(*values: float) -> list[dict[str, object]]:
    return [{"cpu": {"us": value}} for value in values]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((1.5, 1.7, 2.5), Verdict.OK),
        ((1.8,), Verdict.OK),
        ((1.7, 1.9, 2.0), Verdict.CLOSE),
        ((1.9, 1.95, 2.0), Verdict.MISSED),
        ((), Verdict.UNKNOWN),
    ],
)
def test_a_target_is_missed_when_every_round_misses_it(values: tuple[float, ...], verdict: Verdict) -> None:
    assert judge(check(), rounds(*values)).verdict is verdict


@pytest.mark.parametrize(
    ("relation", "at_the_limit"),
    [(Relation.AT_MOST, True), (Relation.BELOW, False), (Relation.AT_LEAST, True), (Relation.REPORTED, True)],
)
def test_the_limit_itself_belongs_to_some_relations(relation: Relation, at_the_limit: bool) -> None:
    assert relation.holds(5, 5) is at_the_limit


def test_a_value_is_scaled_to_the_unit_of_its_name() -> None:
    judged = judge(Check("ms", "cpu.us", Relation.BELOW, 2, scale=1e-3), rounds(1_500, 1_700, 9_000))
    assert (judged.median, judged.verdict) == (1.7, Verdict.OK)


def test_what_is_not_in_the_result_is_not_reached() -> None:
    judged = judge(Check("x", "cpu.missing", Relation.AT_MOST, 1), rounds(1))
    assert judged.verdict is Verdict.UNKNOWN
    assert "cpu.missing" in judged.why
    assert worst([judged.verdict, Verdict.OK]) is Verdict.MISSED


def test_the_worst_decides() -> None:
    assert worst([Verdict.OK, Verdict.CLOSE, Verdict.REPORTED]) is Verdict.CLOSE
    assert worst([Verdict.CLOSE, Verdict.MISSED]) is Verdict.MISSED
    assert worst([Verdict.OK, Verdict.REPORTED]) is Verdict.OK


def test_the_markdown_says_what_the_summary_says() -> None:
    rows = [
        RowResult("a", "two hundred", [judge(check(), rounds(1.9, 1.95, 2.0)), judge(check(), rounds(1.0))]),
        RowResult("b", "nothing", [unmeasured(check(), "no cargo")]),
    ]
    about = {"processor": "P", "processors": 2, "kernel": "6", "python": "3", "sfu": "1"}
    text = markdown(Report(about, rows, {}).summary())
    assert "| two hundred | cost | 1.95 (1.90..2.00) | <= 1.8 | missed |" in text
    assert "|  | cost | 1.00 | <= 1.8 | ok |" in text
    assert "| nothing | cost | - | <= 1.8 | not measured |" in text
