"""The waist between Python and Rust: every call that crosses it.

Commands are queued and applied by the shard thread between two batches of packets, in order; they
never block and never fail here for reasons only the shard knows (those come back as a
``command_failed`` event). Wrong types or values out of range raise ``ValueError`` at once.

Enumerations cross as strings, ids as ``int`` in 1..2**32-1 chosen by the caller.

* kind: ``"audio" | "video"``
* codec: ``(name, variant)`` with name ``"opus" | "red" | "vp8" | "vp9" | "h264" | "av1"``, variant 0..255
* profile: ``"AEAD_AES_128_GCM" | "AEAD_AES_256_GCM" | "AES128_CM_HMAC_SHA1_80"``
* extension: ``"mid" | "rid" | "repaired_rid" | "audio_level" | "abs_send_time" | "transport_cc" |
  "video_orientation" | "playout_delay" | "dependency_descriptor" | "abs_capture_time"``
"""

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias, final

from typing_extensions import disjoint_base

__all__ = [
    "DEBUG_BUILD",
    "DtlsSession",
    "History",
    "LoadGen",
    "NetSim",
    "Shard",
    "SimShard",
    "SrtpContext",
    "_Commands",
    "__version__",
    "lte_trace",
    "measure_floor",
    "parse_rtcp",
    "parse_rtp",
    "parse_stun",
]

__version__: str
DEBUG_BUILD: bool

_Address: TypeAlias = tuple[str, int]
_CodecId: TypeAlias = tuple[str, int]
_PayloadType: TypeAlias = tuple[int, _CodecId, int, int | None]
"""(pt, codec, clock_rate_hz, rtx_pt)"""
_RtpMap: TypeAlias = tuple[Sequence[_PayloadType], Sequence[tuple[int, str]]]
"""(payload types, [(extension id, extension)])"""
_Encoding: TypeAlias = tuple[str | None, int | None, int | None]
"""(rid, ssrc, rtx_ssrc)"""
_Event: TypeAlias = tuple[Any, ...]
"""
("dtls", transport, datagram: bytes)
("ice_selected", transport, (ip, port), socket_index, restarted: bool)
("consent_expired", transport)
("encoding_started", producer, encoding_index, ssrc, codec)
("consumer_layers", consumer, producer, spatial, temporal)
("bandwidth", transport, estimate_bps, congested: bool, cause)
                                    cause: "delay" | "loss" | "probe" | "growth" | "remb" | "timeout";
                                    at once when it fell or congestion began or ended, else every 100 ms at most
("consumer_shed", consumer, spatial, temporal)
                                    too much waited to be sent: the shard itself lowered it to these layers
("encoding_active", producer, encoding_index, active: bool)
("consumer_codec_unsupported", consumer, producer, codec)
("stage_changed", router, [producer | None])
                                    who stands where; the last position is the reserve
("levels", router, bytes)           what was heard in the last 100 ms, ten times a second while anybody is heard: nine
                                    bytes for each producer, its id (little endian) and five levels of RFC 6464
("command_failed", command, id, reason)
("overflow", lost)
("warning", text)                   something an operator should know; it works all the same
("shard_failed", reason)            the shard thread ended (panic or I/O error); nothing more comes
"""
_Snapshot: TypeAlias = dict[str, Any]
"""
{"now_us": int,
 "counters": {name: int},                 packets, bytes, …; io_…: a running shard's sockets
 "drops": {reason: int},
 "routers": [id],
 "stages": {router: [producer | None]},   who stands where; the last position is the reserve
 "consent_ages_us": {transport: int},     since the last valid check; not there: there was none
 "transports": {id: {name: int|float|str|None}},
 "producers":  {id: {..., "encodings": [{..., "layer_bitrates_bps": [int] * 16}]}},
 "consumers":  {id: {...}}}
The exact names are those of crates/core/src/stats.rs. The last three are mappings that make an object's dictionary
when it is asked for.
"""

