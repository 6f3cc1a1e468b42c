"""The participants of the scenario ``meeting``: how each comes in, and whether what it gets is what it was told."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sfu.bench.entrance import Entrance
from sfu.bench.load import Encoding, JoinError, Load, Microphone
from sfu.bench.participant import Participant, Sends, Shown
from sfu.bench.told import Told

SETTLE_TIMEOUT_S = 20.0
"""How long after the last join the slots may take to show what they should. What is missing then is reported."""
STEADY_S = 2.0
"""A slot that was told less long ago may still get what it showed before: a switch waits for a keyframe."""
AGAIN_S = 0.6
"""After so long a wrong slot is looked at again: who is heard changes first and is told within 300 ms."""
FRESH_US = 2_000_000
"""What came longer ago says nothing about now."""
MICROPHONE = 255
"""The generator's number of that stream."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Seat:
    """What a participant brings along, and how it looks at the others."""

    name: str
    sends: Sends
    microphone: Microphone | None
    tiles: int
    size: tuple[int, int]
    large: tuple[int, int] | None
    fps: float
    page: int = 0


@dataclass(frozen=True, slots=True)
class SlotCheck:
    """Slots of all participants. Video and audio alike: what they were told to show against what came."""

    expected: int
    """Video slots that should show somebody: as many as there are cameras of others, to the number of tiles."""
    showing: int
    """Those that do."""
    confirmed: int
    """Steady slots whose last decrypted packet was sent by whom they show, and is the right source."""
    wrong: int
    """Those where another's came."""
    unseen: int
    """Steady video slots on which nothing came lately. Audio may be silent."""
    own: int
    """Slots that show who looks at them, or show somebody twice."""


