"""The configuration: every key, its default, its unit and its accepted form.

Read from a TOML file, overridden by environment variables (``SFU_SERVER__PORT=8081``), overridden by the
command line. ``config.example.toml`` shows every key with its default; a test holds both equal. Nothing
here does anything with a value: ``sfu.runtime`` turns sections into the small options of each part.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from sfu.config_access import AdmissionSection, AuthSection
from sfu.config_cluster import RedisSection
from sfu.config_events import EventsSection, KafkaSection, WebhookSection
from sfu.config_hooks import HooksSection
from sfu.config_report import ACCEPTED_ADDRESS, ACCEPTED_ICE_URL, ConfigErrors, Sources, problems_of
from sfu.config_section import Section
from sfu.errors import ConfigError
from sfu.ice.servers import IceUrl
from sfu.rtp.codecs import CodecName

ENV_PREFIX = "SFU_"
ENV_DELIMITER = "__"
MAX_FILE_BYTES = 1024 * 1024
"""Every key with a comment is some 10 kB; a device or a video named by mistake has no end."""
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a server is there to be reached; --dev and the host keys narrow it


def _canonical_address(text: str) -> str:
    return str(ip_address(text))


def _checked_ice_url(text: str) -> str:
    IceUrl.parse(text)
    return text


Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, AfterValidator(_canonical_address), Field(json_schema_extra={"accepted": ACCEPTED_ADDRESS})]
IceServerUrl = Annotated[str, AfterValidator(_checked_ice_url), Field(json_schema_extra={"accepted": ACCEPTED_ICE_URL})]
AudioCodec = Literal[CodecName.OPUS, CodecName.RED]
VideoCodec = Literal[CodecName.VP8, CodecName.VP9, CodecName.H264, CodecName.AV1]
SourceName = Literal["microphone", "camera", "screen", "screen_audio"]
BUILT_IN_PLUGINS = ("meetings", "signaling_ws", "whip", "observability", "page")


class ServerSection(Section):
    """``[server]``: HTTP and the life of the process."""

    host: str = Field(ANY_ADDRESS, min_length=1, description="address that HTTP and WebSocket listen on")
    port: Port = Field(8080, description="TCP port of HTTP and WebSocket")
    public_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s/]+(/[^\s]*)?$",
        description='base URL in join links, like "https://meet.example.org"; "" takes it from each request',
    )
    grace_period_s: float = Field(10.0, ge=0, le=300, description="seconds that a stop may take")


class MediaSection(Section):
    """``[media]``: the data plane and its UDP sockets."""

    listen: tuple[Address, ...] = Field(
        (ANY_ADDRESS,), min_length=1, max_length=8, description="addresses that media listens on"
    )
    port: Port = Field(40000, description="UDP port of the first shard; shard i takes port + i")
    shards: int = Field(1, ge=1, le=256, description="data-plane threads")
    cpus: tuple[Annotated[int, Field(ge=0, le=4095)], ...] = Field(
        (), max_length=256, description="CPU that each shard is pinned to, in order; [] pins none"
    )
    advertise: tuple[Address, ...] = Field(
        (), max_length=16, description="addresses to tell clients instead of those listened on (behind NAT)"
    )
    stun: str = Field(
        "",
        pattern=r"^$|^stun:[^\s]+$",
        description='STUN server to ask for the public address at start, like "stun:stun.example.org:3478"',
    )

    @model_validator(mode="after")
    def _fits(self) -> MediaSection:
        if self.port + self.shards - 1 > 65535:
            raise ValueError(f"port {self.port} + shards {self.shards} passes 65535; take a lower port")
        if self.cpus and len(self.cpus) != self.shards:
            raise ValueError(f"cpus names {len(self.cpus)} CPUs for {self.shards} shards; name one for each")
        return self


class DtlsSection(Section):
    """``[dtls]``: the certificate that clients see."""

    certificate: str = Field("", description='PEM file of the certificate; "" makes one at each start')
    private_key: str = Field("", description="PEM file of its private key (ECDSA P-256, unencrypted)")

    @model_validator(mode="after")
    def _pair(self) -> DtlsSection:
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("certificate and private_key go together; give both or none")
        return self


class CodecsSection(Section):
    """``[codecs]``: what is negotiated, most wanted first."""

    audio: tuple[AudioCodec, ...] = Field(
        (CodecName.OPUS, CodecName.RED), min_length=1, description="audio codecs, most wanted first"
    )
    video: tuple[VideoCodec, ...] = Field(
        (CodecName.VP8, CodecName.VP9, CodecName.H264, CodecName.AV1),
        min_length=1,
        description="video codecs, most wanted first",
    )

    @model_validator(mode="after")
    def _opus_and_no_doubles(self) -> CodecsSection:
        for name, codecs in (("audio", self.audio), ("video", self.video)):
            if len(set(codecs)) != len(codecs):
                raise ValueError(f"{name} names a codec twice")
        if CodecName.OPUS not in self.audio:
            raise ValueError('audio must have "opus" (red only carries it)')
        return self


class MeetingSection(Section):
    """``[meeting]``: limits of meetings."""

    max_meetings: int = Field(1000, ge=1, le=100_000, description="meetings at a time")
    max_participants: int = Field(100, ge=1, le=10_000, description="participants in one meeting")
    max_viewers: int = Field(100, ge=0, le=10_000, description="WHEP receivers in one meeting")
    empty_meeting_s: float = Field(3600.0, ge=1, le=604_800, description="seconds that an empty meeting lives")
    join_link_s: float = Field(
        2_592_000.0, ge=60, le=315_360_000, description="seconds that a join link is good, from now or the planned end"
    )
    resume_window_s: float = Field(
        30.0, ge=0, le=3600, description="seconds that a lost signaling socket may stay away"
    )
    audio_slots: int = Field(3, ge=1, le=16, description="audio m-lines that a participant receives on")
    video_slots_initial: int = Field(4, ge=0, le=49, description="video m-lines in the first offer")
    video_slots_max: int = Field(49, ge=0, le=49, description="video m-lines that a participant may ask for")
    max_cameras: int = Field(10_000, ge=0, le=10_000, description="cameras that are on in a meeting at a time")
    max_video: int = Field(49, ge=0, le=49, description="videos that a participant receives at a time")
    max_screens: int = Field(1, ge=0, le=49, description="screens that are shared in a meeting at a time")
    publish: tuple[SourceName, ...] = Field(
        ("microphone", "camera", "screen", "screen_audio"),
        max_length=4,
        description="what participants may publish who are no hosts",
    )
    audience: bool = Field(False, description="who joins publishes nothing until a host permits it")
    chat: Literal["everyone", "hosts", "off"] = Field("everyone", description="who may write in the chat")
    direct_messages: bool = Field(True, description="whether one may write to one participant alone")
    keep_chat: bool = Field(False, description="what is said is kept when the server is started again")

    @model_validator(mode="after")
    def _slots(self) -> MeetingSection:
        if self.video_slots_initial > self.video_slots_max:
            raise ValueError("video_slots_initial is above video_slots_max")
        return self


class StoreSection(Section):
    """``[store]``: where meetings are written down."""

    url: SecretStr = Field(
        SecretStr(""),
        max_length=1000,
        description='database, like "postgresql://sfu@db.example.org/sfu"; "": SQLite in data_dir; "memory:": none',
    )
    data_dir: str = Field("", description='data folder; "": $STATE_DIRECTORY, else sfu below $XDG_STATE_HOME')
    journal_max_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        le=1024**4,
        description="most that is kept on disk for a database that is away, bytes",
    )
    ended_days: float = Field(
        0.0, ge=0, le=36_500, description="how long meetings that have ended are known; 0: for good"
    )
    chat_days: float = Field(30.0, gt=0, le=3650, description="how long what is said is kept, where it is kept")


class LayersSection(Section):
    """``[layers]``: who gets which layers."""

    policy: str = Field(
        "",
        max_length=200,
        pattern=r"^$|^[^:\s]+:[^:\s]+$",
        description='a layer policy of your own, "module:object"; "" takes the built-in one',
    )
    adaptive: bool = Field(True, description="measure each receiver's network, and choose layers and pace by it")
    start_bps: int = Field(
        300_000, ge=30_000, le=1_000_000_000, description="estimate of a receiver's network before it is measured"
    )
    max_bps: int = Field(20_000_000, ge=30_000, le=1_000_000_000, description="most that a receiver is sent")
    max_load: float = Field(
        0.7, ge=0.01, le=1, description="share of time that a shard may be busy before receivers get less video"
    )

    @model_validator(mode="after")
    def _in_order(self) -> LayersSection:
        if self.start_bps > self.max_bps:
            raise ValueError("start_bps is above max_bps")
        return self


class IceServerSection(Section):
    """One table of ``[[ice.servers]]``: a STUN or TURN server to tell clients."""

    urls: tuple[IceServerUrl, ...] = Field(
        min_length=1, max_length=8, description='URLs like "turn:turn.example.org:3478?transport=udp"'
    )
    username: str = Field("", description='user name of a TURN server; with secret: prefix of the name, "" for none')
    credential: SecretStr = Field(SecretStr(""), description="password of a TURN server")
    secret: SecretStr = Field(
        SecretStr(""), description="shared secret of a TURN server, for credentials made for each participant"
    )
    ttl_s: int = Field(86400, ge=60, le=604_800, description="seconds that made credentials are good for")

    @model_validator(mode="after")
    def _one_credential(self) -> IceServerSection:
        if self.credential.get_secret_value() and self.secret.get_secret_value():
            raise ValueError("give credential or secret, not both")
        return self


class IceSection(Section):
    """``[ice]``: what clients are told about reaching this server."""

    servers: tuple[IceServerSection, ...] = Field((), max_length=16, description="STUN and TURN servers for clients")


class LogSection(Section):
    """``[log]``: to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe level that is written"
    )
    format: Literal["console", "json"] = Field("console", description="for people, or one JSON object a line")


