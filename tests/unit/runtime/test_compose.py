"""What the configuration says arrives at the parts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from cryptography.x509 import load_der_x509_certificate
from tests.support.clock import EPOCH, VirtualClock

from sfu.config import load
from sfu.dtls.certificate import Certificate
from sfu.rtp.codecs import CodecName
from sfu.runtime import compose
from sfu.runtime.server import address_to_open


def config_of(**sections):
    return load(environment={}, overrides=sections)


def test_the_engine_gets_its_addresses_ports_and_cpus():
    config = config_of(media={"listen": ["::1"], "port": 5000, "shards": 2, "cpus": [1, 3]})
    options = compose.engine_options(config, Certificate.generate(EPOCH), ("192.0.2.1",))
    assert (options.listen, options.port, options.shards, options.cpus) == (("::1",), 5000, 2, (1, 3))
    assert options.advertise == ("192.0.2.1",)


def test_the_conference_gets_its_limits_and_the_order_of_codecs():
    config = config_of(
        meeting={"max_participants": 7, "video_slots_initial": 2, "max_viewers": 5, "empty_meeting_s": 60},
        codecs={"video": ["av1", "vp8"], "audio": ["opus"]},
    )
    options = compose.conference_options(config)
    assert (options.max_participants, options.video_slots_initial, options.audio_slots) == (7, 2, 3)
    assert (options.max_viewers, options.empty_meeting_s) == (5, 60)
    assert options.codecs.video == (CodecName.AV1, CodecName.VP8)


def test_plugins_get_the_public_url_without_a_slash_and_the_token():
    config = config_of(server={"public_url": "https://meet.example.org/"}, auth={"whip_token": "hunter2"})
    options = compose.server_options(config, dev=True, clock=VirtualClock())
    assert (options.public_url, options.whip_token, options.dev) == ("https://meet.example.org", "hunter2", True)
    assert "hunter2" not in repr(options)


def test_turn_credentials_are_made_for_each_participant_and_expire():
    clock = VirtualClock()
    servers = [
        {"urls": ["stun:stun.example.org"]},
        {"urls": ["turn:turn.example.org"], "secret": "s", "ttl_s": 600, "username": "sfu"},
        {"urls": ["turn:old.example.org"], "username": "u", "credential": "c"},
    ]
    for_participant = compose.ice_servers(config_of(ice={"servers": servers}), clock)
    stun, turn, old = for_participant("ann")
    expires = int(clock.wall().timestamp()) + 600
    assert (stun.username, stun.credential) == (None, None)
    assert turn.username == f"{expires}:sfu-ann"
    assert turn.credential != for_participant("bob")[1].credential
    assert (old.username, old.credential) == ("u", "c")


def test_the_certificate_comes_from_the_files_or_is_made(tmp_path: Path):
    now = datetime.now(UTC)
    made = Certificate.generate(now)
    key = load_der_private_key(made.private_key_der, None)
    (tmp_path / "c.pem").write_bytes(load_der_x509_certificate(made.certificate_der).public_bytes(Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files = {"certificate": str(tmp_path / "c.pem"), "private_key": str(tmp_path / "k.pem")}
    assert compose.certificate(config_of(dtls=files), now).fingerprint() == made.fingerprint()
    assert compose.certificate(config_of(), now).fingerprint() != made.fingerprint()


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ({}, "http://localhost:8080"),
        ({"host": "127.0.0.1", "port": 81}, "http://127.0.0.1:81"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"host": "::"}, "http://localhost:8080"),
        ({"public_url": "https://meet.example.org"}, "https://meet.example.org"),
    ],
)
def test_the_address_to_open_is_one_that_a_browser_here_can_open(server, url):
    assert address_to_open(config_of(server=server)) == url