class Crowd:
    """Those who are in the meeting, in the order of joining."""

    def __init__(self, load: Load, seats: Sequence[Seat], *, follows: bool) -> None:
        self._load = load
        self._follows = follows
        self._changed = asyncio.Event()
        self._seats = list(seats)
        self.cameras = sum(seat.sends.camera for seat in seats)
        self.participants: list[Participant] = []
        self.errors: Counter[str] = Counter()

    async def enter(self, seat: Seat, meeting_url: str, group: int = 0) -> Participant:
        """One comes in. JoinError: it did not come about, and nothing is left of it."""
        participant = Participant(self._load, seat.name, self._changed.set, seat.sends, group)
        participant.follows = self._follows
        self.participants.append(participant)
        try:
            await participant.join(meeting_url, seat.tiles)
            if seat.sends.camera or seat.sends.microphone:
                await participant.publish_as_browser(seat.microphone)
            await participant.see(seat.tiles)
            await participant.lay_out(seat.size, seat.fps, large=seat.large, page=seat.page)
        except JoinError:
            self.participants.remove(participant)
            await participant.give_up()
            raise
        return participant

    async def enter_all(self, meeting_url: str, at_once: int, progress: Progress) -> int:
        """All seats, ``at_once`` or fewer at a time; how many had to try again. JoinError when one never comes in."""
        entered = 0

        async def enter(seat: Seat) -> None:
            nonlocal entered
            await self.enter(seat, meeting_url)
            entered += 1
            progress(entered, len(self._seats))

        entrance = Entrance(at_once)
        await entrance.admit(self._seats, enter, JoinError)
        return entrance.again

    async def storm(self, seats: Sequence[Seat], meeting_url: str, within_s: float, group: int) -> list[float]:
        """They come within so many seconds, each when its time has come; how long each took, from then on. Who cannot
        come is in ``errors``.
        """
        start, times_s = time.monotonic(), []

        async def join(seat: Seat, due: float) -> None:
            try:
                await self.enter(seat, meeting_url, group)
                times_s.append(time.monotonic() - due)
            except JoinError as error:
                self.errors[str(error)] += 1

        async with asyncio.TaskGroup() as joins:
            for number, seat in enumerate(seats):
                due = start + number * within_s / len(seats)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                joins.create_task(join(seat, due))
        return times_s

    async def settle(self, tiles: int, progress: Progress) -> None:
        """Until every video slot shows somebody, or the time is over. JoinError when somebody fell out."""
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while True:
            self._changed.clear()
            self.check()
            wanted = [self._expected(participant, tiles) for participant in self.participants]
            showing = [participant.showing("video") for participant in self.participants]
            settled = sum(shown >= expected for shown, expected in zip(showing, wanted, strict=True))
            progress(settled, len(self.participants))
            left_s = deadline - time.monotonic()
            if settled == len(self.participants) or left_s <= 0:
                return
            try:
                await asyncio.wait_for(self._changed.wait(), left_s)
                # One look for all that changes meanwhile.
                await asyncio.sleep(min(0.2, left_s))
            except TimeoutError:
                return

    def check(self) -> None:
        """JoinError when somebody fell out of the meeting."""
        failed = [participant.failure for participant in self.participants if participant.failure is not None]
        if failed:
            raise JoinError(f"{len(failed)} fell out of the meeting, the first one because {failed[0]}")

    async def check_slots(self, tiles: int) -> SlotCheck:
        """What was told against what comes."""
        peers = {participant.id: participant.peer for participant in self.participants}
        first = [dict(_compare(participant, peers)) for participant in self.participants]
        await asyncio.sleep(AGAIN_S)
        found, own = Counter[str](), 0
        for participant, before in zip(self.participants, first, strict=True):
            now = dict(_compare(participant, peers))
            found.update(verdict for mid, verdict in now.items() if before.get(mid) == verdict)
            shown = [slot for slot in participant.slots.values() if slot.state == "active"]
            feeds = [(slot.participant_id, slot.source) for slot in shown]
            own += len(feeds) - len(set(feeds)) + sum(who == participant.id for who, _ in feeds)
        return SlotCheck(
            expected=sum(self._expected(participant, tiles) for participant in self.participants),
            showing=sum(participant.showing("video") for participant in self.participants),
            confirmed=found["confirmed"],
            wrong=found["wrong"],
            unseen=found["unseen"],
            own=own,
        )

    def told(self) -> list[Told]:
        """What each was told."""
        return [participant.told for participant in self.participants]

    def told_later(self) -> list[Told]:
        """The same without what came of its own joining."""
        return [participant.told_later for participant in self.participants]

    def forget_told(self) -> None:
        """Counts from here on."""
        for each in (*self.told(), *self.told_later()):
            each.reset()

    async def close(self) -> None:
        """All leave without a word."""
        await asyncio.gather(*(participant.close() for participant in self.participants), return_exceptions=True)

    def _expected(self, participant: Participant, tiles: int) -> int:
        return min(tiles, self.cameras - participant.has_camera)


def _compare(participant: Participant, peers: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Of each steady slot, by mid: confirmed, wrong or unseen."""
    incoming, now = participant.incoming(), time.monotonic()
    for mid, slot in participant.slots.items():
        if slot.state != "active" or now - slot.since_s < STEADY_S or slot.participant_id not in peers:
            continue
        came = incoming.get(mid)
        if came is None or came[2] > FRESH_US:
            if slot.kind == "video":
                yield mid, "unseen"
            continue
        yield mid, "confirmed" if _matches(slot, came, peers[slot.participant_id]) else "wrong"


def _matches(slot: Shown, came: tuple[int, int, int], peer: int) -> bool:
    number, stream, _ = came
    return number == peer % 2**16 and (stream == MICROPHONE) == (slot.kind == "audio")


SIMULCAST = (Encoding("q", 150, 320, 180), Encoding("h", 500, 640, 360), Encoding("f", 1_800, 1_280, 720))
"""What the page asks of a browser for a camera of 720p (``src/sfu/web/sdk/encodings.js``)."""