@disjoint_base
class _Commands:
    """Commands common to a running and a simulated shard."""

    def wake_soon(self, callback: Callable[[], object] | None) -> None:
        """``callback`` is to have ``wake`` called soon: it is called by the first of the commands that wait for that,
        so that many of them wake the shard once. None: each command wakes it at once. What the shard has from before
        is applied in any case.
        """

    def wake(self) -> None:
        """The commands that wait are applied now. A shard that wakes by itself, as packets come, applies them too."""

    def add_router(self, router: int) -> None: ...
    def remove_router(self, router: int) -> None: ...
    def add_transport(self, transport: int, router: int, ufrag: str, pwd: str) -> None: ...
    def remove_transport(self, transport: int) -> None: ...
    def restart_ice(self, transport: int, ufrag: str, pwd: str) -> None: ...
    def set_srtp_keys(
        self, transport: int, profile: str, send_key: bytes, send_salt: bytes, receive_key: bytes, receive_salt: bytes
    ) -> None: ...
    def send_dtls(self, transport: int, datagram: bytes) -> None: ...
    def set_rtp(self, transport: int, receive: _RtpMap, send: _RtpMap, rtcp_reduced_size: bool) -> None: ...
    def set_bandwidth(self, transport: int, min_bps: int, start_bps: int, max_bps: int) -> None:
        """Estimates from now on what the client's network carries, within bounds, and paces what it is sent by that.

        Never called: media goes out as it comes.
        """
    def set_desired_bitrate(self, transport: int, bps: int) -> None:
        """What would be sent if the network carried it: probes are for that. 0: none; never called: for all.

        Fails before ``set_bandwidth``.
        """
    def add_producer(
        self, producer: int, transport: int, kind: str, mid: str, encodings: Sequence[_Encoding]
    ) -> None: ...
    def remove_producer(self, producer: int) -> None: ...
    def pause_producer(self, producer: int, paused: bool) -> None: ...
    def add_consumer(
        self, consumer: int, transport: int, kind: str, mid: str, ssrc: int, rtx_ssrc: int | None, cname: str
    ) -> None: ...
    def remove_consumer(self, consumer: int) -> None: ...
    def switch_consumer(self, consumer: int, producer: int | None) -> None: ...
    def set_layers(self, consumer: int, spatial: int, temporal: int) -> None: ...
    def set_priority(self, consumer: int, priority: int) -> None:
        """0..255, 128 at first: the lowest sheds its layers first when too much waits to be sent."""
    def pause_consumer(self, consumer: int, paused: bool) -> None: ...
    def set_stage(self, router: int, slots: int, forward_silence: bool) -> None:
        """Makes the router's stage, ``slots`` positions (1..16) and a reserve; or changes whether silence goes on."""
    def stage_producer(self, producer: int, staged: bool, always: bool) -> None:
        """Brings an audio producer on the stage or takes it off. ``always``: it sounds unless it is digital silence."""
    def stage_consumer(self, consumer: int, position: int | None) -> None:
        """Feeds an audio consumer from a position of the stage, whoever stands there; where that is its own client,
        from the reserve. ``switch_consumer`` ends it.
        """
    def set_speakers(self, router: int, dominant: int | None, audible: Sequence[int]) -> None:
        """Who has the floor and who speaks, by producer; at most 64. Those who are gone are left out."""
    def request_keyframe(self, producer: int) -> None: ...
    def poll_events(self, limit: int = 1024) -> list[_Event]: ...
    @property
    def busy_us(self) -> int:
        """How long the shard did not wait for anything, microseconds since its start (a simulated shard: 0)."""
    def snapshot(self) -> _Snapshot:
        """State as the shard last published it (at most 1 s old; a simulated shard: now)."""

