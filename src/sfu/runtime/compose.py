"""From the configuration to the small options of each part. Nothing else knows both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

from sfu.clock import Clock
from sfu.conference import ConferenceOptions, Source
from sfu.conference.chat_views import ChatMode
from sfu.conference.hooks import Hook
from sfu.conference.options import Duplicates
from sfu.conference.rights import Rules
from sfu.conference.waiting import WaitingOptions
from sfu.config import Config, IceServerSection
from sfu.dtls.certificate import Certificate
from sfu.ice.servers import IceServer
from sfu.media.engine import EngineOptions
from sfu.plugins.api import ServerOptions
from sfu.runtime.events import event_options
from sfu.runtime.hooks import HookOptions
from sfu.sdp.negotiate import CodecPolicy


def certificate(config: Config, now: datetime) -> Certificate:
    """That of the configuration, else a new one. Raises ``ConfigError``."""
    if config.dtls.certificate:
        return Certificate.load(Path(config.dtls.certificate), Path(config.dtls.private_key), now)
    return Certificate.generate(now)


def engine_options(config: Config, certificate: Certificate, advertise: tuple[str, ...]) -> EngineOptions:
    """``advertise``: the addresses to tell clients, with those found out at start."""
    return EngineOptions(
        certificate=certificate,
        listen=config.media.listen,
        port=config.media.port,
        shards=config.media.shards,
        cpus=config.media.cpus,
        advertise=advertise,
    )


def codec_policy(config: Config) -> CodecPolicy:
    """Order of codecs."""
    return CodecPolicy(audio=config.codecs.audio, video=config.codecs.video)


def conference_options(config: Config) -> ConferenceOptions:
    """Limits of meetings."""
    meeting = config.meeting
    return ConferenceOptions(
        max_meetings=meeting.max_meetings,
        max_participants=meeting.max_participants,
        max_viewers=meeting.max_viewers,
        empty_meeting_s=meeting.empty_meeting_s,
        join_link_s=meeting.join_link_s,
        resume_window_s=meeting.resume_window_s,
        audio_slots=meeting.audio_slots,
        video_slots_initial=meeting.video_slots_initial,
        video_slots_max=meeting.video_slots_max,
        duplicates=Duplicates(config.admission.duplicate_identity),
        waiting=WaitingOptions(
            max_waiting=config.admission.max_waiting,
            longest_s=config.admission.longest_wait_s,
            admit_per_s=config.admission.admit_per_s,
        ),
        rules=Rules(
            max_cameras=meeting.max_cameras,
            max_video=meeting.max_video,
            max_screens=meeting.max_screens,
            publish=frozenset(map(Source, meeting.publish)),
            audience=meeting.audience,
            chat=ChatMode(meeting.chat),
            direct_messages=meeting.direct_messages,
            keep_chat=meeting.keep_chat,
        ),
        events=event_options(config),
        adaptive=config.layers.adaptive,
        start_bps=config.layers.start_bps,
        max_bps=config.layers.max_bps,
        max_load=config.layers.max_load,
        codecs=codec_policy(config),
    )


def hook_options(config: Config) -> HookOptions:
    """How plugins are asked before something happens."""
    hooks = config.hooks
    return HookOptions(
        timeout_s=hooks.timeout_s,
        max_waiting=hooks.max_waiting,
        fails_open=frozenset(hook for hook in Hook if getattr(hooks, hook) == "allow"),
    )


def server_options(config: Config, *, dev: bool, clock: Clock) -> ServerOptions:
    """What plugins are told."""
    return ServerOptions(
        public_url=config.server.public_url.rstrip("/"),
        dev=dev,
        whip_token=config.auth.whip_token.get_secret_value(),
        origins=config.admission.origins,
        trusted_proxies=tuple(map(ip_network, config.admission.trusted_proxies)),
        joins_per_address_s=config.admission.joins_per_address_s,
        joins_per_meeting_s=config.admission.joins_per_meeting_s,
        resume_window_s=config.meeting.resume_window_s,
        codecs=codec_policy(config),
        ice_servers=ice_servers(config, clock),
    )


def ice_servers(config: Config, clock: Clock) -> Callable[[str], tuple[IceServer, ...]]:
    """Gives the servers for a participant: TURN credentials are good for one participant and some time."""

    def for_participant(participant_id: str) -> tuple[IceServer, ...]:
        now_unix_s = clock.wall().timestamp()
        return tuple(_ice_server(section, participant_id, now_unix_s) for section in config.ice.servers)

    return for_participant


def _ice_server(section: IceServerSection, participant_id: str, now_unix_s: float) -> IceServer:
    secret = section.secret.get_secret_value()
    if secret:
        name = f"{section.username}-{participant_id}" if section.username else participant_id
        return IceServer.turn(section.urls, secret, name, now_unix_s=now_unix_s, ttl_s=section.ttl_s)
    return IceServer(section.urls, section.username or None, section.credential.get_secret_value() or None)
