"""Detection of the speaker holds its promises for any levels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sfu.speaker import BLOCK_TICKS, SpeakerDetector

PEOPLE = range(4)
BLOCKS = st.dictionaries(
    st.sampled_from(PEOPLE),
    st.binary(min_size=BLOCK_TICKS, max_size=BLOCK_TICKS).map(lambda raw: bytes(b & 127 for b in raw)),
)
LEAVE = st.sampled_from(PEOPLE)
STEADY = st.tuples(st.sampled_from(PEOPLE), st.integers(0, 127), st.integers(1, 20))


@given(st.lists(st.one_of(BLOCKS, LEAVE, STEADY), max_size=60))
def test_who_is_named_was_heard_and_has_not_left(
    steps: list[dict[int, bytes] | int | tuple[int, int, int]],
) -> None:
    detector: SpeakerDetector[int] = SpeakerDetector()
    there: set[int] = set()
    for step in steps:
        if isinstance(step, int):
            detector.remove(step)
            there.discard(step)
            continue
        blocks = [step] if isinstance(step, dict) else [{step[0]: bytes([step[1]] * BLOCK_TICKS)}] * step[2]
        for block in blocks:
            before = detector.dominant
            there.update(block)
            now = detector.update(block)
            assert now == detector.dominant
            assert now == before or now in block, "the floor is taken by somebody who was just heard"
        assert set(detector.recent) | set(detector.audible) <= there
        assert len(set(detector.recent)) == len(detector.recent)
        assert detector.dominant == (detector.recent[0] if detector.recent else None)


@given(st.lists(BLOCKS, max_size=40), st.randoms(use_true_random=False))
def test_the_order_in_which_people_are_told_of_does_not_matter(blocks: list[dict[int, bytes]], rng: object) -> None:
    one, other = SpeakerDetector[int](), SpeakerDetector[int]()
    for block in blocks:
        turned = dict(reversed(block.items()))
        one.update(block)
        other.update(turned)
        assert {*one.audible} == {*other.audible}