@final
class Shard(_Commands):
    """A running data-plane thread with its UDP sockets."""

    def __new__(
        cls,
        listen: Sequence[_Address],
        *,
        cpu: int | None = None,
        name: str = "sfu-shard",
        seed: int | None = None,
        offload: bool = True,
    ) -> Self:
        """Binds one socket per address (port 0: any) and starts the thread. OSError when it cannot.

        ``offload``: segmentation and receive offload where the kernel has them.
        """
    @property
    def local_addresses(self) -> list[_Address]:
        """Bound addresses; the index is the socket index of ``ice_selected``."""
    @property
    def event_fd(self) -> int:
        """Becomes readable when events wait; ``poll_events`` clears it."""
    def close(self) -> None:
        """Sends what waits, stops the thread and joins it (GIL released). Idempotent; later commands do nothing."""

@final
class SimShard(_Commands):
    """The same shard without thread, sockets or clock: tests drive it in virtual time."""

    def __new__(cls, *, seed: int = 0, ntp_offset_us: int = 0) -> Self: ...
    def handle(self, now_us: int, datagrams: Sequence[tuple[_Address, bytes]]) -> list[tuple[_Address, bytes]]:
        """Feeds one batch, gives what is to be sent."""
    def handle_timeout(self, now_us: int) -> list[tuple[_Address, bytes]]: ...
    def poll_timeout(self) -> int | None:
        """When ``handle_timeout`` wants to be called, microseconds; None: not before the next input."""

@final
class DtlsSession:
    """One DTLS 1.2/1.3 handshake, sans-IO. ``now`` is seconds on any monotonic clock."""

    def __new__(
        cls,
        certificate_der: bytes,
        private_key_der: bytes,
        *,
        is_client: bool,
        now: float,
        version: str = "auto",
        mtu: int = 1200,
        seed: int | None = None,
    ) -> Self:
        """``version``: "auto" | "1.2" | "1.3". ``private_key_der`` is PKCS#8. ``seed``: of simulations only; nonces and
        the times of retransmissions can be guessed then, keys can not.
        """
    def handle_datagram(self, datagram: bytes, now: float) -> None:
        """ValueError when the peer broke the handshake for good."""
    def handle_timeout(self, now: float) -> None: ...
    def poll_transmit(self) -> bytes | None: ...
    def poll_timeout(self) -> float | None: ...
    def poll_event(self) -> tuple[Any, ...] | None:
        """("peer_certificate", der) | ("keying_material", profile, bytes) | ("connected",) | ("closed",)"""
    @property
    def protocol_version(self) -> str | None:
        """ "DTLS 1.2" | "DTLS 1.3" once known."""
    def close(self) -> None: ...

_MediaStream: TypeAlias = tuple[str, int, int]
"""(mid, pt, ssrc)"""

