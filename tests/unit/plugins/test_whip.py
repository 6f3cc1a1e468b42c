from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.answers import attribute, mids_of
from tests.support.attendee import Client
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import EVERYWHERE, Deployment
from tests.support.sim import settle
from tests.support.site import Site

from sfu.access import Access as Keys
from sfu.access import Key, issue_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.conference import Conference, Meeting, Source
from sfu.conference.records import Access
from sfu.conference.rights import Rules
from sfu.errors import RemoteError
from sfu.ice.servers import IceServer
from sfu.media.engine import Engine
from sfu.plugins.whip import WhipPlugin
from sfu.plugins.whip.fragment import IceFragment

FINGERPRINT = ":".join(["AB"] * 32)
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
UFRAG, PWD = "offr", "offer0password0000000000"


def offer(
    direction: str = "sendonly", *, video: str = "VP8", extra_video: bool = False, simulcast: bool = False
) -> str:
    """A client's offer: Opus audio and one video codec."""
    transport = [f"a=ice-ufrag:{UFRAG}", f"a=ice-pwd:{PWD}", f"a=fingerprint:sha-256 {FINGERPRINT}", "a=setup:actpass"]

    def video_line(mid: int) -> list[str]:
        lines = ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", *transport, f"a=mid:{mid}", f"a={direction}"]
        lines += ["a=rtcp-mux", f"a=rtpmap:96 {video}/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli"]
        lines += ["a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96"]
        lines += ["a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid"]
        if simulcast:
            lines += ["a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"]
            lines += ["a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f"]
        return lines

    videos = [video_line(1), *([video_line(2)] if extra_video else [])]
    mids = " ".join(str(mid) for mid in range(1 + len(videos)))
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", *transport, "a=mid:0", f"a={direction}"]
    lines += ["a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid"]
    return "\r\n".join([*lines, *(line for video_lines in videos for line in video_lines)]) + "\r\n"


