"""The policy in docs/allocation.md, as it is written there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.layers import camera, demand

from sfu.layers import LayerPolicy, Priority, Reason, Subscriber

DOCS = Path(__file__).parents[3] / "docs" / "allocation.md"


def example() -> tuple[str, LayerPolicy]:
    code = DOCS.read_text().split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(DOCS), "exec"), names)
    return code, names["SmallUnlessPinned"]()


def test_the_example_gives_the_big_picture_to_whom_one_pins_alone() -> None:
    _, policy = example()
    demands = (demand("a"), demand("b", priority=Priority.PINNED), demand("c", camera(0.5)))
    choices = policy.select(0.0, 10_000_000, 96_000, demands, Subscriber()).choices
    assert [(choice.spatial, choice.temporal, choice.reason) for choice in choices] == [
        (0, 2, Reason.POLICY),
        (2, 2, Reason.NONE),
        (0, 2, Reason.POLICY),
    ]


def test_the_example_has_some_twenty_lines() -> None:
    code, _ = example()
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