@final
class LoadGen:
    """Many WebRTC clients on a thread of their own, for ``sfu bench``; the server uses none of it.

    It checks connectivity and consent, and has SRTP, media and RTCP; signaling and DTLS are the caller's. OSError when
    its thread has failed, ValueError for a peer that there is not.
    """

    def __new__(cls) -> Self: ...
    @property
    def event_fd(self) -> int:
        """Becomes readable when events wait; ``poll_events`` clears it."""
    def add_peer(
        self,
        remote: _Address,
        local_ufrag: str,
        local_pwd: str,
        remote_ufrag: str,
        remote_pwd: str,
        group: int = 0,
    ) -> int:
        """Opens a socket and starts checks towards ``remote``; the peer's number, counted from 0. ``group``: 0 or 1."""
    def remove_peer(self, peer: int) -> None:
        """Closes its socket; what it counted is forgotten. The server is not told."""
    def set_transport_cc_id(self, peer: int, extension_id: int) -> None:
        """The server writes transport-wide sequence numbers under this id and not under the offered one."""
    def set_rtx_pt(self, peer: int, pt: int) -> None:
        """Retransmissions come under this payload type: counted as probes, because the peer asks for none."""
    def send_dtls(self, peer: int, datagram: bytes) -> bool:
        """False when the socket did not take it."""
    def set_srtp_keys(
        self, peer: int, profile: str, send_key: bytes, send_salt: bytes, receive_key: bytes, receive_salt: bytes
    ) -> None: ...
    def publish(self, peer: int, video: _MediaStream | None, video_kbps: int, audio: _MediaStream | None) -> None:
        """Starts to send: VP8 frames 30 times a second in packets of 1,200 bytes, Opus 50 times of 160 bytes."""
    def publish_as_browser(
        self,
        peer: int,
        camera: tuple[str, int, Sequence[tuple[str, int, int, int, int]]] | None,
        microphone: tuple[_MediaStream, bytes, bool] | None,
    ) -> None:
        """Starts to send as a browser does. ``camera``: (mid, pt, encodings from the smallest: (rid, ssrc, kbit/s,
        width, height)); VP8 of three temporal layers, keyframes on request, for that encoding alone. ``microphone``:
        (stream, what it hears: a level for each 20 ms of the generator's clock, 0 to 127 -dBov, again and again; dtx:
        while it hears nothing (127) only one packet in 400 ms is sent).
        """
    def set_active(self, peer: int, encodings: int) -> None:
        """Which encodings of its camera a peer sends from now on: bit 0 is the smallest."""
    def gather(self, interval_ms: int) -> None:
        """All sockets are read so often from now on (1 to 100 ms), not whenever something comes: less processor time
        for thousands of them, and for their sender. To be said before the first peer is added; may be changed then.
        The time of arrival is the kernel's in any case. ValueError: out of range, or too late.
        """
    def incoming(self, peer: int) -> list[tuple[int, int, int, tuple[int, int, int] | None]]:
        """What comes to a peer, for each stream: (ssrc, packets, lost, last packet that was decrypted).

        Of that packet: (number of the peer that sent it modulo 2^16, which encoding of its camera or 255 for its
        microphone, how many microseconds ago it came).
        """
    def pause(self, paused: bool) -> None:
        """Publishers are silent meanwhile, as if muted; they start again with a keyframe."""
    def poll_events(self) -> list[tuple[Any, ...]]:
        """("connected", peer): the server answered a check; ("dtls", peer, datagram: bytes)"""
    def reset(self) -> None:
        """Counts from here on."""
    def report(self, group: int = 0) -> dict[str, Any]:
        """What a group's peers counted since the last reset:

        {"elapsed_us", "published", "published_bytes", "packets", "bytes", "probes", "probe_bytes", "lost",
         "duplicates", "sampled", "damaged", "unsent", "keyframe_requests", "streams", "silent_streams", "connected",
         "late_us", "busiest_keyframe_requests",
         "latency_us": {"p50", "p90", "p99", "p99_9", "max"}, "latency_counts": [(microseconds, count)],
         "audio_latency_us", "audio_latency_counts", "video_latency_us", "video_latency_counts"}

        ``busiest_keyframe_requests``: the most that one encoding was asked for within a second.
        """
    def close(self) -> None:
        """Stops the thread and joins it. Idempotent."""

@final
class History:
    """What a shard's transports and consumers did in the last ``seconds``; those that are gone are forgotten."""

    def __new__(cls, seconds: int) -> Self: ...
    @property
    def second(self) -> int | None:
        """Of the newest row: whole seconds of the clock that ``record`` was given."""
    @property
    def size_bytes(self) -> int:
        """Memory of all rows: 8 bytes for a transport's second, 2 for a consumer's."""
    def record(self, now: float, snapshot: _Snapshot) -> None:
        """Writes this second's row of everything; seconds that were left out since the last call get the same row."""
    def transport(
        self, transport: int, last: int
    ) -> tuple[list[int | None], list[int | None], list[int | None], list[int | None]]:
        """Estimate and sent, kbit/s; loss, hundredths of a percent; round trip, ms. The oldest second first; None: not
        known. Numbers above 65,534 are cut to it.
        """
    def consumer(self, consumer: int, last: int) -> list[int | None]:
        """Sent, kbit/s; as above."""

