from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.support.clock import VirtualClock

from sfu.conference.events import (
    ChatTold,
    EncodingsChanged,
    Event,
    OfferMade,
    QualityChanged,
    RosterChanged,
    SlotsChanged,
    SpeakersChanged,
    TransportChanged,
    ViewChanged,
)
from sfu.conference.letterbox import PATIENT, PROMPT, WINDOW_S, Letterbox
from sfu.conference.views import QualityView, SlotView

ROSTER = RosterChanged((), (), (), 1)


class Client:
    """What came, and when."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.came: list[tuple[float, Event]] = []
        self.box = Letterbox(self.clock, lambda event: self.came.append((self.clock.now(), event)))

    def kinds(self) -> list[type]:
        return [type(event) for _, event in self.came]


@pytest.fixture
def client() -> Client:
    return Client()


def slots(mid: int, who: str) -> SlotsChanged:
    return SlotsChanged((SlotView(str(mid), "video", who),))


def test_few_messages_come_at_once_and_as_they_are(client: Client) -> None:
    events = [slots(4, "ann"), ViewChanged(1), ROSTER, SpeakersChanged("ann")]
    for event in events:
        client.box.put(event)
    assert [event for _, event in client.came] == events
    assert client.clock.pending == 0, "nothing is left to do"


def test_what_is_too_much_waits_and_its_newest_state_comes(client: Client) -> None:
    for videos in range(PATIENT + 5):
        client.box.put(ViewChanged(videos))
    assert len(client.came) == PATIENT
    client.clock.advance(WINDOW_S)
    assert [event for _, event in client.came[PATIENT:]] == [ViewChanged(PATIENT + 4)]


def test_slots_that_wait_are_told_together_each_as_it_is_now(client: Client) -> None:
    for number in range(PROMPT):
        client.box.put(slots(4, f"p{number}"))
    for event in (slots(5, "ann"), slots(6, "bob"), slots(5, "cy")):
        client.box.put(event)
    client.clock.advance(WINDOW_S)
    _, last = client.came[-1]
    assert isinstance(last, SlotsChanged)
    assert {slot.mid: slot.participant_id for slot in last.slots} == {"5": "cy", "6": "bob"}


def test_qualities_that_wait_are_told_together(client: Client) -> None:
    for mid in range(PATIENT + 2):
        client.box.put(QualityChanged((QualityView(str(mid), "full", "none"),)))
    client.clock.advance(WINDOW_S)
    _, last = client.came[-1]
    assert isinstance(last, QualityChanged)
    assert [slot.mid for slot in last.slots] == [str(PATIENT), str(PATIENT + 1)]


def test_encodings_of_two_sources_that_wait_are_both_told(client: Client) -> None:
    for _ in range(PROMPT):
        client.box.put(ROSTER)
    for mid in ("1", "2"):
        for active in (True, False):
            client.box.put(EncodingsChanged(mid, "camera", {"q": active}, {}))
    client.clock.advance(WINDOW_S)
    told = [event for _, event in client.came if isinstance(event, EncodingsChanged)]
    assert [(event.mid, event.active) for event in told] == [("1", {"q": False}), ("2", {"q": False})]


def test_whom_slots_show_comes_before_what_may_wait_longer(client: Client) -> None:
    for _ in range(PATIENT):
        client.box.put(ROSTER)
    client.box.put(SpeakersChanged("ann"))
    client.box.put(slots(4, "ann"))
    assert client.kinds()[PATIENT:] == [SlotsChanged]
    for number in range(PROMPT):
        client.box.put(slots(4, f"p{number}"))
    before = len(client.came)
    client.clock.advance(WINDOW_S)
    assert client.kinds()[before:] == [SlotsChanged, SpeakersChanged]


def test_what_somebody_did_or_asked_for_and_the_end_of_the_transport_never_wait(client: Client) -> None:
    for _ in range(PROMPT):
        client.box.put(slots(4, "ann"))
    urgent = [OfferMade(2, "v=0", ()), ROSTER, TransportChanged("closed", "")]
    client.box.put(TransportChanged("connected", ""))
    for event in urgent:
        client.box.put(event)
    assert [event for _, event in client.came[PROMPT:]] == urgent


def test_an_empty_box_delivers_nothing_more(client: Client) -> None:
    for videos in range(PATIENT + 1):
        client.box.put(ViewChanged(videos))
    client.box.empty()
    client.clock.advance(2 * WINDOW_S)
    assert len(client.came) == PATIENT
    assert client.clock.pending == 0


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_no_second_has_more_and_the_last_state_of_everything_comes(client: Client, seed: int) -> None:
    rng = random.Random(seed)
    newest: dict[object, object] = {}
    for number in range(2_000):
        mid, kind = str(rng.randrange(4)), rng.choice(("slots", "view", "quality", "speakers"))
        newest[kind, mid if kind in {"slots", "quality"} else ""] = f"p{number}"
        match kind:
            case "slots":
                client.box.put(SlotsChanged((SlotView(mid, "video", f"p{number}"),)))
            case "quality":
                client.box.put(QualityChanged((QualityView(mid, f"p{number}", ""),)))
            case "view":
                client.box.put(ViewChanged(number))
            case "speakers":
                client.box.put(SpeakersChanged(f"p{number}"))
        client.clock.advance(rng.expovariate(12.0))
    client.clock.advance(2 * WINDOW_S)
    told: dict[object, object] = {}
    for _, event in client.came:
        match event:
            case SlotsChanged(slots=changed):
                told |= {("slots", slot.mid): slot.participant_id for slot in changed}
            case QualityChanged(slots=judged):
                told |= {("quality", slot.mid): slot.state for slot in judged}
            case ViewChanged(videos=videos):
                told["view", ""] = f"p{videos}"
            case SpeakersChanged(dominant=who):
                told["speakers", ""] = who
    assert told == newest, f"seed {seed}"
    times = [at for at, _ in client.came]
    busiest = max(sum(1 for other in times if at <= other < at + WINDOW_S - 1e-9) for at in times)
    assert busiest <= PROMPT, f"seed {seed}: {Counter(kind.__name__ for kind in client.kinds())}"


def test_a_lively_chat_keeps_nobody_from_learning_who_speaks(client: Client) -> None:
    for step in range(160):
        if step % 2 == 0:
            client.box.put(ChatTold(()))
        client.box.put(SpeakersChanged(str(step), (), ()))
        client.clock.advance(0.0625)
    came = [at for at, event in client.came if isinstance(event, SpeakersChanged)]
    assert 18 <= len(came) <= 24, "two a second of ten seconds"
    everything = [at for at, _ in client.came]
    assert all(sum(at <= other < at + WINDOW_S - 1e-6 for other in everything) <= 10 for at in everything[20:])
