"""Each sink is told everything at least once and each meeting in order, whatever fails; in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from random import Random
from typing import Self

import pytest
from structlog.testing import capture_logs
from tests.support.virtual_loop import VirtualLoopClock, run_virtually

from sfu.conference.happenings import Happening, happening
from sfu.conference.ledger import unavailable
from sfu.conference.memory_outbox import MemoryOutbox
from sfu.conference.outbox import Entry, Lane
from sfu.events.deliverer import BATCH, Deliverer
from sfu.events.patience import COOL_S, LONGEST_COOL_S, LONGEST_S, OPENS_AFTER, Breaker, pause_s
from sfu.events.service import EventService, Keeping
from sfu.events.sink import NotTaken, SinkOptions, pattern_error, wants

Answer = Callable[[Entry], None]


class Receiver:
    """A sink that does with each what ``answer`` does: takes it, or raises."""

    name = "receiver"

    def __init__(self, answer: Answer = lambda _entry: None, takes_s: float = 0.01) -> None:
        self.answer = answer
        self.takes_s = takes_s
        self.taken: list[tuple[str, int]] = []
        self.asked: list[tuple[float, str, int]] = []
        self.at_once = self.most_at_once = 0
        self.meetings: set[str] = set()
        self.is_closed = False

    async def tell(self, entry: Entry) -> None:
        meeting_id = entry.happening.meeting_id
        assert meeting_id not in self.meetings, "one in flight for each meeting"
        self.meetings.add(meeting_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.append((asyncio.get_running_loop().time(), meeting_id, entry.number))
        try:
            await asyncio.sleep(self.takes_s)
            self.answer(entry)
            self.taken.append((meeting_id, entry.number))
        finally:
            self.meetings.remove(meeting_id)
            self.at_once -= 1

    async def close(self) -> None:
        self.is_closed = True


def event(meeting_id: str, clock: VirtualLoopClock) -> Happening:
    return happening("meeting.deleted", meeting_id, clock.wall())


def away(_entry: Entry) -> None:
    raise NotTaken("answered 503")


def refuse(_entry: Entry) -> None:
    raise NotTaken("answered 400", is_away=False)


class Delivery:
    """A receiver that is told by a deliverer."""

    def __init__(self, clock: VirtualLoopClock, receiver: Receiver, outbox: MemoryOutbox | None = None, **how: object):
        self.clock = clock
        self.receiver = receiver
        self.outbox = outbox or MemoryOutbox({receiver.name: lambda _kind: True}, clock.wall)
        options = SinkOptions(**how)  # type: ignore[arg-type]
        self.deliverer = Deliverer(self.outbox, receiver, options, clock, Random(1))
        self.outbox.on_appended = self.deliverer.wake

    def happen(self, *meeting_ids: str) -> None:
        self.outbox.append(event(meeting_id, self.clock) for meeting_id in meeting_ids)

    async def __aenter__(self) -> Self:
        self.deliverer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.deliverer.close()


def test_all_is_told_at_once_and_in_order() -> None:
    async def main(clock: VirtualLoopClock) -> None:
        async with Delivery(clock, Receiver()) as delivery:
            delivery.happen("a", "a", "b", "a")
            await asyncio.sleep(0.5)
            assert sorted(delivery.receiver.taken) == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
            delivery.happen("b")
            await asyncio.sleep(0.5)
            assert delivery.receiver.taken[-1] == ("b", 2)
            assert delivery.deliverer.delivered == 5
        assert delivery.receiver.is_closed

    run_virtually(main)


def test_a_meeting_that_is_stuck_holds_up_no_other() -> None:
    def answer(entry: Entry) -> None:
        if entry.happening.meeting_id == "stuck":
            refuse(entry)

    async def main(clock: VirtualLoopClock) -> None:
        async with Delivery(clock, Receiver(answer), concurrency=1) as delivery:
            delivery.happen("stuck", "stuck")
            for number in range(20):
                delivery.happen(f"m{number}")
            await asyncio.sleep(10)
            assert len(delivery.receiver.taken) == 20
            assert {number for _, meeting_id, number in delivery.receiver.asked if meeting_id == "stuck"} == {1}

    run_virtually(main)


def test_pauses_grow_and_after_the_last_attempt_it_is_dead_and_what_follows_goes_on() -> None:
    def answer(entry: Entry) -> None:
        if entry.number == 1:
            refuse(entry)

    async def main(clock: VirtualLoopClock) -> None:
        async with Delivery(clock, Receiver(answer), max_attempts=5) as delivery:
            delivery.happen("a", "a")
            with capture_logs() as logs:
                await asyncio.sleep(60)
            times = [at for at, _, number in delivery.receiver.asked if number == 1]
            pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert len(times) == 5
            for step, pause in enumerate(pauses):
                assert 0.5 * 2**step <= pause <= 2**step + 1.1, "looks are a second apart"
            assert delivery.receiver.taken == [("a", 2)]
            assert [log["event"] for log in logs] == ["event_dead"]
            [dead] = await delivery.outbox.dead(None, 10)
            assert (dead.number, dead.attempts, dead.error) == (1, 5, "answered 400")
            assert (delivery.deliverer.died, delivery.deliverer.failed) == (1, 5)
            delivery.receiver.answer = lambda _entry: None
            await delivery.outbox.revive(["receiver"], clock.wall())
            await asyncio.sleep(2)
            assert delivery.receiver.taken[-1] == ("a", 1)

    run_virtually(main)


def test_a_sink_that_is_away_is_asked_by_one_attempt_now_and_then_and_nothing_of_it_dies() -> None:
    async def main(clock: VirtualLoopClock) -> None:
        receiver = Receiver(away)
        async with Delivery(clock, receiver, concurrency=4) as delivery:
            delivery.happen(*(f"m{number}" for number in range(100)))
            await asyncio.sleep(600)
            assert delivery.deliverer.breaker.is_open
            assert len(receiver.asked) < OPENS_AFTER + 4 + 600 / LONGEST_COOL_S + 8
            assert delivery.deliverer.died == 0
            receiver.answer = lambda _entry: None
            await asyncio.sleep(LONGEST_COOL_S * 2)
            assert len(receiver.taken) == 100
            assert not delivery.deliverer.breaker.is_open

    run_virtually(main)


def test_no_more_meetings_than_allowed_are_told_at_a_time_and_each_has_its_turn() -> None:
    async def main(clock: VirtualLoopClock) -> None:
        async with Delivery(clock, Receiver(), concurrency=3) as delivery:
            delivery.happen(*(["long"] * (3 * BATCH)), *(f"m{number}" for number in range(30)))
            await asyncio.sleep(BATCH * 0.01 * 1.5)
            assert len({meeting_id for meeting_id, _ in delivery.receiver.taken}) == 31
            await asyncio.sleep(10)
            assert delivery.receiver.most_at_once == 3
            assert len(delivery.receiver.taken) == 3 * BATCH + 30

    run_virtually(main)


def test_a_sink_says_when_it_wants_to_be_asked_again() -> None:
    def answer(_entry: Entry) -> None:
        raise NotTaken("answered 429", retry_after_s=120.0)

    async def main(clock: VirtualLoopClock) -> None:
        receiver = Receiver(answer)
        async with Delivery(clock, receiver) as delivery:
            delivery.happen("a")
            await asyncio.sleep(125)
            assert [number for *_, number in receiver.asked] == [1, 1]
            assert receiver.asked[1][0] - receiver.asked[0][0] >= 120

    run_virtually(main)


def test_what_is_told_when_the_server_stops_is_ended_and_what_is_not_comes_later() -> None:
    async def main(clock: VirtualLoopClock) -> None:
        slow = Receiver(takes_s=3600)
        outbox = MemoryOutbox({"receiver": lambda _kind: True}, clock.wall)
        async with Delivery(clock, slow, outbox) as delivery:
            delivery.happen("a")
            await asyncio.sleep(1)
        assert slow.taken == []
        async with Delivery(clock, Receiver(), outbox) as delivery:
            await asyncio.sleep(0.1)
            assert delivery.receiver.taken == [("a", 1)], "its claim was given back"
        async with Delivery(clock, Receiver(), outbox) as delivery:
            delivery.happen("b", "b")
        assert delivery.receiver.taken == [("b", 1), ("b", 2)], "what was noted last is told before the end"

    run_virtually(main)


class Flaky(MemoryOutbox):
    """A database that is away now and then."""

    chance: Random

    def _maybe_away(self) -> None:
        if self.chance.random() < 0.2:
            raise unavailable()

    async def claim(self, *args: object) -> list[Lane]:  # type: ignore[override]
        self._maybe_away()
        return list(await super().claim(*args))  # type: ignore[arg-type]

    async def release(self, *args: object) -> bool:  # type: ignore[override]
        self._maybe_away()
        return await super().release(*args)  # type: ignore[arg-type]

    async def load(self, *args: object) -> list[Entry]:  # type: ignore[override]
        self._maybe_away()
        return list(await super().load(*args))  # type: ignore[arg-type]

    async def postpone(self, *args: object) -> bool:  # type: ignore[override]
        self._maybe_away()
        return await super().postpone(*args)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_fails_each_meeting_is_told_in_order_and_at_least_once(seed: int) -> None:
    """Sinks that fail at random before and after they took something, a database that comes and goes, deliverers that
    are killed and started again.
    """
    chance = Random(seed)

    def answer(_entry: Entry) -> None:
        if chance.random() < 0.25:
            raise NotTaken("by chance", is_away=chance.random() < 0.5)

    async def main(clock: VirtualLoopClock) -> None:
        outbox = Flaky({"receiver": lambda _kind: True}, clock.wall)
        outbox.chance = chance
        receivers = []
        counts = {name: chance.randrange(1, 120) for name in ("a", "b", "c", "d")}
        waiting = [name for name, count in counts.items() for _ in range(count)]
        chance.shuffle(waiting)
        for _ in range(6):
            receivers.append(Receiver(answer))
            delivery = Delivery(clock, receivers[-1], outbox, concurrency=chance.randrange(1, 4), max_attempts=100)
            async with delivery:
                some = chance.randrange(len(waiting) + 1)
                delivery.happen(*waiting[:some])
                del waiting[:some]
                await asyncio.sleep(chance.uniform(0, 20))
                for task in (delivery.deliverer._task, *delivery.deliverer._telling):
                    assert task is not None
                    task.cancel()  # as when the process ends in the middle
        receivers.append(Receiver(answer))
        async with Delivery(clock, receivers[-1], outbox, max_attempts=100) as delivery:
            delivery.happen(*waiting)
            await asyncio.sleep(3 * 3600)
        taken = [one for receiver in receivers for one in receiver.taken]
        for name, count in counts.items():
            told = [number for meeting_id, number in taken if meeting_id == name]
            assert set(told) == set(range(1, count + 1)), f"seed {seed}: {name}"
            firsts = list(dict.fromkeys(told))
            assert firsts == sorted(firsts), f"seed {seed}: {name} in order"

    run_virtually(main)


def test_the_service_tells_how_it_goes_and_forgets_what_was_told() -> None:
    async def main(clock: VirtualLoopClock) -> None:
        receiver = Receiver(refuse)
        outbox = MemoryOutbox({"receiver": lambda _kind: True}, clock.wall)
        sinks = [(receiver, SinkOptions(max_attempts=1))]
        service = EventService(outbox, sinks, clock, Keeping(told_s=100, waiting_s=5000), Random(1))
        service.start()
        outbox.append([event("a", clock)])
        await asyncio.sleep(30)
        stats = service.stats()["receiver"]
        assert (stats.delivered, stats.failed, stats.died, stats.backlog.dead) == (0, 1, 1, 1)
        assert [one.number for one in await service.dead(None, 10)] == [1]
        receiver.answer = lambda _entry: None
        assert await service.retry("nobody") == 0
        assert await service.retry("receiver") == 1
        await asyncio.sleep(30)
        assert service.stats()["receiver"].delivered == 1
        assert len(outbox._order) == 1
        await asyncio.sleep(200)
        assert len(outbox._order) == 0
        await service.close()

    run_virtually(main)


def test_pauses_are_bounded_and_spread() -> None:
    chance = Random(2)
    assert all(LONGEST_S / 2 <= pause_s(attempts, chance) <= LONGEST_S for attempts in range(13, 2000, 100))
    assert len({pause_s(3, chance) for _ in range(10)}) == 10
    assert pause_s(1, chance, retry_after_s=1e9) == LONGEST_S


def test_a_breaker_opens_tries_once_and_closes() -> None:
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        assert breaker.allows(0.0) is None
        breaker.failed(0.0)
    assert breaker.allows(COOL_S - 0.1) == 0
    assert breaker.allows(COOL_S) == 1
    breaker.trying()
    assert breaker.allows(COOL_S) == 0, "one at a time"
    breaker.given_up()
    breaker.trying()
    breaker.failed(COOL_S)
    assert breaker.allows(2 * COOL_S) == 0
    assert breaker.allows(3 * COOL_S) == 1
    breaker.succeeded()
    assert breaker.allows(0.0) is None


def test_patterns_name_types() -> None:
    assert wants(["*"])("track.muted")
    assert wants(["participant.*", "meeting.ended"])("participant.left")
    assert not wants(["participant.*", "meeting.ended"])("meeting.started")
    assert wants(["sfu.meeting.ended"])("meeting.ended")
    assert pattern_error("meeting.*") is None
    assert "matches no type" in str(pattern_error("meetings.*"))