def measure_floor(
    subscribers: int,
    video_kbps: int,
    audio: bool,
    duration_s: float,
    profile: str,
    sealed: bool,
    server_cpu: int | None,
    load_cpu: int | None,
) -> dict[str, Any]:
    """What it costs at least to send a publisher's datagrams on: a reflector, bare or (``sealed``) one that protects
    each datagram just before sending it, and the cipher alone.

    Blocks, with the interpreter released, for the duration and a second or two. OSError when the sockets or threads
    cannot be had.

    {"expected", "packets" (that came, and were readable with their subscriber's keys where ``sealed``), "bytes",
     "messages", "late_us", "cpu_us": float (the reflector's thread),
     "aead_us_per_packet": float, "latency_us": {"p50", "p90", "p99", "p99_9", "max"}}
    """

@final
class NetSim(_Commands):
    """A shard, and clients on simulated links: ``sfu bench network``. Times count microseconds from the beginning.

    A link is a dictionary: ``rates`` [(from when on, bit/s)], ``queue_bytes``, ``codel``, ``delay_us``, ``jitter_us``,
    ``loss`` (share), ``loss_burst`` (packets), ``reorder`` (share), ``reorder_by_us``. Commands take effect at once.
    """

    def __new__(cls, *, seed: int = 0, ntp_offset_us: int = 0) -> Self: ...
    def add_downlink(self, link: dict[str, Any], tcp_flows: Sequence[tuple[str, int, int, int]] = ...) -> int:
        """A link from the server; its number. A download: ("reno" | "cubic", start, stop, delay of its ACKs)."""
    def add_client(
        self, source: _Address, uplink: dict[str, Any], downlink: int, *, uplink_bps: int | None = None
    ) -> int:
        """A client; its number. ``uplink_bps``: what sets the interval of its feedback as in libwebrtc."""
    def connect(self, client: int, ufrag: str, pwd: str) -> None:
        """Checks connectivity with the server's credentials, now and every four seconds."""
    def set_client_keys(
        self,
        client: int,
        profile_name: str,
        send_key: bytes,
        send_salt: bytes,
        receive_key: bytes,
        receive_salt: bytes,
    ) -> None:
        """Keys as the server has them; the client uses them the other way round."""
    def inject(self, client: int, datagram: bytes) -> None:
        """A datagram of the client that is at the server at once: handshakes take no virtual time."""
    def poll_handshake(self) -> tuple[int, bytes] | None:
        """(client, DTLS datagram of the server)"""
    def publish_audio(self, client: int, mid: str, numbers: dict[str, int], ssrc: int) -> None:
        """Opus. ``numbers``: payload types ``opus``, ``video``, ``video_rtx``; extension ids ``mid``, ``rid``,
        ``repaired_rid``, ``transport_cc``, ``audio_level``, ``dependency_descriptor``.
        """
    def publish_video(
        self,
        client: int,
        mid: str,
        numbers: dict[str, int],
        encodings: Sequence[tuple[str | None, int, int, int, int, int, float, int]],
    ) -> int:
        """VP8; its number among the client's cameras. An encoding: (rid, ssrc, rtx_ssrc, width, height, bit/s, frames a
        second, temporal layers: 1 or 3).
        """
    def publish_scalable(
        self,
        client: int,
        mid: str,
        numbers: dict[str, int],
        mode: str,
        ssrcs: tuple[int, int],
        layers: Sequence[tuple[int, int, int]],
        frame_rate: float,
    ) -> int:
        """One stream with up to three spatial layers and three temporal ones, L3T3 with three: ``vp9``, ``vp9_key``
        (K-SVC) or ``av1``; its number among the client's cameras. ``ssrcs``: media, retransmissions. A layer: (width,
        height, bit/s of it alone).
        """
    def set_encoding_active(self, client: int, video: int, encoding: int, active: bool) -> None: ...
    def expect(self, client: int, streams: Sequence[tuple[int, int | None]], transport_cc: int) -> None:
        """Streams that may come: (ssrc, rtx_ssrc), None for audio; the id of the transport-wide number."""
    def announce(self, client: int, ssrc: int, paused: bool) -> None:
        """The user was told that a video stream pauses or goes on: what stands then is no freeze."""
    @property
    def now_us(self) -> int: ...
    def run_until(self, until_us: int, *, stop_at_events: bool = True) -> int:
        """Lets time pass, until events wait if told so; the time reached."""
    def finish(self) -> None:
        """The end: what stands still counts as a freeze as far as it went."""
    def client_report(self, client: int) -> dict[str, Any]:
        """{"video": [{"ssrc", "frames", "freezes", "frozen_us", "longest_freeze_us", "nacks", "keyframe_requests",
        "recovered"}], "audio": [{"ticks", "concealed", "longest_gap", "interruptions", "late"}] (20 ms each),
        "keyframes_sent", "damaged", "series": {"at_us", "capacity_bps", "sent_bps", "received_bps", "queue_us",
        "estimate_bps", "concealed", "streams": [{"layer": [(encoding, tid) | None], "frames", "frozen_us"}]}}; the
        series in steps of 100 ms.
        """
    def downlink_report(self, downlink: int) -> dict[str, Any]:
        """{"dropped", "lost", "tcp_bytes": [int]}"""

