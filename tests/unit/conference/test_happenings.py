"""Those outside are told of every change of state, in order, with what is documented, and of no more than they want."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.answers import answer_to
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Attendee, Conference, ConferenceOptions, LeaveReason, Meeting, Source
from sfu.conference.admission import Application
from sfu.conference.authority import Caller, Outsider, Role
from sfu.conference.draft import MeetingDraft
from sfu.conference.happenings import FIELDS, ChatEvents, EventOptions
from sfu.conference.memory_outbox import MemoryOutbox
from sfu.conference.memory_store import MemoryStore
from sfu.conference.outbox import Entry
from sfu.conference.records import Access
from sfu.media.engine import Engine

SERVER = Caller(Outsider.SERVER)


class World:
    """A conference whose happenings are kept as they come."""

    def __init__(self, engine: Engine, clock: VirtualClock, chat: ChatEvents, wants: Callable[[str], bool]) -> None:
        self.clock = clock
        self.outbox = MemoryOutbox({"sink": wants}, clock.wall)
        options = ConferenceOptions(events=EventOptions(wants, chat))
        self.conference = Conference(engine, clock, options, store=MemoryStore(self.outbox))

    def make(self, **how: Any) -> Meeting:
        return self.conference.open(asyncio.run(self.conference.plan(MeetingDraft(**how))))

    def told(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """Since the last look; of those kinds, or of all."""
        return [
            (one.happening.type, one.happening.data)
            for one in asyncio.run(self._told())
            if not kinds or one.happening.type in kinds
        ]

    async def _told(self) -> list[Entry]:
        entries: list[Entry] = []
        for lane in await self.outbox.claim("sink", self.clock.wall(), self.clock.wall(), 10):
            entries += await self.outbox.load(lane, 1000)
            await self.outbox.release(lane, lane.last, self.clock.wall())
        for one in entries:
            assert set(one.happening.data) == set(FIELDS[one.happening.type]), one
            assert one.happening.at <= self.clock.wall()
        return entries

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told()]


@pytest.fixture
def world(engine: Engine, clock: VirtualClock) -> World:
    return World(engine, clock, ChatEvents.TEXT, lambda _kind: True)


def join(meeting: Meeting, name: str, **how: Any) -> Client:
    client = Client(meeting, name, **how)
    client.answer()
    return client


def test_what_somebody_publishes_mutes_and_ends_is_told(world: World) -> None:
    meeting = world.make(title="Weekly")
    ann = join(meeting, "Ann")
    assert world.kinds() == ["meeting.created", "meeting.started", "participant.joined"]
    ann.attendee.publish(Source.MICROPHONE, muted=True)
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    ann.attendee.publish(Source.SCREEN)
    ann.attendee.publish(Source.SCREEN)
    ann.attendee.unpublish(Source.SCREEN)
    ann.attendee.leave()
    told = world.told()
    assert [kind for kind, _ in told] == [
        "track.published",
        "track.unmuted",
        "track.published",
        "screen_share.started",
        "track.ended",
        "screen_share.stopped",
        "track.ended",
        "participant.left",
    ]
    assert told[0][1] == {"participant_id": ann.id, "source": "microphone", "muted": True}
    assert told[1][1]["by"] == ann.id
    assert (told[4][1]["reason"], told[6][1]["reason"], told[7][1]["reason"]) == ("unpublished", "closed", "left")


def test_what_hosts_do_is_told_with_who_did_it(world: World) -> None:
    meeting = world.make()
    host = join(meeting, "Host", host_token=meeting.host_token)
    ann = join(meeting, "Ann")
    ann.attendee.publish(Source.MICROPHONE)
    ann.attendee.publish(Source.SCREEN)
    world.told()
    boss = host.attendee.caller
    meeting.moderation.mute(boss, ann.id)
    meeting.moderation.mute_all(boss, may_unmute=False)
    meeting.moderation.allow_unmute(SERVER, allowed=True)
    meeting.moderation.spotlight(boss, [ann.id])
    meeting.moderation.spotlight(boss, [ann.id])
    meeting.admission.lock(boss, locked=True)
    meeting.admission.lock(boss, locked=True)
    meeting.admission.lock(SERVER, locked=False)
    meeting.permissions.raise_hand(ann.attendee, raised=True)
    meeting.moderation.demote(boss, ann.id, Role.AUDIENCE)
    meeting.moderation.promote(boss, ann.id, Role.COHOST)
    meeting.admission.remove(boss, ann.id)
    told = world.told()
    assert [(kind, data.get("by", "-")) for kind, data in told] == [
        ("track.muted", host.id),
        ("meeting.muted_all", host.id),
        ("meeting.unmute_allowed", None),
        ("meeting.spotlight_changed", host.id),
        ("meeting.locked", host.id),
        ("meeting.unlocked", None),
        ("participant.hand_raised", "-"),
        ("participant.role_changed", host.id),
        ("track.ended", "-"),
        ("track.ended", "-"),
        ("screen_share.stopped", "-"),
        ("participant.role_changed", host.id),
        ("participant.hand_lowered", "-"),
        ("participant.removed", host.id),
        ("participant.left", "-"),
        ("meeting.spotlight_changed", None),
    ]
    assert [data["reason"] for kind, data in told if kind == "track.ended"] == ["not_allowed"] * 2
    assert told[14][1]["reason"] == LeaveReason.REMOVED


def test_who_waits_is_told_of_and_what_becomes_of_them(world: World) -> None:
    meeting = world.make(access=Access.WAITING_ROOM)
    boss = join(meeting, "Host", host_token=meeting.host_token).attendee.caller
    waiting = [meeting.admission.apply(Application(name)) for name in ("Ann", "Bob", "Cid")]
    for one in waiting:
        assert not isinstance(one, Attendee)
        one.attach(lambda _event: None, meeting.admission.room.moved(one))
    meeting.admission.admit(boss, waiting[0].id)
    meeting.admission.deny(boss, waiting[1].id)
    meeting.end()
    told = world.told(*(kind for kind in FIELDS if kind.startswith("participant.")), "meeting.ended")
    by_name = [(kind, data.get("name"), data.get("reason")) for kind, data in told]
    assert by_name == [
        ("participant.joined", "Host", None),
        ("participant.waiting", "Ann", "admission"),
        ("participant.waiting", "Bob", "admission"),
        ("participant.waiting", "Cid", "admission"),
        ("participant.joined", "Ann", None),
        ("participant.admitted", "Ann", None),
        ("participant.denied", "Bob", "denied"),
        ("participant.denied", "Cid", "ended"),
        ("participant.left", "Host", "ended"),
        ("participant.left", "Ann", "ended"),
        ("meeting.ended", None, "ended"),
    ]
    assert told[5][1]["participant_id"] == told[4][1]["participant_id"]


def test_a_track_is_told_of_after_its_participant_and_ends_before_it(world: World) -> None:
    meeting = world.make()
    offer = answer_to(join(meeting, "Ann").attendee.offer.sdp).replace("a=setup:active", "a=setup:actpass")
    world.told()
    publisher = meeting.arrivals.join_with_offer("Camera", offer)
    publisher.leave()
    kinds = world.kinds()
    assert kinds[0] == "participant.joined"
    assert kinds[-1] == "participant.left"
    assert set(kinds[1:-1]) == {
        "track.published", "screen_share.started", "track.ended", "screen_share.stopped",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("chat", "told"),
    [
        (ChatEvents.TEXT, [("hello", None), (None, "Bob")]),
        (ChatEvents.WITHOUT_TEXT, [(None, None), (None, "Bob")]),
        (ChatEvents.OFF, None),
    ],
)
def test_of_the_chat_as_much_is_told_as_the_operator_wants_and_never_what_two_say_alone(
    engine: Engine, clock: VirtualClock, chat: ChatEvents, told: list[tuple[str | None, str | None]] | None
) -> None:
    world = World(engine, clock, chat, lambda _kind: True)
    meeting = world.make()
    ann, bob = join(meeting, "Ann"), join(meeting, "Bob")
    number = meeting.chat.say(ann.attendee, "hello")
    meeting.chat.say(ann.attendee, "between us", to=bob.id)
    meeting.chat.delete(ann.attendee.caller, number)
    meeting.chat.settle(SERVER, direct=False)
    names = {ann.id: "Ann", bob.id: "Bob", None: None}
    found = world.told("chat.message", "chat.deleted", "chat.settings_changed")
    said = [(data["text"], names[data["to"]]) for kind, data in found if kind == "chat.message"]
    if told is None:
        assert [kind for kind, _ in found] == ["chat.settings_changed"]
    else:
        assert said == told
        assert [kind for kind, _ in found[2:]] == ["chat.deleted", "chat.settings_changed"]


def test_what_nobody_wants_is_not_even_noted(engine: Engine, clock: VirtualClock) -> None:
    world = World(engine, clock, ChatEvents.TEXT, lambda kind: kind == "track.muted")
    meeting = world.make()
    ann = join(meeting, "Ann")
    ann.attendee.publish(Source.MICROPHONE)
    ann.attendee.mute(Source.MICROPHONE, muted=True)
    assert world.kinds() == ["track.muted"]
