"""At the door by REST and signaling: joining, waiting, what hosts do, how often one may try, and from which pages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import EVERYWHERE, SQLITE
from tests.support.site import Site
from tests.support.waiting import until
from tests.unit.plugins.test_signaling_session import Talk

from sfu.access import Access, ApiKey, ApiKeys, Key, Scope, issue_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.conference import Conference, ConferenceOptions, LeaveReason, Meeting
from sfu.conference.grants import Grants
from sfu.conference.records import Access as Who
from sfu.errors import RemoteError
from sfu.media.engine import Engine
from sfu.plugins.api import ServerOptions
from sfu.plugins.http import client_address
from sfu.plugins.meetings import MeetingsPlugin
from sfu.plugins.meetings.rates import MAX_BUCKETS, Rates
from sfu.plugins.signaling_ws.pump import is_own_origin

KEY = Key("", Algorithm.HS256, b"k" * 32)


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


def client(site: Site, access: Access | None = None, address: str = "192.0.2.1", **options: Any) -> httpx.AsyncClient:
    app = site.app(MeetingsPlugin(), access=access, **options)
    transport = httpx.ASGITransport(app, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://sfu.test")


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token(**claims: Any) -> str:
    granted = claims.pop("granted", {})
    return issue_token(KEY, {"exp": EPOCH.timestamp() + 600, "aud": "sfu", "jti": "t", "sfu": granted, **claims})


def be(meeting: Meeting, **changes: Any) -> Meeting:
    """As if it had been made so."""
    meeting.changed(replace(meeting.record, version=meeting.record.version + 1, **changes))
    return meeting


async def join(http: httpx.AsyncClient, **body: Any) -> httpx.Response:
    headers = body.pop("headers", {})
    return await http.post("/meetings/standup/join", json={"name": "Ann", **body}, headers=headers)


async def refusal(http: httpx.AsyncClient, **body: Any) -> tuple[int, str]:
    response = await join(http, **body)
    return response.status_code, response.json()["code"]


# joining


async def test_an_access_token_says_who_joins(site: Site, meeting: Meeting) -> None:
    async with client(site, Access(StaticKeys([KEY]))) as http:
        headers = bearer(token(sub="ann", name="Ann of Example", granted={"role": "host", "meeting": "standup"}))
        joined = (await join(http, name="x", headers=headers)).json()
        attendee = meeting.participants[joined["participant_id"]]
        assert (attendee.identity, attendee.name, attendee.rights.role) == ("ann", "Ann of Example", "host")
        elsewhere = bearer(token(granted={"meeting": "other"}))
        assert await refusal(http, headers=elsewhere) == (403, "forbidden")
        assert await refusal(http, headers=bearer("a.b.c")) == (401, "unauthorized")


async def test_a_meeting_by_token_asks_for_the_join_token(site: Site, meeting: Meeting) -> None:
    be(meeting, access=Who.TOKEN)
    async with client(site) as http:
        assert await refusal(http) == (403, "join_token_required")
        assert await refusal(http, join_token="wrong") == (403, "join_token_required")
        assert (await join(http, join_token=meeting.join_token)).status_code == 200
        assert (await join(http, host_token=meeting.host_token)).status_code == 200


async def test_who_has_to_wait_is_told_where_and_for_what(site: Site, meeting: Meeting) -> None:
    be(meeting, access=Who.WAITING_ROOM)
    async with client(site) as http:
        response = await join(http)
        answer = response.json()
        assert response.status_code == 202
        assert answer == {
            "waiting_id": answer["waiting_id"],
            "token": answer["token"],
            "signaling_url": "ws://sfu.test/meetings/standup/signaling",
            "position": 1,
            "reason": "admission",
        }
        be(meeting, access=Who.OPEN, not_before=EPOCH + timedelta(seconds=60))
        answer = (await join(http)).json()
        assert (answer["position"], answer["reason"]) == (2, "not_before")
        assert answer["opens_at"] == "2026-01-01T00:01:00.000Z"


async def test_many_who_come_at_once_get_as_many_places_as_there_are(site: Site, meeting: Meeting) -> None:
    async with client(site, joins_per_address_s=1000) as http:
        answers = await asyncio.gather(*(join(http, name=str(number)) for number in range(40)))
    codes = [response.status_code for response in answers]
    assert (codes.count(200), codes.count(409), len(meeting.participants)) == (4, 36, 4)


@pytest.mark.slow
async def test_a_storm_of_joins_fills_a_meeting_exactly(engine: Engine, clock: VirtualClock) -> None:
    conference = Conference(engine, clock, ConferenceOptions(max_participants=1000))
    meeting = await conference.create_meeting(id="standup")
    async with client(Site(conference, clock), address="127.0.0.1") as http:
        answers = await asyncio.gather(*(join(http, name=str(number)) for number in range(2000)))
    codes = [response.status_code for response in answers]
    assert (codes.count(200), codes.count(409), len(meeting.participants)) == (1000, 1000, 1000)


async def test_a_guest_who_was_removed_is_known_by_its_browser(site: Site, meeting: Meeting) -> None:
    async with client(site) as http:
        joined = (await join(http, browser="b1")).json()
        body = {"participant_id": joined["participant_id"]}
        response = await http.post("/meetings/standup/remove", json=body, headers=bearer(meeting.host_token))
        assert response.status_code == 204
        assert await refusal(http, browser="b1") == (403, "removed")
        assert (await join(http, browser="b2")).status_code == 200


async def test_whom_a_host_removed_it_lets_back_by_rest(site: Site, meeting: Meeting) -> None:
    host = bearer(meeting.host_token)
    async with client(site) as http:
        for name, browser in (("Ann", "b1"), ("Bob", "b2")):
            body = {"participant_id": (await join(http, name=name, browser=browser)).json()["participant_id"]}
            await http.post("/meetings/standup/remove", json=body, headers=host)
        page = (await http.get("/meetings/standup/kept-out?limit=1", headers=host)).json()
        assert [(one["reason"], one["until"]) for one in page["kept_out"]] == [("removed", None)]
        rest = (await http.get(f"/meetings/standup/kept-out?after={page['next']}", headers=host)).json()
        people = {one["name"]: one["id"] for one in page["kept_out"] + rest["kept_out"]}
        assert (set(people), rest["next"]) == ({"Ann", "Bob"}, None)

        path, ann = "/meetings/standup/readmit", {"kept_out_id": people["Ann"]}
        for body in ({}, {**ann, "identity": "ann"}, {"kept_out_id": "x" * 65}):
            assert (await http.post(path, json=body, headers=host)).status_code == 400
        for headers, status in ((None, 401), (bearer("unknown"), 401)):
            assert (await http.get("/meetings/standup/kept-out", headers=headers)).status_code == status
            assert (await http.post(path, json=ann, headers=headers)).status_code == status
        assert await refusal(http, browser="b1") == (403, "removed"), "nothing of that has let anybody back"
        assert (await http.post(path, json=ann, headers=host)).status_code == 204
        assert (await join(http, browser="b1")).status_code == 200
        assert await refusal(http, browser="b2") == (403, "removed")
        again = await http.post(path, json=ann, headers=host)
        assert (again.status_code, again.json()["code"]) == (404, "participant_not_found")


async def test_an_operator_lets_an_identity_back(site: Site, meeting: Meeting) -> None:
    key, secret = ApiKey.create("shop", [Scope.MODERATE])
    reader, look = ApiKey.create("desk", [Scope.READ])
    joined = bearer(token(sub="ann"))
    async with client(site, Access(StaticKeys([KEY]), api_keys=ApiKeys([key, reader]))) as http:
        body = {"participant_id": (await join(http, headers=joined)).json()["participant_id"]}
        await http.post("/meetings/standup/remove", json=body, headers=bearer(secret))
        assert await refusal(http, headers=joined) == (403, "removed")
        refused = await http.post("/meetings/standup/readmit", json={"identity": "ann"}, headers=bearer(look))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        answer = await http.post("/meetings/standup/readmit", json={"identity": "ann"}, headers=bearer(secret))
        assert answer.status_code == 204, answer.text
        assert (await join(http, headers=joined)).status_code == 200


# what hosts do


async def test_a_host_lets_in_sends_away_locks_and_sees_by_rest(site: Site, meeting: Meeting) -> None:
    be(meeting, access=Who.WAITING_ROOM)
    host = bearer(meeting.host_token)
    async with client(site) as http:
        ann, bob, cid = [(await join(http, name=name)).json() for name in ("Ann", "Bob", "Cid")]
        page = (await http.get("/meetings/standup/waiting", headers=host)).json()
        assert [(view["name"], view["reason"]) for view in page["waiting"]] == [
            ("Ann", "admission"), ("Bob", "admission"), ("Cid", "admission")
        ]  # fmt: skip
        assert (page["total"], page["locked"]) == (3, False)
        for path, body in (
            ("admit", {"waiting_id": bob["waiting_id"]}),
            ("deny", {"waiting_id": ann["waiting_id"]}),
            ("lock", {}),
            ("admit", {"all": True}),
        ):
            assert (await http.post(f"/meetings/standup/{path}", json=body, headers=host)).status_code == 204
        assert meeting.admission.is_locked
        waiting = {one.id: one.is_called for one in meeting.admission.room}
        assert waiting == {bob["waiting_id"]: True, cid["waiting_id"]: True}
        for body in ({}, {"all": True, "waiting_id": "x"}, {"waiting_id": "x" * 65}):
            assert (await http.post("/meetings/standup/admit", json=body, headers=host)).status_code == 400
        missing = await http.post("/meetings/standup/deny", json={"waiting_id": "x"}, headers=host)
        assert (missing.status_code, missing.json()["code"]) == (404, "participant_not_found")


DOOR = {
    "waiting": None,
    "admit": {"all": True},
    "deny": {"waiting_id": "x"},
    "lock": {"locked": True},
    "remove": {"participant_id": "x"},
}


@pytest.mark.parametrize("action", DOOR)
async def test_nobody_else_has_a_say_at_the_door(site: Site, meeting: Meeting, action: str) -> None:
    guest = meeting.join("Ann").token
    async with client(site) as http:
        for headers, status in (({}, 401), (bearer("x"), 401), (bearer(guest), 403)):
            method = "GET" if DOOR[action] is None else "POST"
            response = await http.request(method, f"/meetings/standup/{action}", json=DOOR[action], headers=headers)
            assert response.status_code == status, response.text
    assert not meeting.admission.is_locked


async def test_what_is_revoked_leaves_at_once_and_does_not_come_back(site: Site, meeting: Meeting, where: str) -> None:
    key, secret = ApiKey.create("ops", [Scope.REVOKE])
    access = Access(StaticKeys([KEY]), api_keys=ApiKeys([key]))
    async with client(site, access) as http:
        ann = bearer(token(sub="ann"))
        joined = (await join(http, headers=ann)).json()
        await join(http, name="Guest")
        assert (await http.post("/revocations", json={"identity": "ann"})).status_code == 401
        revoked = await http.post("/revocations", json={"identity": "ann"}, headers=bearer(secret))
        assert revoked.json() == {"removed": int(where == SQLITE)}, "of those who are with the server that was asked"
        await until(lambda: joined["participant_id"] not in meeting.participants, "that Ann is out")
        assert len(meeting.participants) == 1
        assert await refusal(http, headers=ann) == (401, "unauthorized")
        for body in ({}, {"identity": "a", "token_id": "b"}, {"identity": ""}):
            assert (await http.post("/revocations", json=body, headers=bearer(secret))).status_code == 400


# waiting by signaling


@pytest.fixture
def room(meeting: Meeting) -> Meeting:
    return be(meeting, access=Who.WAITING_ROOM)


async def knock(site: Site, name: str = "Ann") -> dict[str, Any]:
    async with client(site) as http:
        answer: dict[str, Any] = (await join(http, name=name)).json()
        return answer


@pytest.mark.parametrize("wire", ["json", "msgpack"])
async def test_who_waits_is_told_its_place_and_then_how_to_connect(
    site: Site, room: Meeting, conference: Conference, clock: VirtualClock, wire: str
) -> None:
    host = Talk(conference, clock, room.id)
    host.hello(room.join("Host", host_token=room.host_token).token)
    first, second = await knock(site, "Ann"), await knock(site, "Bob")
    ann, bob = (Talk(conference, clock, room.id, wire) for _ in range(2))
    assert ann.hello(first["token"]) == {"type": "waiting", "reply": 1, "position": 1, "reason": "admission"}
    assert bob.hello(second["token"])["position"] == 2
    assert ann.request("ping") == {"type": "reply", "reply": 2}
    assert ann.request("publish", source="camera")["code"] == "conflict"
    clock.advance(1)
    told = [message for message in host.received() if message["type"] == "waiting_room"]
    assert [view["name"] for message in told for view in message["joined"]] == ["Ann", "Bob"]
    listed = host.request("waiting_list")
    assert (listed["total"], listed["locked"], listed["next"]) == (2, False, None)
    assert host.request("admit", waiting_id=first["waiting_id"])["type"] == "reply"
    [admitted] = ann.received()
    attendee = room.participants[admitted["join"]["participant_id"]]
    assert admitted == {"type": "admitted", "join": {"participant_id": attendee.id, "token": attendee.token}}
    assert ann.closed == (1000, "admitted")
    clock.advance(1)
    assert {"type": "waiting", "position": 1, "reason": "admission"} in bob.received()
    host.request("deny", waiting_id=second["waiting_id"])
    assert bob.received() == [{"type": "denied", "reason": "denied", "detail": ""}]
    assert bob.closed == (4403, "denied: denied")


async def test_a_socket_that_breaks_while_waiting_may_come_back(
    site: Site, room: Meeting, conference: Conference, clock: VirtualClock
) -> None:
    answer = await knock(site)
    first = Talk(conference, clock, room.id)
    first.hello(answer["token"])
    first.session.disconnected()
    clock.advance(10)
    second, third = (Talk(conference, clock, room.id) for _ in range(2))
    second.hello(answer["token"])
    third.hello(answer["token"])
    assert second.closed == (4409, "replaced by a newer socket")
    third.request("leave")
    assert third.closed is not None
    assert len(room.admission.room) == 0
    late = Talk(conference, clock, room.id)
    assert late.hello(answer["token"])["code"] == "unauthorized"


async def test_who_waits_when_the_server_stops_may_come_back(
    site: Site, room: Meeting, conference: Conference, clock: VirtualClock
) -> None:
    answer, talk = await knock(site), Talk(conference, clock, room.id)
    talk.hello(answer["token"])
    conference.close()
    assert talk.received() == []
    assert talk.closed == (1001, "the server is stopping")


async def test_hosts_lock_and_remove_by_signaling_and_others_do_not(
    meeting: Meeting, conference: Conference, clock: VirtualClock
) -> None:
    host, ann = Talk(conference, clock, meeting.id), Talk(conference, clock, meeting.id)
    host.hello(meeting.join("Host", host_token=meeting.host_token).token)
    joined = meeting.join("Ann")
    ann.hello(joined.token)
    for name, fields in (
        ("lock", {"locked": True}),
        ("remove", {"participant_id": joined.id}),
        ("admit_all", {}),
        ("admit", {"waiting_id": "x"}),
        ("deny", {"waiting_id": "x"}),
        ("waiting_list", {}),
        ("kept_out_list", {}),
        ("readmit", {"kept_out_id": "x"}),
    ):
        assert ann.request(name, **fields)["code"] == "forbidden"
    host.request("lock", locked=True)
    assert {"type": "lock", "locked": True} in ann.received()
    host.request("remove", participant_id=joined.id)
    assert {"type": "removed", "reason": "removed"} in ann.received()
    assert ann.closed == (4403, "removed: removed")
    assert host.request("kept_out_list")["kept_out"] == [], "she hid: there is nothing by which she stays out"
    bob = meeting.join("Bob", grants=Grants(identity="bob"))
    host.request("remove", participant_id=bob.id)
    clock.advance(1)
    assert {"type": "kept_out"} in host.received()
    [one] = host.request("kept_out_list")["kept_out"]
    assert (one["name"], one["reason"], one["until"]) == ("Bob", "removed", None)
    assert host.request("readmit", kept_out_id=one["id"])["type"] == "reply"
    assert host.request("kept_out_list")["kept_out"] == []
    assert host.request("readmit", kept_out_id=one["id"])["code"] == "participant_not_found"


@pytest.mark.parametrize(("reason", "code"), [("revoked", 4403), ("expired", 4403), ("replaced", 4409)])
async def test_who_is_sent_away_is_told_why(
    meeting: Meeting, conference: Conference, clock: VirtualClock, reason: str, code: int
) -> None:
    joined, talk = meeting.join("Ann"), Talk(conference, clock, meeting.id)
    talk.hello(joined.token)
    meeting.remove(joined, LeaveReason(reason))
    assert {"type": "removed", "reason": reason} in talk.received()
    assert talk.closed == (code, f"removed: {reason}")


# how often


async def test_one_address_may_try_so_often_and_others_are_not_held_up(
    site: Site, meeting: Meeting, clock: VirtualClock
) -> None:
    async with client(site, joins_per_address_s=0.5) as http:
        codes = [(await join(http)).status_code for _ in range(8)]
        assert codes == [200] * 4 + [409] + [429] * 3
        clock.advance(2)
        assert (await join(http)).status_code == 409
    async with client(site, joins_per_address_s=0.5, address="192.0.2.2") as http:
        assert (await join(http)).status_code == 409
    async with client(site, joins_per_address_s=0.5, address="127.0.0.1") as http:
        assert {(await join(http)).status_code for _ in range(20)} == {409}


async def test_one_meeting_takes_so_many_tries_from_everybody(site: Site, meeting: Meeting) -> None:
    async with client(site, joins_per_meeting_s=1, address="127.0.0.1") as http:
        codes = [(await join(http)).status_code for _ in range(12)]
    assert codes == [200] * 4 + [409] * 6 + [429] * 2


def test_the_memory_of_addresses_is_bounded(clock: VirtualClock) -> None:
    rates = Rates(clock, 0.1)
    rates.take("first")
    with pytest.raises(RemoteError):
        rates.take("first")
    for number in range(MAX_BUCKETS):
        rates.take(str(number))
    assert len(rates._buckets) == MAX_BUCKETS
    rates.take("first")


def connection(address: str | None, *forwarded: str) -> HTTPConnection:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return HTTPConnection({"type": "http", "headers": headers, "client": (address, 1) if address else None})


@pytest.mark.parametrize(
    ("address", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        (None, ["203.0.113.9"], "None"),
        ("unix", ["203.0.113.9"], "None"),
    ],
)
def test_only_named_proxies_say_whose_request_it_is(address: str, forwarded: list[str], expected: str) -> None:
    assert str(client_address(connection(address, *forwarded), [ip_network("10.0.0.0/8")])) == expected


# from which pages


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://sfu.test:8080", True),
        ("http://SFU.test:8080", True),
        ("https://meet.example.org", True),
        ("https://friend.example", True),
        ("https://friend.example.evil", False),
        ("http://friend.example", False),
        ("http://sfu.test", False),
        ("https://sfu.test:8080", True),
        ("ftp://sfu.test:8080", False),
        ("https://user@sfu.test:8080", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
        ("http://[", False),
        ("http://sfu.test:99999", False),
    ],
)
def test_pages_of_other_sites_open_no_socket(origin: str | None, allowed: bool) -> None:
    headers = [(b"host", b"sfu.test:8080")]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    scope = {"type": "websocket", "headers": headers, "scheme": "ws", "path": "/", "server": ("127.0.0.1", 8080)}
    options = ServerOptions(public_url="https://meet.example.org", origins=("https://friend.example",))

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    assert is_own_origin(WebSocket(scope, nothing, nothing), options) is allowed


# what is told and counted besides


async def test_who_comes_too_often_or_too_early_is_told_when_to_come_again(site: Site, meeting: Meeting) -> None:
    async with client(site, joins_per_address_s=0.05) as http:
        await join(http)
        refused = await join(http)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "20")
    be(meeting, not_before=EPOCH + timedelta(days=2))
    async with client(site) as http:
        refused = await join(http)
        longest_s = meeting.admission.room.options.longest_s
        assert (refused.json()["code"], refused.headers["Retry-After"]) == ("too_early", f"{172_800 - longest_s:.0f}")


async def test_what_happens_at_the_door_is_counted(
    site: Site, conference: Conference, clock: VirtualClock, meeting: Meeting
) -> None:
    stats = conference.admission_stats
    be(meeting, access=Who.WAITING_ROOM)
    async with client(site) as http:
        waiting = [(await join(http, name=name)).json() for name in ("Ann", "Bob")]
        talks = [Talk(conference, clock, meeting.id) for _ in waiting]
        for talk, answer in zip(talks, waiting, strict=True):
            talk.hello(answer["token"])
        clock.advance(30)
        await http.post("/meetings/standup/admit", json={"waiting_id": waiting[0]["waiting_id"]}, auth=site.operator)
        await http.post("/meetings/standup/deny", json={"waiting_id": waiting[1]["waiting_id"]}, auth=site.operator)
        assert await refusal(http, host_token="wrong") == (403, "forbidden")
    assert (stats.admitted, dict(stats.refused)) == (1, {"denied": 1, "forbidden": 1})
    assert (stats.waits.cumulative()[-1], round(stats.waits.total_s)) == (1, 30)