def lte_trace(
    seed: int,
    length_us: int,
    *,
    median_bps: int,
    spread: float,
    memory_s: float,
    between_outages_s: float,
    outage_s: float,
) -> list[tuple[int, int]]:
    """The rates of a mobile network, for ``NetSim``: changes every 100 ms, outages of equal length."""

# The fast parsers and ciphers, for differential tests against their readable twins.
# ValueError names what is wrong with the bytes.
def parse_rtp(datagram: bytes) -> dict[str, Any]:
    """{"marker", "pt", "seq", "timestamp", "ssrc", "csrcs": [int], "padding_len",
    "extension_form": 1 | 2 (bytes of an element's head) | None, "extensions": [(id, bytes)], "payload": bytes}
    """

def parse_rtcp(datagram: bytes) -> list[dict[str, Any]]:
    """One dictionary a packet of the compound:

    {"type": "sender_report", "ssrc", "ntp", "rtp_timestamp", "packet_count", "octet_count", "blocks": [block]}
    {"type": "receiver_report", "ssrc", "blocks": [block]}
    {"type": "sdes", "cnames": [(ssrc, bytes)]}
    {"type": "bye", "ssrcs": [int]}
    {"type": "nack", "sender_ssrc", "media_ssrc", "lost": [seq]}
    {"type": "transport_feedback", "sender_ssrc", "media_ssrc", "base_seq", "reference_time", "feedback_count",
     "arrivals_us": [(seq, microseconds | None)]}
    {"type": "pli", "sender_ssrc", "media_ssrc"}
    {"type": "fir", "sender_ssrc", "requests": [(ssrc, number)]}
    {"type": "remb", "sender_ssrc", "bitrate_bps", "ssrcs": [int]}
    {"type": "extended_report", "ssrc", "receiver_reference_ntp": int | None, "dlrr": [(ssrc, last_rr, delay)]}
    {"type": "other", "packet_type", "count"}

    with block = {"ssrc", "fraction_lost", "lost", "highest_seq", "jitter", "lsr", "dlsr"}.
    """

def parse_stun(datagram: bytes, pwd: str | None = None) -> dict[str, Any]:
    """{"class": "request" | "indication" | "success" | "error", "method", "transaction_id": bytes, "username",
    "priority", "use_candidate", "role": ("controlling" | "controlled", tie-breaker) | None,
    "mapped_address": (ip, port) | None, "error_code", "nomination", "unknown": [int], "has_fingerprint",
    "has_integrity", "integrity": bool | None (None: no ``pwd`` given)}
    """

@final
class SrtpContext:
    """One master key, both directions: what one context protects another one of the same key unprotects."""

    def __new__(cls, profile: str, key: bytes, salt: bytes) -> Self: ...
    def protect_rtp(self, packet: bytes) -> bytes: ...
    def unprotect_rtp(self, packet: bytes) -> bytes: ...
    def protect_rtcp(self, packet: bytes) -> bytes: ...
    def unprotect_rtcp(self, packet: bytes) -> bytes: ...
