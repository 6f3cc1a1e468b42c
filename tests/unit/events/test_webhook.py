"""What a webhook gets: a signed CloudEvent; and what its answers mean."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator

import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.receiver import WebhookReceiver, webhook_receiver

from sfu.conference.happenings import happening
from sfu.conference.outbox import Entry
from sfu.events.envelope import encoded
from sfu.events.signature import key_of, new_secret, signature
from sfu.events.sink import NotTaken
from sfu.events.webhook import Webhook

ENTRY = Entry(7, happening("participant.removed", "weekly", EPOCH, name="Zoë", by=None))
SOURCE = "https://meet.example.org"
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


def tell(url: str, entry: Entry = ENTRY, timeout_s: float = 10.0) -> None:
    async def main() -> None:
        webhook = Webhook(
            "hook", url, [NEW, OLD], VirtualClock(), source="https://meet.example.org", timeout_s=timeout_s
        )
        try:
            await webhook.tell(entry)
        finally:
            await webhook.close()

    asyncio.run(main())


def refusal(url: str, **how: float) -> NotTaken:
    with pytest.raises(NotTaken) as caught:
        tell(url, **how)  # type: ignore[arg-type]
    return caught.value


def test_it_gets_a_cloud_event_signed_with_each_secret(receiver: WebhookReceiver) -> None:
    tell(receiver.url)
    [(headers, body)] = receiver.requests
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": ENTRY.happening.id,
        "source": "https://meet.example.org",
        "type": "sfu.participant.removed",
        "subject": "weekly",
        "time": "2026-01-01T00:00:00.000Z",
        "sequence": "000000000007",
        "datacontenttype": "application/json",
        "data": {"name": "Zoë", "by": None},
    }
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["webhook-id"] == ENTRY.happening.id
    assert headers["webhook-timestamp"] == str(int(EPOCH.timestamp()))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = ["v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in (NEW, OLD)]
    assert headers["webhook-signature"].split(" ") == expected
    assert encoded(ENTRY, "a") == encoded(ENTRY, "a")


def test_a_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification's reference libraries.
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected


@pytest.mark.parametrize(
    ("status", "is_away"),
    [(500, True), (503, True), (429, True), (408, True), (400, False), (410, False), (302, False)],
)
def test_whatever_is_no_success_is_told_again_and_says_whose_fault_it_is(
    receiver: WebhookReceiver, status: int, is_away: bool
) -> None:
    receiver.answer = lambda _event: status
    receiver.headers = {"location": receiver.url, "retry-after": "17"}
    error = refusal(receiver.url)
    assert (error.is_away, error.retry_after_s) == (is_away, 0.0 if status == 302 else 17.0)
    assert str(status) in error.detail
    assert len(receiver.requests) == 1, "no redirect is followed"


@pytest.mark.parametrize("retry_after", ["-1", "soon", "99999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "²"])
def test_a_strange_wish_is_none(receiver: WebhookReceiver, retry_after: str) -> None:
    receiver.answer = lambda _event: 503
    receiver.headers = {"retry-after": retry_after.encode().decode("latin-1")}
    assert refusal(receiver.url).retry_after_s == 0.0


def test_who_does_not_answer_or_speaks_something_else_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert refusal(url, timeout_s=0.2).detail == "no answer within 0.2 s"
    assert refusal(url).is_away


def test_a_secret_that_is_none_is_refused_without_being_told() -> None:
    assert len(key_of(new_secret())) == 32
    for wrong, why in (("geheim", "begins with"), ("whsec_ge heim", "base64"), ("whsec_Z2VoZWlt", "6 bytes")):
        with pytest.raises(ValueError, match=why) as caught:
            key_of(wrong)
        assert wrong not in str(caught.value)