def client(site: Site, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(site.app(WhipPlugin(), **options))
    return httpx.AsyncClient(transport=transport, base_url="http://sfu.test")


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with client(site) as http:
        yield http


async def post(http: httpx.AsyncClient, path: str, sdp: str, **headers: str) -> httpx.Response:
    return await http.post(path, content=sdp, headers={**SDP, **headers})


async def test_publishing_answers_with_our_description_and_the_session(
    http: httpx.AsyncClient, meeting: Meeting
) -> None:
    response = await post(http, "/whip/standup?name=Studio", offer())
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/sdp"
    [publisher] = meeting.participants.values()
    assert publisher.name == "Studio"
    assert response.headers["location"] == f"http://sfu.test/whip/standup/session/{publisher.token}"
    assert response.headers["etag"] == f'"{attribute(response.text, "ice-ufrag")}"'
    assert response.headers["access-control-allow-origin"] == "*"
    assert "Location" in response.headers["access-control-expose-headers"]
    assert mids_of(response.text) == ["0", "1"]
    assert "a=ice-lite" in response.text
    assert "typ host" in response.text
    assert response.text.count("a=recvonly") == 2


async def test_a_publisher_is_a_participant_with_microphone_and_camera(
    http: httpx.AsyncClient, meeting: Meeting, engine: Engine, clock: VirtualClock
) -> None:
    viewer = Client(meeting, "Viewer")
    viewer.answer()
    await post(http, "/whip/standup", offer())
    settle(engine, clock.now())
    [publisher] = [item for item in meeting.participants.values() if item.name == "Live stream"]
    assert viewer.shown() == [(publisher.id, "camera", "active")]
    assert viewer.shown("audio") == [(publisher.id, "microphone", "active")]
    assert publisher.view().sources.keys() == {"microphone", "camera"}
    assert not publisher.view().connected


async def test_a_second_video_is_taken_for_a_screen(http: httpx.AsyncClient, meeting: Meeting) -> None:
    await post(http, "/whip/standup", offer(extra_video=True))
    [publisher] = meeting.participants.values()
    assert set(publisher.sources.tracks) == {Source.MICROPHONE, Source.CAMERA, Source.SCREEN}


async def test_what_a_meeting_does_not_permit_is_not_published(http: httpx.AsyncClient, conference: Conference) -> None:
    webinar = await conference.create_meeting(rules=Rules(audience=True))
    refused = await post(http, f"/whip/{webinar.id}", offer())
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert webinar.participants == {}
    voices = await conference.create_meeting(rules=Rules(publish=frozenset({Source.MICROPHONE})))
    watcher = Client(voices, "Watcher", host_token=voices.host_token)
    watcher.answer()
    assert (await post(http, f"/whip/{voices.id}", offer())).status_code == 201
    [publisher] = [item for item in voices.participants.values() if item.id != watcher.id]
    assert set(publisher.sources.tracks) == {Source.MICROPHONE}
    assert watcher.shown() == []
    [camera] = [item for item in publisher.transport.producers.values() if item.mid == "1"]
    assert camera.paused
    voices.permissions.permit(watcher.attendee, publisher.id, [Source.CAMERA])
    assert watcher.shown() == [(publisher.id, "camera", "active")]
    assert set(publisher.sources.tracks) == {Source.CAMERA}


async def test_a_stream_beyond_the_limit_of_cameras_is_refused(http: httpx.AsyncClient, conference: Conference) -> None:
    meeting = await conference.create_meeting(rules=Rules(max_cameras=1))
    assert (await post(http, f"/whip/{meeting.id}", offer())).status_code == 201
    refused = await post(http, f"/whip/{meeting.id}", offer())
    assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
    assert len(meeting.participants) == 1


async def test_offered_simulcast_is_taken(http: httpx.AsyncClient, meeting: Meeting) -> None:
    response = await post(http, "/whip/standup", offer(simulcast=True))
    assert "a=simulcast:recv q;h;f" in response.text
    [publisher] = meeting.participants.values()
    camera = publisher.sources.tracks[Source.CAMERA].producer
    assert camera is not None
    assert [encoding.rid for encoding in camera.encodings] == ["q", "h", "f"]


async def test_deleting_the_session_ends_it_for_everybody(http: httpx.AsyncClient, meeting: Meeting) -> None:
    viewer = Client(meeting, "Viewer")
    viewer.answer()
    session = (await post(http, "/whip/standup", offer())).headers["location"]
    assert (await http.delete(session)).status_code == 200
    assert viewer.shown() == []
    assert [item.name for item in meeting.participants.values()] == ["Viewer"]
    gone = await http.delete(session)
    assert (gone.status_code, gone.json()["code"]) == (404, "participant_not_found")


async def test_a_publisher_whose_transport_closes_has_left(http: httpx.AsyncClient, meeting: Meeting) -> None:
    await post(http, "/whip/standup", offer())
    [publisher] = meeting.participants.values()
    publisher.transport.consent_expired()
    assert meeting.participants == {}


async def test_a_viewer_that_comes_first_gets_who_publishes_next_and_next(
    http: httpx.AsyncClient, meeting: Meeting
) -> None:
    response = await post(http, "/whep/standup", offer("recvonly"))
    assert response.status_code == 201
    assert response.text.count("a=sendonly") == 2
    assert (meeting.viewers, dict(meeting.participants)) == (1, {})
    [viewer] = meeting._members.viewers.values()

    def fed_by() -> set[str]:
        return {slot.track.participant_id for slot in viewer.slots._slots if slot.track is not None}

    assert fed_by() == set()
    first = (await post(http, "/whip/standup", offer())).headers["location"]
    [publisher] = meeting.participants.values()
    assert fed_by() == {publisher.id}
    await post(http, "/whip/standup", offer())
    assert fed_by() == {publisher.id}, "it stays with whom it follows"
    await http.delete(first)
    [other] = meeting.participants.values()
    assert fed_by() == {other.id}
    assert (await http.delete(response.headers["location"])).status_code == 200
    assert meeting.viewers == 0


async def test_a_viewer_of_one_participant_leaves_with_him(http: httpx.AsyncClient, meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    for person in (ann, bob):
        person.answer()
        person.attendee.publish(Source.CAMERA)
    assert (await post(http, f"/whep/standup/{bob.id}", offer("recvonly"))).status_code == 201
    [viewer] = meeting._members.viewers.values()
    assert {slot.track.participant_id for slot in viewer.slots._slots if slot.track} == {bob.id}
    bob.attendee.leave()
    assert meeting.viewers == 0
    missing = await post(http, f"/whep/standup/{bob.id}", offer("recvonly"))
    assert (missing.status_code, missing.json()["code"]) == (404, "participant_not_found")


async def test_the_number_of_viewers_is_bounded(http: httpx.AsyncClient, meeting: Meeting) -> None:
    for status in (201, 201, 409):
        assert (await post(http, "/whep/standup", offer("recvonly"))).status_code == status


async def test_sessions_of_one_protocol_are_none_of_the_other(http: httpx.AsyncClient, meeting: Meeting) -> None:
    session = (await post(http, "/whip/standup", offer())).headers["location"]
    assert (await http.delete(session.replace("/whip/", "/whep/"))).status_code == 404
    attendee = meeting.join("Ann")
    assert (await http.delete(f"/whip/standup/session/{attendee.token}")).status_code == 404
    assert len(meeting.participants) == 2


@pytest.mark.parametrize("path", ["/whip/standup", "/whep/standup"])
async def test_another_content_type_is_refused(http: httpx.AsyncClient, meeting: Meeting, path: str) -> None:
    response = await http.post(path, content=offer(), headers={"Content-Type": "text/plain"})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media")
    assert response.headers["access-control-allow-origin"] == "*"
    assert meeting.participants == {}


@pytest.mark.parametrize(
    ("sdp", "status", "said"),
    [
        ("", 400, ""),
        ("nonsense", 400, "line 1"),
        (offer().replace("a=mid:1", "a=mid:"), 400, "line"),
        ("\r\n".join(line for line in offer().split("\r\n") if "fingerprint" not in line), 400, "fingerprint"),
        (offer(video="THEORA").replace("opus/48000/2", "speex/16000"), 422, ""),
        (offer("recvonly"), 422, ""),
        (offer("inactive"), 422, ""),
    ],
)
async def test_an_offer_that_can_not_be_taken_says_why_and_leaves_nothing(
    http: httpx.AsyncClient, meeting: Meeting, sdp: str, status: int, said: str
) -> None:
    response = await post(http, "/whip/standup", sdp)
    assert response.status_code == status, response.text
    assert said in response.json()["detail"]
    assert meeting.participants == {}
    assert meeting._upkeep._router is None, "the transport that was made for it is gone"


async def test_bytes_that_are_no_text_are_refused(http: httpx.AsyncClient, meeting: Meeting) -> None:
    response = await http.post("/whip/standup", content=b"\xff\xfe", headers=SDP)
    assert (response.status_code, response.json()["code"]) == (400, "bad_sdp")


async def test_where_a_token_is_configured_all_requests_need_it(site: Site, meeting: Meeting) -> None:
    async with client(site, whip_token="s3cret") as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            response = await post(http, "/whip/standup", offer(), **headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["access-control-allow-origin"] == "*"
        right = {"Authorization": "Bearer s3cret"}
        session = (await post(http, "/whip/standup", offer(), **right)).headers["location"]
        assert (await http.delete(session)).status_code == 401
        assert (await http.options(session)).status_code == 204
        assert (await http.delete(session, headers=right)).status_code == 200


async def test_an_unknown_meeting_is_not_found_but_made_in_development(site: Site, deployment: Deployment) -> None:
    async with client(site) as http:
        assert (await post(http, "/whip/stage", offer())).status_code == 404
    async with client(site, dev=True) as http:
        assert (await post(http, "/whep/stage", offer("recvonly"))).status_code == 201
        assert deployment.meeting("stage").viewers == 1
        assert (await post(http, "/whip/stage", offer())).status_code == 201


async def test_ice_servers_are_in_link_headers(site: Site, meeting: Meeting) -> None:
    servers = (IceServer(("stun:stun.test",)), IceServer(("turn:turn.test?transport=udp",), "u", 'se"cret'))
    async with client(site, ice_servers=lambda _participant: servers) as http:
        response = await post(http, "/whip/standup", offer())
        assert response.headers.get_list("link") == [
            '<stun:stun.test>; rel="ice-server"',
            (
                '<turn:turn.test?transport=udp>; rel="ice-server"; username="u"; credential="se\\"cret"; '
                'credential-type="password"'
            ),
        ]


@pytest.mark.parametrize("path", ["/whip/standup", "/whep/standup", "/whep/standup/someone"])
async def test_options_tell_other_origins_what_may_be_posted(http: httpx.AsyncClient, path: str) -> None:
    response = await http.options(path)
    assert response.status_code == 204
    assert response.headers["accept-post"] == "application/sdp"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "Authorization" in response.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_on_the_endpoint_are_not_allowed(http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, "/whip/standup")
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


# PATCH

TRICKLE = "\r\n".join(
    [f"a=ice-ufrag:{UFRAG}", f"a=ice-pwd:{PWD}", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0",
     "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host", "a=end-of-candidates", ""]
)  # fmt: skip
RESTART = TRICKLE.replace(UFRAG, "newu").replace(PWD, "new0password000000000000")


async def test_trickled_candidates_are_accepted_and_not_needed(http: httpx.AsyncClient, meeting: Meeting) -> None:
    created = await post(http, "/whip/standup", offer())
    for tag in (created.headers["etag"], "*"):
        response = await http.patch(created.headers["location"], content=TRICKLE, headers={**FRAGMENT, "If-Match": tag})
        assert (response.status_code, response.content) == (204, b"")
        assert "etag" not in response.headers


async def test_an_ice_restart_gives_new_credentials_and_a_new_tag(http: httpx.AsyncClient, meeting: Meeting) -> None:
    created = await post(http, "/whip/standup", offer())
    session, old_tag = created.headers["location"], created.headers["etag"]
    response = await http.patch(session, content=RESTART, headers={**FRAGMENT, "If-Match": "*"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/trickle-ice-sdpfrag")
    ufrag = attribute(response.text, "ice-ufrag")
    assert response.headers["etag"] == f'"{ufrag}"'
    assert response.headers["etag"] != old_tag
    assert attribute(response.text, "ice-pwd") != attribute(created.text, "ice-pwd")
    assert "a=group:BUNDLE 0 1" in response.text
    assert "a=candidate:" in response.text
    [publisher] = meeting.participants.values()
    assert publisher.transport.local.ufrag == ufrag
    assert publisher.transport.remote is not None
    assert publisher.transport.remote.ufrag == "newu"
    late = await http.patch(session, content=TRICKLE, headers={**FRAGMENT, "If-Match": old_tag})
    assert (late.status_code, late.json()["code"]) == (412, "conflict")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({**FRAGMENT}, TRICKLE, 428),
        ({**FRAGMENT, "If-Match": '"other"'}, TRICKLE, 412),
        ({**SDP, "If-Match": "*"}, TRICKLE, 415),
        ({**FRAGMENT, "If-Match": "*"}, "what", 400),
        ({**FRAGMENT, "If-Match": "*"}, "a=ice-ufrag:x\r\n", 400),
        ({**FRAGMENT, "If-Match": "*"}, "a=ice-ufrag:newu\r\n", 400),
    ],
)
async def test_a_patch_that_does_not_fit_has_the_status_of_the_rfc(
    http: httpx.AsyncClient, meeting: Meeting, headers: dict[str, str], body: str, status: int
) -> None:
    session = (await post(http, "/whip/standup", offer())).headers["location"]
    response = await http.patch(session, content=body, headers=headers)
    assert response.status_code == status
    assert response.json()["status"] == status


async def test_a_patch_of_a_session_that_is_gone_is_not_found(http: httpx.AsyncClient, meeting: Meeting) -> None:
    response = await http.patch("/whip/standup/session/x", content=TRICKLE, headers={**FRAGMENT, "If-Match": "*"})
    assert response.status_code == 404


@given(st.text(max_size=200) | st.lists(st.sampled_from(TRICKLE.splitlines())).map("\n".join))
def test_any_fragment_gives_credentials_or_an_error(text: str) -> None:
    with suppress(RemoteError):
        fragment = IceFragment.parse(text)
        assert fragment.ufrag is None or len(fragment.ufrag) >= 4


# real clients' offers


async def test_the_offer_of_a_browser_is_taken(http: httpx.AsyncClient, meeting: Meeting) -> None:
    sdp = (Path(__file__).parents[2] / "vectors" / "sdp" / "chromium-156-publish-offer.sdp").read_bytes().decode()
    response = await post(http, "/whip/standup", sdp)
    assert response.status_code == 201, response.text
    [publisher] = meeting.participants.values()
    assert Source.CAMERA in publisher.sources.tracks


async def test_a_publisher_that_never_connects_does_not_stay(
    http: httpx.AsyncClient, meeting: Meeting, engine: Any, clock: VirtualClock
) -> None:
    await post(http, "/whip/standup", offer())
    await post(http, "/whep/standup", offer("recvonly"))
    engine.handle_timeout(clock.now())
    engine.handle_timeout(clock.now() + 31)
    assert (dict(meeting.participants), meeting.viewers) == ({}, 0)


async def publish_as(http: httpx.AsyncClient, bearer: str | None) -> httpx.Response:
    headers = SDP if bearer is None else {**SDP, "Authorization": f"Bearer {bearer}"}
    return await http.post("/whip/standup", content=offer(), headers=headers)


async def test_publishing_goes_by_the_door_of_the_meeting(site: Site, meeting: Meeting) -> None:
    meeting.changed(replace(meeting.record, version=meeting.record.version + 1, access=Access.TOKEN))
    key = Key("", Algorithm.HS256, b"k" * 32)
    claims = {"exp": EPOCH.timestamp() + 60, "aud": "sfu", "sub": "encoder", "sfu": {"publish": ["camera"]}}
    token = issue_token(key, claims)
    app = site.app(WhipPlugin(), access=Keys(StaticKeys([key])))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        for bearer, status in (
            (None, 403), ("wrong", 403), ("a.b.c", 401), (meeting.join_token, 201), (meeting.host_token, 201),
            (token, 201),
        ):  # fmt: skip
            assert (await publish_as(http, bearer)).status_code == status, bearer
        guest, host, encoder = meeting.participants.values()
        assert (guest.rights.role, host.rights.role, encoder.identity) == ("participant", "host", "encoder")
        assert list(encoder.sources.tracks) == [Source.CAMERA]
        viewing = await http.post("/whep/standup", content=offer("recvonly"), headers=SDP)
        assert (viewing.status_code, viewing.json()["code"]) == (403, "join_token_required")


async def test_the_servers_own_token_passes_every_door(site: Site, meeting: Meeting) -> None:
    meeting.changed(replace(meeting.record, version=meeting.record.version + 1, access=Access.WAITING_ROOM))
    async with client(site, whip_token="hunter2") as http:
        assert (await publish_as(http, "hunter2")).status_code == 201
        assert (await publish_as(http, meeting.host_token)).status_code == 401
    async with client(site) as http:
        assert (await publish_as(http, None)).json()["code"] == "conflict"
        assert (await publish_as(http, meeting.host_token)).status_code == 201