class Config(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_DELIMITER
    )
    plugins: tuple[str, ...] = Field(
        BUILT_IN_PLUGINS,
        max_length=64,
        description='built-in names, names of installed plugins, or "module:object"; in the order of loading',
    )
    server: ServerSection = ServerSection()
    media: MediaSection = MediaSection()
    dtls: DtlsSection = DtlsSection()
    codecs: CodecsSection = CodecsSection()
    meeting: MeetingSection = MeetingSection()
    store: StoreSection = StoreSection()
    redis: RedisSection = RedisSection()
    layers: LayersSection = LayersSection()
    auth: AuthSection = AuthSection()
    admission: AdmissionSection = AdmissionSection()
    hooks: HooksSection = HooksSection()
    ice: IceSection = IceSection()
    log: LogSection = LogSection()
    events: EventsSection = EventsSection()
    webhooks: tuple[WebhookSection, ...] = Field(
        (),
        max_length=16,
        description="who is told of events by HTTP",
        json_schema_extra={"accepted": "at most 16 tables, each with a name of its own"},
    )
    kafka: KafkaSection = KafkaSection()
    plugin: dict[str, dict[str, Any]] = Field({}, description="settings of plugins, a table for each")

    @field_validator("webhooks")
    @classmethod
    def _each_its_name(cls, webhooks: tuple[WebhookSection, ...]) -> tuple[WebhookSection, ...]:
        if len({hook.name for hook in webhooks}) < len(webhooks):
            raise ValueError("two have the same name")
        return webhooks

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load`` merged: it has to know which source each value came from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The configuration from file, environment and overrides (nested like the file; they win).

    Raises ``ConfigErrors`` with one ``ConfigError`` for each thing that is wrong.
    """
    environment = os.environ if environment is None else environment
    file = _read_file(path) if path else {}
    env = _read_environment(environment)
    sources = Sources(str(path or "defaults"), env, overrides or {}, ENV_PREFIX, ENV_DELIMITER)
    try:
        return Config(**_merged(file, env, overrides or {}))
    except ValidationError as error:
        raise ConfigErrors("configuration", problems_of(error, Config, sources)) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise _one(str(path), f"is longer than {MAX_FILE_BYTES} bytes", "is it the right file?")
        return tomllib.loads(text.decode())
    except OSError as error:
        raise _one(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _one(str(path), f"is not UTF-8 text (byte {error.start})") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _one(str(path), f"is not TOML: {error}") from error


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Values of ``SFU_<SECTION>__<KEY>``; lists and tables as JSON."""
    relevant = {name: value for name, value in environment.items() if name.upper().startswith(ENV_PREFIX)}
    for name in relevant:
        section = name.upper().removeprefix(ENV_PREFIX).split(ENV_DELIMITER)[0].lower()
        if ENV_DELIMITER in name and section not in Config.model_fields:
            raise _one(f"environment {name}", f"there is no section [{section}]", _section_names())
    return _merged(*(_read_variable(name, value) for name, value in sorted(relevant.items())))


def _read_variable(name: str, value: str) -> dict[str, Any]:
    source = EnvSettingsSource(Config)
    source.env_vars = {name.lower(): value}
    try:
        return source()
    except (SettingsError, ValueError) as error:
        raise _one(f"environment {name}", "cannot be parsed", 'lists and tables are JSON, like ["a", "b"]') from error


def _section_names() -> str:
    return "sections: " + ", ".join(Config.model_fields)


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; everything else, lists too, replaced by the later layer."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = merged.get(key)
            if isinstance(below, Mapping) and isinstance(value, Mapping):
                merged[key] = _merged(below, value)
            else:
                merged[key] = value
    return merged


def _one(key: str, detail: str, hint: str = "") -> ConfigErrors:
    return ConfigErrors("configuration", [ConfigError(key, detail, hint)])
