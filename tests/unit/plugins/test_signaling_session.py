"""The conversation on a socket, without a socket."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from typing import Any

import msgpack
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.support.answers import answer_to
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine

from sfu.conference import Attendee, Conference, Meeting
from sfu.conference.events import PermissionsChanged, ViewChanged
from sfu.plugins.signaling_ws.outbox import MAX_FRAMES
from sfu.plugins.signaling_ws.requests import REQUESTS
from sfu.plugins.signaling_ws.session import SignalingSession
from sfu.plugins.signaling_ws.wire import MAX_MESSAGE_BYTES, WIRES, EventEncoder, Frame, fields_of


class Talk:
    """A session, what it sent, and how it closed."""

    def __init__(self, conference: Conference, clock: VirtualClock, meeting_id: str, wire: str = "json") -> None:
        self.wire = WIRES[f"sfu.v1.{wire}"]
        self.session = SignalingSession(
            meeting_id,
            conference,
            self.wire,
            EventEncoder(),
            clock=clock,
            logger=structlog.get_logger(),
            answer=lambda attendee: {"participant_id": attendee.id, "token": attendee.token},
        )
        self._last_id = 0

    def send_raw(self, frame: Frame) -> None:
        self.session.handle_frame(frame)

    def request(self, name: str, **fields: Any) -> dict[str, Any]:
        """Sends a request; the reply (nothing else may come before it but notifications)."""
        self._last_id += 1
        self.session.handle_frame(self.wire.encode({"type": name, "id": self._last_id, **fields}))
        replies = [message for message in self.received() if message.get("reply") == self._last_id]
        assert len(replies) == 1, replies
        return replies[0]

    def hello(self, token: str) -> dict[str, Any]:
        return self.request("hello", token=token)

    def received(self) -> list[dict[str, Any]]:
        """What was sent to the client since the last call."""
        frames = list(self.session.outbox._frames)
        self.session.outbox._frames.clear()
        return [decoded(frame) for frame in frames]

    @property
    def closed(self) -> tuple[int, str] | None:
        closing = self.session.outbox.closing
        return (closing.code, closing.reason) if closing is not None else None


def decoded(frame: Frame) -> Any:
    return json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)


@pytest.fixture(params=["json", "msgpack"])
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def talk(conference: Conference, clock: VirtualClock, meeting: Meeting, wire: str) -> Talk:
    return Talk(conference, clock, meeting.id, wire)


def test_a_line_of_the_chat_is_answered_by_its_number_and_told_to_everybody_without_a_reply(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting, wire: str
) -> None:
    other = Talk(conference, clock, meeting.id, wire)
    ann = meeting.join("Ann")
    assert talk.hello(ann.token)["chat"] == {"mode": "everyone", "direct": True, "log": meeting.chat.log, "seq": 0}
    other.hello(meeting.join("Bob").token)
    other.received()
    assert talk.request("chat", text="hällo")["seq"] == 1
    clock.advance(1)
    told = [message for message in other.received() if message["type"] == "chat"]
    assert told == [
        {
            "type": "chat",
            "entries": [
                {
                    "seq": 1, "at": "2026-01-01T00:00:00.000Z", "participant_id": ann.id, "name": "Ann",
                    "text": "hällo",
                }
            ],
        }
    ]  # fmt: skip
    assert talk.request("chat", text="x" * 2001)["code"] == "bad_request"
    page = other.request("chat_history", limit=5)
    assert ([line["text"] for line in page["entries"]], page["more"]) == (["hällo"], False)
    assert other.request("chat_delete", seq=1)["code"] == "forbidden"
    assert other.request("chat_settings", mode="off")["code"] == "forbidden"
    assert talk.request("chat_delete", seq=1)["type"] == "reply"
    clock.advance(1)
    assert other.received()[-1] == {"type": "chat", "entries": [{"seq": 2, "deletes": 1, "by": ann.id}]}


def test_who_says_hello_with_what_it_knows_of_the_chat_hears_the_rest_after_the_welcome(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting, wire: str
) -> None:
    ann = meeting.join("Ann")
    talk.hello(ann.token)
    talk.request("chat", text="one")
    clock.advance(1)
    talk.request("chat", text="two")
    clock.advance(1)
    talk.session.disconnected()
    again = Talk(conference, clock, meeting.id, wire)
    known = {"log": meeting.chat.log, "after": 1}
    again.send_raw(again.wire.encode({"type": "hello", "id": 1, "token": ann.token, "chat": known}))
    welcome, chat = again.received()
    assert (welcome["type"], welcome["chat"]["seq"]) == ("welcome", 2)
    assert [entry["text"] for entry in chat["entries"]] == ["two"]


def test_hello_is_answered_by_the_whole_state(talk: Talk, meeting: Meeting) -> None:
    attendee = meeting.join("Ann")
    welcome = talk.hello(attendee.token)
    assert welcome["type"] == "welcome"
    assert welcome["participant_id"] == attendee.id
    assert welcome["meeting"] == {"id": "standup", "title": "Stand-up"}
    assert [entry["name"] for entry in welcome["participants"]] == ["Ann"]
    assert welcome["participants"][0]["joined_at"] == "2026-01-01T00:00:00.000Z"
    assert welcome["slots"][0] == {
        "mid": "4", "kind": "audio", "participant_id": None, "name": None, "source": None, "state": "idle",
        "codec": None,
    }  # fmt: skip
    assert welcome["offer"]["version"] == 1
    assert (welcome["resumed"], welcome["transport"]) == (False, "new")
    assert welcome["moderation"] == {"may_unmute": True, "spotlight": []}
    assert welcome["permissions"] == {
        "role": "participant", "publish": ["microphone", "camera", "screen", "screen_audio"], "max_video": 49,
        "may_unmute": True, "muted_by_host": False,
    }  # fmt: skip
    assert welcome["view"] == {"videos": 0, "page": 0, "pages": 1}


def test_who_has_the_offer_is_not_told_it_again_until_there_is_another(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting, wire: str
) -> None:
    ann = meeting.join("Ann")
    assert talk.hello(ann.token)["offer"] == {"version": 1, "sdp": ann.offer.sdp}
    assert Talk(conference, clock, meeting.id, wire).request("hello", token=ann.token, offer=1)["offer"] is None
    talk = Talk(conference, clock, meeting.id, wire)
    talk.hello(ann.token)
    talk.request("answer", version=1, sdp=answer_to(ann.offer.sdp))
    talk.request("slots", video=7)
    again = Talk(conference, clock, meeting.id, wire)
    assert again.request("hello", token=ann.token, offer=1)["offer"] == {"version": 2, "sdp": ann.offer.sdp}


def test_welcomes_tell_of_participants_as_they_are_now_however_many_were_told_before(
    conference: Conference, clock: VirtualClock, meeting: Meeting, wire: str
) -> None:
    encoder, names = EventEncoder(), ["Ann", "Bób ☃", "Cy"]

    def welcome(attendee: Attendee) -> Any:
        return decoded(encoder.welcome(7, attendee.attach(lambda _: None), WIRES[f"sfu.v1.{wire}"]))

    people = []
    for name in names:
        people.append(meeting.join(name))
        plain = welcome(people[-1])
        assert (plain["type"], plain["reply"]) == ("welcome", 7)
        assert plain["participants"] == [
            json.loads(json.dumps(fields_of(participant.view()))) for participant in meeting.participants.values()
        ]
    meeting.permissions.raise_hand(people[0], raised=True)
    people[1].leave()
    told = welcome(people[2])["participants"]
    assert [(entry["name"], entry["hand"]) for entry in told] == [("Ann", 1), ("Cy", None)]


def test_a_whole_stay_from_answer_to_leave(talk: Talk, meeting: Meeting) -> None:
    attendee = meeting.join("Ann")
    offer = talk.hello(attendee.token)["offer"]
    ok = {"type": "reply"}
    assert talk.request("answer", version=1, sdp=answer_to(offer["sdp"])).items() >= ok.items()
    for name, fields in (
        ("publish", {"source": "camera"}),
        ("publish", {"source": "microphone", "muted": True}),
        ("mute", {"source": "microphone", "muted": False}),
        ("unpublish", {"source": "camera"}),
        ("layers", {"mid": "7", "spatial": 1, "temporal": None}),
        ("layers", {"mid": "7"}),
        ("layers", {"mid": "7", "paused": True}),
        ("layout", {"tiles": []}),
        ("layout", {"tiles": [{"mid": "7", "width": 640, "height": 360, "fps": 15, "pinned": True}], "hidden": True}),
        ("layout", {"tiles": [], "mode": "speaker", "pins": [{"participant_id": "x", "source": "screen"}]}),
        ("layout", {"tiles": [], "mode": "gallery", "page": 3}),
        ("slots", {"video": 6}),
        ("restart_ice", {}),
        ("roster", {"search": "a"}),
        ("raise_hand", {"raised": True}),
        ("ping", {}),
    ):
        assert talk.request(name, **fields).items() >= ok.items(), name
    assert talk.request("leave").items() >= ok.items()
    assert talk.closed == (1000, "left")
    assert meeting.participants == {}


def test_notifications_reach_the_others_in_both_formats(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting
) -> None:
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    talk.hello(ann.token)
    offer = ann.offer
    talk.request("answer", version=1, sdp=answer_to(offer.sdp))
    other = Talk(conference, clock, meeting.id)
    other.hello(bob.token)
    other.request("answer", version=1, sdp=answer_to(bob.offer.sdp))
    talk.received()
    other.request("publish", source="camera")
    clock.advance(1)
    received = talk.received()
    rosters = [message for message in received if message["type"] == "roster"]
    told = [entry for message in rosters for entry in (*message["joined"], *message["updated"])]
    assert [entry for entry in told if entry["id"] == bob.id][-1]["sources"] == {"camera": {"muted": False}}
    messages = {message["type"]: message for message in received}
    assert messages["view"] == {"type": "view", "videos": 1, "page": 0, "pages": 1}
    assert messages["slots"]["slots"] == [
        {
            "mid": "7", "kind": "video", "participant_id": bob.id, "name": "Bob", "source": "camera",
            "state": "active", "codec": None,
        }
    ]  # fmt: skip
    other.request("leave")
    roster, slots, view = sorted(talk.received(), key=lambda message: message["type"])
    assert view == {"type": "view", "videos": 0, "page": 0, "pages": 1}
    assert roster["left"] == [{"participant_id": bob.id, "reason": "left"}]
    assert (roster["joined"], roster["updated"], roster["total"]) == ([], [], 1)
    assert (slots["type"], slots["slots"][0]["name"]) == ("slots", None)
    talk.request("slots", video=5)


def test_an_offer_is_a_notification_with_all_slots(talk: Talk, meeting: Meeting) -> None:
    attendee = meeting.join("Ann")
    talk.hello(attendee.token)
    talk.request("answer", version=1, sdp=answer_to(attendee.offer.sdp))
    talk.received()
    talk.session.handle_frame(talk.wire.encode({"type": "slots", "id": 77, "video": 5}))
    messages = {message["type"]: message for message in talk.received()}
    assert messages["offer"]["version"] == 2
    assert messages["offer"]["slots"][-1] == {"mid": "11", "kind": "video"}


def test_what_many_are_told_alike_is_encoded_once() -> None:
    encoder, wire = EventEncoder(), WIRES["sfu.v1.json"]
    frame = encoder.encode(ViewChanged(3, 0, 1), wire)
    assert encoder.encode(ViewChanged(3, 0, 1), wire) is frame
    assert encoder.encode(ViewChanged(4, 0, 1), wire) != frame
    assert encoder.encode(PermissionsChanged("host", (), 9), wire) != frame


def test_without_hello_in_time_the_socket_is_closed(talk: Talk, clock: VirtualClock) -> None:
    clock.advance(4.9)
    assert talk.closed is None
    clock.advance(0.2)
    assert talk.closed == (4401, "no hello within 5 s")


def test_after_hello_no_time_is_up(talk: Talk, clock: VirtualClock, meeting: Meeting) -> None:
    talk.hello(meeting.join("Ann").token)
    clock.advance(60)
    assert talk.closed is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "hello", "token": "wrong"}, "unauthorized"),
        ({"type": "ping"}, "unauthorized"),
        ({"type": "hello"}, "bad_request"),
        ({"type": "hello", "token": 5}, "bad_request"),
        ({"type": "hello", "token": "\ud800"}, "bad_request"),
        ({"type": "hello", "token": "x", "\ud800": 1}, "bad_request"),
    ],
)
def test_a_wrong_greeting_is_answered_and_the_socket_closed(
    conference: Conference, clock: VirtualClock, meeting: Meeting, message: dict[str, Any], code: str
) -> None:
    talk = Talk(conference, clock, meeting.id)
    talk.send_raw(json.dumps({"id": 1, **message}))
    [reply] = talk.received()
    assert (reply["type"], reply["reply"], reply["code"]) == ("error", 1, code)
    assert talk.closed is not None
    assert talk.closed[0] == 4401


def test_hello_to_a_meeting_that_is_not_there_closes_with_the_reason(
    conference: Conference, clock: VirtualClock
) -> None:
    talk = Talk(conference, clock, "nowhere")
    assert talk.hello("x")["code"] == "meeting_not_found"
    assert talk.closed is not None
    assert talk.closed[0] == 4401


@pytest.mark.parametrize("frame", ["", "[]", "5", "{", "{}", '{"type": "ping"}', '{"type":"ping","id":"1"}', b"{}"])
def test_what_is_no_request_closes_the_socket(
    conference: Conference, clock: VirtualClock, meeting: Meeting, frame: Frame
) -> None:
    talk = Talk(conference, clock, meeting.id)
    talk.hello(meeting.join("Ann").token)
    talk.send_raw(frame)
    assert talk.closed is not None
    assert talk.closed[0] == 4400


def test_a_message_that_is_too_long_closes_the_socket(talk: Talk, meeting: Meeting) -> None:
    talk.hello(meeting.join("Ann").token)
    talk.send_raw(talk.wire.encode({"type": "answer", "id": 2, "version": 1, "sdp": "x" * MAX_MESSAGE_BYTES}))
    assert talk.closed is not None
    assert talk.closed[0] == 4400


def test_an_unknown_type_names_those_that_are_known(talk: Talk, meeting: Meeting) -> None:
    talk.hello(meeting.join("Ann").token)
    error = talk.request("subscribe")
    assert error["code"] == "unknown_type"
    for name in REQUESTS:
        assert name in error["hint"]
    assert talk.closed is None


@pytest.mark.parametrize(
    ("name", "fields", "names"),
    [
        ("publish", {}, ["source", "publish takes source, muted, take_over, content"]),
        ("publish", {"source": "webcam"}, ["source", "microphone"]),
        ("mute", {"source": "camera", "muted": "yes"}, ["muted"]),
        ("publish", {"source": "screen", "content": "film"}, ["content", "motion", "text"]),
        ("permit", {"participant_id": "x", "publish": ["webcam"]}, ["publish.0", "microphone"]),
        ("raise_hand", {}, ["raised"]),
        ("slots", {"video": 50}, ["video", "49"]),
        ("slots", {"video": True}, ["video"]),
        ("layers", {"mid": "7", "spatial": 300}, ["spatial"]),
        ("layout", {}, ["tiles", "layout takes tiles, hidden"]),
        ("layout", {"tiles": [{"mid": "7", "width": -1, "height": 1}]}, ["tiles.0.width"]),
        ("layout", {"tiles": [{"mid": "7", "width": 16385, "height": 1}]}, ["tiles.0.width"]),
        ("layout", {"tiles": [{"mid": "7", "width": 1, "height": 1, "fps": float("inf")}]}, ["tiles.0.fps"]),
        ("layout", {"tiles": [{"mid": "7", "width": 1, "height": 1, "zoom": 1}]}, ["tiles.0.zoom"]),
        ("layout", {"tiles": [{"mid": "7", "width": 1, "height": 1}] * 50}, ["tiles", "49"]),
        ("layout", {"tiles": [], "mode": "stage"}, ["mode", "gallery", "speaker"]),
        ("layout", {"tiles": [], "page": -1}, ["page"]),
        (
            "layout",
            {"tiles": [], "pins": [{"participant_id": "x", "source": "microphone"}]},
            ["pins.0.source", "camera"],
        ),
        ("layout", {"tiles": [], "pins": [{"participant_id": "x", "source": "camera"}] * 10}, ["pins", "9"]),
        ("layout", {"tiles": [{"mid": "99", "width": 1, "height": 1}]}, ["99", "one of"]),
        ("roster", {"limit": 201}, ["limit", "200"]),
        ("roster", {"search": "x" * 65}, ["search", "64"]),
        ("roster", {"after": 5}, ["after", "roster takes after, limit, search"]),
        ("ping", {"extra": 1}, ["extra", "no fields"]),
        ("answer", {"version": "1", "sdp": ""}, ["version"]),
    ],
)
def test_a_wrong_field_is_named_with_what_is_accepted(
    talk: Talk, meeting: Meeting, name: str, fields: dict[str, Any], names: list[str]
) -> None:
    talk.hello(meeting.join("Ann").token)
    error = talk.request(name, **fields)
    assert error["code"] == "bad_request"
    for part in names:
        assert part in f"{error['detail']} {error['hint']}"


def test_errors_of_the_meeting_keep_their_code(talk: Talk, meeting: Meeting) -> None:
    talk.hello(meeting.join("Ann").token)
    assert talk.request("answer", version=7, sdp="v=0")["code"] == "conflict"
    assert talk.request("answer", version=1, sdp="v=0\r\nnonsense")["code"] == "bad_sdp"
    assert talk.request("mute", source="camera", muted=True)["code"] == "conflict"
    assert talk.request("hello", token="again")["code"] == "conflict"
    assert talk.request("roster", after="nobody")["code"] == "participant_not_found"
    assert talk.request("permit", participant_id="x", publish=[])["code"] == "forbidden"
    assert talk.closed is None


def test_more_than_fifty_messages_a_second_over_five_seconds_are_too_many(
    talk: Talk, clock: VirtualClock, meeting: Meeting
) -> None:
    talk.hello(meeting.join("Ann").token)
    for _ in range(20):
        for _ in range(50):
            talk.request("ping")
        clock.advance(1)
    assert talk.closed is None
    for number in range(260):
        talk.send_raw(talk.wire.encode({"type": "ping", "id": number}))
    assert talk.closed == (4429, "too many messages")


def test_requests_that_concern_everybody_are_refused_sooner_and_cost_no_socket(
    talk: Talk, clock: VirtualClock, meeting: Meeting
) -> None:
    talk.hello(meeting.join("Ann").token)
    talk.request("publish", source="microphone")
    replies = [talk.request("mute", source="microphone", muted=number % 2 == 0) for number in range(50)]
    assert [reply["type"] for reply in replies[:48]] == ["reply"] * 48
    assert [reply.get("code") for reply in replies[48:]] == ["rate_limited"] * 2
    clock.advance(1)
    assert talk.request("mute", source="microphone", muted=True)["type"] == "reply"
    assert talk.closed is None


def test_a_client_that_reads_too_slowly_loses_its_socket(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting
) -> None:
    ann = meeting.join("Ann")
    talk.hello(ann.token)
    for number in range(MAX_FRAMES + 1):
        meeting.updated(ann)
        clock.advance(0.5)
        if number % 100 == 0:
            assert talk.closed is None
    assert talk.closed == (4429, "the client reads too slowly")
    assert talk.session.outbox.overflowed.is_set()
    assert not talk.session.outbox._frames


def test_a_newer_socket_replaces_the_older(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting
) -> None:
    attendee = meeting.join("Ann")
    talk.hello(attendee.token)
    newer = Talk(conference, clock, meeting.id)
    assert newer.hello(attendee.token)["resumed"]
    assert talk.closed == (4409, "replaced by a newer socket")
    talk.session.disconnected()
    clock.advance(60)
    assert attendee.id in meeting.participants


def test_the_end_of_the_meeting_and_of_the_server_have_their_codes(
    talk: Talk, conference: Conference, clock: VirtualClock, meeting: Meeting
) -> None:
    talk.hello(meeting.join("Ann").token)
    meeting.end()
    assert talk.received()[-1] == {"type": "meeting_ended", "reason": "ended"}
    assert talk.closed == (1000, "the meeting ended")
    other = asyncio.run(conference.create_meeting())
    second = Talk(conference, clock, other.id)
    second.hello(other.join("Bob").token)
    conference.close()
    assert second.received()[-1] == {"type": "meeting_ended", "reason": "server_stopping"}
    assert second.closed == (1001, "the server is stopping")


def test_nothing_holds_a_session_whose_socket_is_gone(talk: Talk, clock: VirtualClock, meeting: Meeting) -> None:
    talk.hello(meeting.join("Ann").token)
    talk.session.disconnected()
    talk.session.disconnected()
    gone = weakref.ref(talk.session)
    del talk.session
    gc.collect()
    assert gone() is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([*REQUESTS, "x"]) | json_values,
        "id": st.integers() | json_values,
        "source": st.sampled_from(["camera", "screen"]) | json_values,
        "muted": st.booleans() | json_values,
        "mid": st.sampled_from(["4", "7"]) | json_values,
        "spatial": json_values,
        "video": st.integers(-1, 50),
        "version": st.integers(0, 2),
        "sdp": st.text(max_size=50),
        "token": st.text(max_size=20),
    },
)


@given(conversation=st.lists(messages | json_values, max_size=8), wire=st.sampled_from(["json", "msgpack"]))
def test_whatever_a_client_says_the_session_answers_or_closes(conversation: list[Any], wire: str) -> None:
    engine, _ = sim_engine()
    clock = VirtualClock()
    conference = Conference(engine, clock)
    meeting = asyncio.run(conference.create_meeting())
    talk = Talk(conference, clock, meeting.id, wire)
    talk.hello(meeting.join("Ann").token)
    for message in conversation:
        try:
            frame = json.dumps(message) if wire == "json" else msgpack.packb(message)
        except (OverflowError, ValueError, UnicodeEncodeError):
            continue  # not every value has a msgpack form
        talk.received()
        was_closed = talk.closed is not None
        talk.send_raw(frame)
        answers = [reply for reply in talk.received() if "reply" in reply]
        assert was_closed or len(answers) == 1 or talk.closed is not None
    conference.close()
    engine.close()
