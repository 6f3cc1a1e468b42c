"""A thousand people in one meeting: what each of them is told while they come, and what deciding for all of them costs.
The real conference, engine and shard; clients that answer, and say and hear no more than that.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

import pytest
from tests.support.answers import answer_to
from tests.support.clock import VirtualClock
from tests.support.floor import speak
from tests.support.noise import repeatable
from tests.support.pace import Pace
from tests.support.sim import sim_engine

from sfu.conference import Attendee, Conference, ConferenceOptions, Source
from sfu.conference.events import Event
from sfu.plugins.signaling_ws.wire import NOTIFICATIONS, WIRES, EventEncoder

PEOPLE = 1000
CAMERAS = 50
JOINS_PER_S = 40.0
MOST_MESSAGES_PER_S = 10
TURN_S = 5.0
"""How long one of five who talk in turns has the floor; a lively conversation."""
TURNS = 8
SHARE = 0.1
"""Of a core, for layouts and what comes of them."""


class Crowd:
    """``messages``: of each participant, when and of what type and size each notification was."""

    def __init__(self) -> None:
        self.engine, _ = sim_engine()
        self.clock = VirtualClock()
        options = ConferenceOptions(max_participants=PEOPLE, video_slots_initial=9, adaptive=False)
        self.conference = Conference(self.engine, self.clock, options)
        self.meeting = asyncio.run(self.conference.create_meeting())
        self.people: list[Attendee] = []
        self.messages: list[list[tuple[float, str, int]]] = []
        self._encoder = EventEncoder()

    def join(self) -> None:
        """Answers at once, as the first that may; the first fifty with their cameras."""
        number = len(self.people)
        attendee = self.meeting.join(f"Person {number}")
        messages: list[tuple[float, str, int]] = []
        self.people.append(attendee)
        self.messages.append(messages)

        def hear(event: Event) -> None:
            if name := NOTIFICATIONS.get(type(event)):
                frame = self._encoder.encode(event, WIRES["sfu.v1.json"])
                messages.append((self.clock.now(), name, len(frame)))

        attendee.attach(hear)
        sources = (Source.MICROPHONE, Source.CAMERA)[: 1 + (number < CAMERAS)]
        attendee.answer(1, answer_to(attendee.offer.sdp, send=["0", "1"][: len(sources)]))
        for source in sources:
            attendee.publish(source)

    def close(self) -> None:
        self.conference.close()
        self.engine.close()


@pytest.fixture(scope="module")
def crowd():
    crowd = Crowd()
    for _ in range(PEOPLE):
        crowd.join()
        crowd.clock.advance(1 / JOINS_PER_S)
    yield crowd
    crowd.close()


def busiest_second(messages: list[tuple[float, str, int]]) -> list[tuple[float, str, int]]:
    """The messages of the second with the most of them."""
    busiest: list[tuple[float, str, int]] = []
    first = 0
    for last, (at, _, _) in enumerate(messages):
        while at - messages[first][0] >= 1.0 - 1e-9:
            first += 1
        if last + 1 - first > len(busiest):
            busiest = messages[first : last + 1]
    return busiest


@pytest.mark.slow
def test_nobody_hears_more_than_ten_messages_a_second_while_a_thousand_join(crowd: Crowd) -> None:
    worst = max((busiest_second(messages) for messages in crowd.messages), key=len)
    print(f"at most {len(worst)} in a second: {dict(Counter(name for _, name, _ in worst))}")
    assert len(worst) <= MOST_MESSAGES_PER_S, worst


@pytest.mark.slow
def test_a_join_costs_everybody_the_same_few_bytes_however_many_are_there(crowd: Crowd) -> None:
    start, length = crowd.messages[0][0][0], PEOPLE / JOINS_PER_S
    halves: dict[bool, int] = defaultdict(int)
    for at, _, size in crowd.messages[0]:
        halves[at - start > length / 2] += size
    first, second = (halves[half] / (PEOPLE / 2) for half in (False, True))
    print(f"bytes told to the first participant for each who joins: {first:.0f}, then {second:.0f}")
    assert second <= first
    assert first <= 400


@repeatable
@pytest.mark.slow
def test_layouts_of_a_thousand_cost_a_tenth_of_a_core_while_people_talk_in_turns(crowd: Crowd) -> None:
    crowd.clock.advance(3)
    talkers = [crowd.people[number] for number in (3, 40, 17, 49, 25)]
    seen_by = crowd.people[-1]
    pace = Pace()
    for turn in range(TURNS):
        order = [talkers[(turn - back) % len(talkers)].id for back in range(len(talkers))]
        with pace.of_work():
            speak(crowd.meeting, *order)
            crowd.clock.advance(TURN_S)
        shown = [slot.track.participant_id for slot in seen_by.slots.video if slot.track is not None]
        assert order[0] in shown
        assert len(shown) == 9
    share = pace.spent_s / (TURNS * TURN_S)
    print(f"{pace.spent_s / TURNS * 1e3:.0f} ms a turn, {share:.1%} of a core")
    assert share <= SHARE
