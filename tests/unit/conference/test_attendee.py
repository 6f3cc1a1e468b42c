from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.support.answers import ClientSide, answer_to, attribute, mids_of
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.sim import settle

from sfu.conference import Conference, LeaveReason, Meeting, Source
from sfu.conference.events import (
    OfferMade,
    Removed,
    Replaced,
    SlotsChanged,
    TransportChanged,
)
from sfu.conference.rights import Rules
from sfu.conference.views import Departure
from sfu.errors import RemoteError
from sfu.media.consumer import Layers
from sfu.media.engine import Engine
from sfu.media.states import TransportState
from sfu.rtp.codecs import CodecId, CodecName, Kind


def test_the_first_offer_has_the_ingress_lines_then_audio_slots_then_video_slots(meeting: Meeting) -> None:
    attendee = meeting.join("Ann")
    assert attendee.offer.version == 1
    assert mids_of(attendee.offer.sdp) == [str(number) for number in range(11)]
    assert mids_of(attendee.offer.sdp, "audio") == ["0", "3", "4", "5", "6"]
    assert [(place.mid, place.kind) for place in attendee.slots.places] == [
        ("4", "audio"), ("5", "audio"), ("6", "audio"), ("7", "video"), ("8", "video"), ("9", "video"), ("10", "video")
    ]  # fmt: skip
    assert "a=ice-lite" in attendee.offer.sdp
    assert "a=simulcast:recv q;h;f" in attendee.offer.sdp


@pytest.mark.parametrize(
    ("cameras", "shown", "slots"),
    [
        (0, None, 4), (0, 9, 4), (0, 2, 2), (0, 0, 0),  # who comes first is not offered m-lines for nobody
        (5, None, 4), (5, 9, 8), (5, 7, 7), (5, 49, 8),
    ],
)  # fmt: skip
def test_the_first_offer_has_slots_for_what_the_client_shows_of_the_videos_that_there_are(
    meeting: Meeting, clock: VirtualClock, cameras: int, shown: int | None, slots: int
) -> None:
    for number in range(cameras):
        person = Client(meeting, f"Person {number}")
        person.answer()
        person.attendee.publish(Source.CAMERA)
    clock.advance(1)
    late = Client(meeting, "Late", video=shown)
    assert late.attendee.slots.count(Kind.VIDEO) == slots
    late.answer()
    assert late.heard(OfferMade) == [], "nothing else is negotiated"
    assert len(late.shown()) == min(slots, cameras)


def test_slots_of_the_first_offer_are_bounded_by_the_rules_and_by_the_options(conference: Conference) -> None:
    meeting = asyncio.run(conference.create_meeting(rules=Rules(max_video=1)))
    assert meeting.join("Ann", video=9).slots.count(Kind.VIDEO) == 1
    meeting = asyncio.run(conference.create_meeting())
    meeting.options = replace(meeting.options, video_slots_max=3)
    assert meeting.join("Ann", video=9).slots.count(Kind.VIDEO) == 3


