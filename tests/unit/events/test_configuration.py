"""Who is told, as the configuration says it: what is wrong is said before anything starts, and no secret with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfu.conference.happenings import ChatEvents
from sfu.config import Config, load
from sfu.config_report import ConfigErrors
from sfu.errors import ConfigError
from sfu.events.signature import new_secret
from sfu.runtime.events import check_events, event_options, sink_options, wanted

HOOK = {"name": "billing", "url": "https://billing.example.org/hook", "secrets": ["env:HOOK_SECRET"]}


def loaded(**tables: object) -> Config:
    return load(environment={}, overrides=tables)


def faults(**tables: object) -> str:
    with pytest.raises(ConfigErrors) as caught:
        loaded(**tables)
    return "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ({"name": "Billing"}, "webhooks[0].name"),
        ({"name": "kafka"}, "is taken"),
        ({"url": "ftp://example.org/"}, "webhooks[0].url"),
        ({"url": "https://user:geheim@example.org/"}, "webhooks[0].url"),
        ({"secrets": []}, "webhooks[0].secrets"),
        ({"secrets": ["env:A", "env:B", "env:C"]}, "webhooks[0].secrets"),
        ({"secrets": ["whsec_Z2VoZWlt"]}, "webhooks[0].secrets"),
        ({"events": ["meetings.*"]}, "webhooks[0].events"),
        ({"timeout_s": 0}, "webhooks[0].timeout_s"),
    ],
)
def test_a_webhook_that_can_not_be_told_is_named(hook: dict[str, object], said: str) -> None:
    fault = faults(webhooks=[{**HOOK, **hook}])
    assert said in fault
    assert "geheim" not in fault
    assert "whsec_" not in fault


def test_two_webhooks_of_one_name_would_share_their_place_in_the_outbox() -> None:
    assert "a name of its own" in faults(webhooks=[HOOK, HOOK])


def test_who_brokers_are_to_know_needs_a_password() -> None:
    assert "username and password" in faults(kafka={"brokers": ["a:1"], "mechanism": "PLAIN", "username": "sfu"})
    assert "kafka.brokers" in faults(kafka={"brokers": ["kafka.example.org"]})


def test_secrets_are_read_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    config = loaded(webhooks=[{**HOOK, "secrets": ["env:HOOK_SECRET", f"file:{file}"]}])
    with pytest.raises(ConfigError, match="no HOOK_SECRET"):
        check_events(config)
    monkeypatch.setenv("HOOK_SECRET", new_secret())
    with pytest.raises(ConfigError, match="can not be read"):
        check_events(config)
    file.write_text("geheim\n")
    with pytest.raises(ConfigError, match="begins with whsec_") as caught:
        check_events(config)
    assert "geheim" not in str(caught.value)
    file.write_text(f"{new_secret()}\n")
    check_events(config)


def test_nobody_is_told_of_what_nobody_asked_for() -> None:
    assert wanted(loaded()) == {}
    assert not event_options(loaded()).wants("meeting.created")
    config = loaded(
        webhooks=[{**HOOK, "events": ["participant.*"]}],
        kafka={"brokers": ["a:1"], "events": ["sfu.meeting.ended"]},
        events={"chat": "text"},
    )
    assert list(sink_options(config)) == ["billing", "kafka"]
    options = event_options(config)
    assert options.chat is ChatEvents.TEXT
    assert [options.wants(kind) for kind in ("participant.left", "meeting.ended", "track.muted")] == [True, True, False]