def test_publishing_shows_up_in_the_slots_of_the_others(meeting: Meeting, engine: Engine, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    ann.attendee.publish(Source.MICROPHONE, muted=True)
    settle(engine, clock.now())
    clock.advance(0.3)
    assert bob.shown() == [(ann.id, "camera", "active")]
    assert bob.shown("audio") == [(ann.id, "microphone", "muted")]
    assert ann.shown() == []
    views = [event.slots for event in bob.heard(SlotsChanged)]
    assert [(view.mid, view.source, view.state) for [view] in views] == [
        ("7", "camera", "active"),
        ("4", "microphone", "muted"),
    ]
    clock.advance(1)
    assert bob.told("updated")[-1].sources.keys() == {"microphone", "camera"}


def test_a_source_published_before_the_answer_is_shown_with_the_answer(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    assert bob.shown() == []
    ann.answer()
    assert bob.shown() == [(ann.id, "camera", "active")]


def test_a_source_whose_line_was_answered_inactive_can_not_be_published(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.answer(send=["0"])
    ann.attendee.publish(Source.MICROPHONE)
    with pytest.raises(RemoteError, match="m-line of camera") as caught:
        ann.attendee.publish(Source.CAMERA)
    assert caught.value.code == "conflict"


def test_muting_pauses_the_producer_and_unmuting_resumes_it(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    [producer] = [item for item in ann.attendee.transport.producers.values() if item.mid == "1"]
    assert not producer.paused
    ann.attendee.mute(Source.CAMERA, muted=True)
    assert producer.paused
    assert bob.shown() == [(ann.id, "camera", "muted")]
    ann.attendee.mute(Source.CAMERA, muted=False)
    assert not producer.paused
    assert bob.shown() == [(ann.id, "camera", "active")]


def test_saying_the_same_twice_tells_nobody_anything(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    ann.attendee.publish(Source.CAMERA)
    clock.advance(1)
    bob.events.clear()
    ann.attendee.publish(Source.CAMERA)
    ann.attendee.mute(Source.CAMERA, muted=False)
    ann.attendee.unpublish(Source.SCREEN)
    clock.advance(1)
    assert bob.events == []


def test_unpublished_sources_are_gone_and_their_producers_paused(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.SCREEN)
    ann.attendee.unpublish(Source.SCREEN)
    assert bob.shown() == []
    assert all(producer.paused for producer in ann.attendee.transport.producers.values())
    with pytest.raises(RemoteError, match="not published"):
        ann.attendee.mute(Source.SCREEN, muted=True)


def test_an_answer_to_an_old_offer_or_a_second_answer_conflicts(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    first = ann.attendee.offer
    ann.answer()
    with pytest.raises(RemoteError, match="answered already") as caught:
        ann.attendee.answer(1, answer_to(first.sdp))
    assert (caught.value.code, caught.value.status) == ("conflict", 409)
    ann.attendee.request_slots(6)
    with pytest.raises(RemoteError, match="the latest is 2"):
        ann.attendee.answer(1, answer_to(first.sdp))


def test_a_bad_answer_names_its_line_and_may_be_corrected(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    with pytest.raises(RemoteError, match="line 1") as caught:
        ann.attendee.answer(1, "nonsense")
    assert caught.value.code == "bad_sdp"
    without_fingerprint = "\r\n".join(
        line for line in answer_to(ann.attendee.offer.sdp).split("\r\n") if "fingerprint" not in line
    )
    with pytest.raises(RemoteError, match="fingerprint"):
        ann.attendee.answer(1, without_fingerprint)
    assert ann.attendee.transport.state is TransportState.NEW
    ann.answer()
    assert ann.attendee.transport.state is TransportState.CONNECTING


def test_more_tiles_than_slots_bring_an_offer_with_more_slots(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    ann.attendee.request_slots(4)
    assert ann.heard(OfferMade) == []
    ann.attendee.request_slots(9)
    [offer] = ann.heard(OfferMade)
    assert offer.version == 2
    assert len(mids_of(offer.sdp, "video")) == 2 + 9
    assert [place.mid for place in offer.slots] == mids_of(offer.sdp)[4:]
    ann.answer()
    ann.attendee.request_slots(2)
    assert len(ann.heard(OfferMade)) == 1, "slots never become fewer"


def test_all_forty_nine_tiles_can_be_had_and_their_answer_fits_a_message(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    ann.attendee.request_slots(49)
    answer = answer_to(ann.attendee.offer.sdp)
    assert 40_000 < len(answer) < 250_000
    ann.answer()
    assert len([slot for slot in ann.attendee.slots.views() if slot.kind == "video"]) == 49
    assert len(ann.attendee.transport.consumers) == 3 + 49


def test_fewer_tiles_leave_slots_idle(meeting: Meeting) -> None:
    viewer = Client(meeting, "Ann")
    viewer.answer()
    for name in ("Bob", "Cid", "Dan"):
        other = Client(meeting, name)
        other.answer()
        other.attendee.publish(Source.CAMERA)
    assert len(viewer.shown()) == 3
    viewer.attendee.request_slots(1)
    assert len(viewer.shown()) == 1
    viewer.attendee.request_slots(3)
    assert len(viewer.shown()) == 3


@pytest.mark.parametrize("video", [-1, 50])
def test_a_number_of_tiles_out_of_range_is_refused(meeting: Meeting, video: int) -> None:
    with pytest.raises(RemoteError, match="0 to 49"):
        Client(meeting, "Ann").attendee.request_slots(video)


def test_what_is_wanted_while_an_offer_is_outstanding_is_merged_into_the_next(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.attendee.request_slots(6)
    ann.attendee.restart_ice()
    ann.attendee.request_slots(8)
    assert ann.heard(OfferMade) == [], "the first offer is not answered yet"
    before = attribute(ann.attendee.offer.sdp, "ice-ufrag")
    ann.answer()
    [offer] = ann.heard(OfferMade)
    assert offer.version == 2
    assert len(mids_of(offer.sdp, "video")) == 2 + 8
    assert attribute(offer.sdp, "ice-ufrag") != before
    ann.answer()
    assert len(ann.heard(OfferMade)) == 1


def test_an_ice_restart_keeps_producers_consumers_and_what_is_shown(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    producers, consumers = dict(bob.attendee.transport.producers), dict(bob.attendee.transport.consumers)
    bob.attendee.restart_ice()
    bob.answer(client=ClientSide(ufrag="newu"))
    assert dict(bob.attendee.transport.producers) == producers
    assert dict(bob.attendee.transport.consumers) == consumers
    assert bob.shown() == [(ann.id, "camera", "active")]


def test_an_answer_with_another_certificate_is_refused(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    ann.attendee.restart_ice()
    with pytest.raises(RemoteError, match="fingerprint changed"):
        ann.answer(client=ClientSide(fingerprint=":".join(["CD"] * 32)))
    ann.answer()


def test_a_slot_that_the_client_refuses_is_never_fed(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    ann.attendee.publish(Source.CAMERA)
    bob.answer(refuse=["7"])
    [slot] = [slot for slot in bob.attendee.slots.views() if slot.participant_id == ann.id]
    assert slot.mid == "8"


def test_a_feed_that_stays_keeps_its_slot_when_another_leaves(meeting: Meeting, clock: VirtualClock) -> None:
    viewer = Client(meeting, "Viewer")
    viewer.answer()
    others = [Client(meeting, name) for name in ("Ann", "Bob", "Cid")]
    for other in others:
        other.answer()
        other.attendee.publish(Source.CAMERA)
    clock.advance(1)
    viewer.events.clear()
    others[0].attendee.leave()
    slots = {slot.mid: slot.participant_id for slot in viewer.attendee.slots.views() if slot.kind == "video"}
    assert slots == {"7": None, "8": others[1].id, "9": others[2].id, "10": None}
    [event] = viewer.heard(SlotsChanged)
    assert [slot.mid for slot in event.slots] == ["7"]


def test_layer_limits_reach_the_consumer_and_outlive_a_change_of_feed(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.attendee.set_layers("7", 1, 0)
    ann.answer()
    [consumer] = [item for item in ann.attendee.transport.consumers.values() if item.mid == "7"]
    assert tuple(consumer.preferred_layers) == (1, 0)
    ann.attendee.set_layers("7", 2, 2)
    assert tuple(consumer.preferred_layers) == (2, 2)
    with pytest.raises(RemoteError, match="no slot has mid '0'"):
        ann.attendee.set_layers("0", 1, 1)


def test_a_codec_that_the_client_lacks_is_named_until_the_feed_changes(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer(codecs=["opus", "vp8"])
    ann.attendee.publish(Source.CAMERA)
    [consumer] = [item for item in bob.attendee.transport.consumers.values() if item.producer is not None]
    bob.events.clear()
    consumer.codec_unsupported(consumer.producer.id, CodecId(CodecName.AV1))
    [event] = bob.heard(SlotsChanged)
    assert [(slot.state, slot.codec) for slot in event.slots] == [("unsupported_codec", "av1")]
    consumer.layers_changed(consumer.producer.id, Layers(0, 0))
    assert bob.shown() == [(ann.id, "camera", "active")]


def test_layers_that_come_and_go_are_no_reason_to_decide_anew(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    [consumer] = [item for item in bob.attendee.transport.consumers.values() if item.producer is not None]
    decided: list[str] = []
    bob.attendee.slots.on_feeds = lambda: decided.append("anew")
    for layers in (Layers(0, 0), Layers(1, 0), Layers(1, 2)):
        consumer.layers_changed(consumer.producer.id, layers)
    assert decided == []
    consumer.codec_unsupported(consumer.producer.id, CodecId(CodecName.AV1))
    consumer.layers_changed(consumer.producer.id, Layers(0, 0))
    assert decided == ["anew", "anew"], "it is shown, and then it is again"


# coming, going, coming back


def test_the_welcome_is_the_whole_state(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    ann.attendee.publish(Source.MICROPHONE)
    bob = Client(meeting, "Bob")
    welcome = bob.welcome
    assert welcome.participant_id == bob.id
    assert (welcome.meeting.id, welcome.meeting.title) == (meeting.id, "Stand-up")
    assert [(view.name, view.connected, list(view.sources)) for view in welcome.participants] == [
        ("Ann", True, ["microphone"]),
        ("Bob", True, []),
    ]
    assert len(welcome.slots) == 7
    assert welcome.offer is not None
    assert welcome.offer.version == 1
    assert not welcome.resumed
    assert welcome.transport == "new"
    assert welcome.total == 2
    clock.advance(1)
    assert [view.name for view in ann.told("joined") if view.id != ann.id] == ["Bob"]


def test_a_socket_that_comes_back_in_time_finds_everything_as_it_is(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    clock.advance(1)
    bob.attendee.detach(bob.events.append)
    clock.advance(1)
    assert [view.connected for view in ann.told("updated") if view.id == bob.id][-1] is False
    clock.advance(28.9)
    transport = bob.attendee.transport
    events: list = []
    welcome = bob.attendee.attach(events.append)
    assert welcome.resumed
    assert welcome.offer is None
    assert [slot.participant_id for slot in welcome.slots if slot.state == "active"] == [ann.id]
    assert events == [], "nothing comes before the welcome"
    clock.advance(120)
    assert meeting.participants[bob.id] is bob.attendee
    assert bob.attendee.transport is transport


def test_a_participant_without_a_socket_has_left_after_the_window(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    bob.attendee.detach(bob.events.append)
    clock.advance(30.1)
    assert bob.id not in meeting.participants
    clock.advance(1)
    assert ann.told("left")[-1].reason is LeaveReason.TIMEOUT
    assert bob.attendee.transport.state is TransportState.CLOSED
    with pytest.raises(RemoteError, match="token is unknown"):
        meeting.attendee(bob.attendee.token)


def test_who_joins_and_never_connects_a_socket_has_left_after_the_window(meeting: Meeting, clock: VirtualClock) -> None:
    attendee = meeting.join("Ann")
    clock.advance(30.1)
    assert attendee.id not in meeting.participants


def test_an_outstanding_offer_is_in_the_welcome_of_a_new_socket(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    ann.attendee.detach(ann.events.append)
    ann.attendee.request_slots(6)
    welcome = ann.attendee.attach(ann.events.append)
    assert welcome.offer is not None
    assert welcome.offer.version == 2
    assert len(welcome.slots) == 9
    ann.answer()


def test_a_second_socket_replaces_the_first(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    newer: list = []
    welcome = ann.attendee.attach(newer.append)
    assert welcome.resumed
    assert isinstance(ann.events[-1], Replaced)
    ann.attendee.detach(ann.events.append)  # the older socket closes now
    clock.advance(60)
    assert ann.id in meeting.participants


def test_a_transport_that_closes_takes_its_tracks_at_once_and_its_participant_after_the_window(
    meeting: Meeting, clock: VirtualClock
) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    ann.attendee.transport.consent_expired()
    assert [(event.state, "consent" in event.detail) for event in ann.heard(TransportChanged)][-1] == ("closed", True)
    assert bob.shown() == []
    assert meeting.participants[ann.id].view().sources == {}
    for request in (
        lambda: ann.attendee.publish(Source.CAMERA),
        ann.attendee.restart_ice,
        lambda: ann.attendee.request_slots(9),
        ann.answer,
    ):
        with pytest.raises(RemoteError, match="transport is closed") as caught:
            request()
        assert caught.value.code == "conflict"
    clock.advance(30.1)
    assert ann.id not in meeting.participants
    assert isinstance(ann.events[-1], Removed)
    clock.advance(1)
    assert bob.told("left")[-1].reason is LeaveReason.CLOSED


def test_leaving_frees_everything(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    ann.attendee.leave()
    ann.attendee.leave()
    clock.advance(1)
    assert bob.told("left") == [Departure(ann.id, LeaveReason.LEFT)]
    assert isinstance(ann.events[-1], Removed)
    assert bob.shown() == []
    assert all(consumer.producer is None for consumer in bob.attendee.transport.consumers.values())
    bob.attendee.leave()
    assert clock.pending == 1, "only the expiry of the empty meeting waits"
