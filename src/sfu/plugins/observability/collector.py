"""The server's numbers as Prometheus metric families. Reads what the engine and the conference tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from sfu.conference import Conference
from sfu.conference.admission_stats import AdmissionStats
from sfu.conference.allocation import ReceptionStats
from sfu.conference.homes import ClusterStats
from sfu.conference.hooks import Hooks
from sfu.conference.ledger import LedgerStats
from sfu.conference.outbox import SinkStats
from sfu.conference.tally import Tally
from sfu.media.engine import EngineStats
from sfu.plugins.api import RuntimeView

TRANSPORT_STATES = ("new", "connecting", "connected", "disconnected")
"""Shown even when none is in them, so that a graph has no holes."""

VIDEO_STATES = ("full", "reduced", "paused")

ESTIMATE_BUCKETS_BPS = (100_000, 300_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000, 10_000_000)
"""From audio alone, by a thumbnail and one camera, to a gallery."""

DIRECTIONS = (("rx", "received"), ("tx", "sent"))


class EngineCollector(Collector):
    """Collects at each scrape."""

    def __init__(self, runtime: RuntimeView, conference: Conference) -> None:
        self._runtime = runtime
        self._conference = conference

    def collect(self) -> Iterator[Metric]:
        """Every family once."""
        stats = self._runtime.engine_stats()
        yield from _traffic(stats)
        yield from _objects(stats)
        yield from self._meetings()
        yield from _receptions(self._conference.allocator.stats())
        yield from self._door()
        yield from _hooks(self._conference.hooks)
        ledger = self._runtime.ledger_stats()
        if ledger is not None:
            yield from _store(ledger)
        cluster = self._runtime.cluster_stats()
        if cluster is not None:
            yield from _cluster(cluster)
        if self._runtime.events is not None:
            yield from _events(self._runtime.events.stats())
        yield GaugeMetricFamily(
            "sfu_event_loop_lag_seconds",
            "How late the control plane's event loop was at worst in the last 15 s",
            value=self._runtime.loop_lag_s(),
        )
        yield GaugeMetricFamily(
            "sfu_ready", "1 when new meetings are welcome", value=0 if self._runtime.not_ready() else 1
        )

    def _door(self) -> Iterator[Metric]:
        waiting = sum(len(meeting.admission.room) for meeting in self._conference.meetings.values())
        yield GaugeMetricFamily("sfu_waiting", "People who wait to be let in", value=waiting)
        yield from _refusals(self._conference.admission_stats)

    def _meetings(self) -> Iterator[Metric]:
        stats = self._conference.stats()
        yield GaugeMetricFamily("sfu_meetings", "Meetings at hand", value=stats.meetings)
        yield GaugeMetricFamily("sfu_participants", "Participants in all meetings", value=stats.participants)
        yield GaugeMetricFamily("sfu_viewers", "Receivers that are no participants (WHEP)", value=stats.viewers)


def _refusals(stats: AdmissionStats) -> Iterator[Metric]:
    yield CounterMetricFamily("sfu_admitted", "Participants who came in", value=stats.admitted)
    refused = CounterMetricFamily("sfu_refused", "Those who did not get in, by why", labels=["reason"])
    for reason, count in stats.refused.items():
        refused.add_metric([reason], count)
    yield refused
    waits = HistogramMetricFamily("sfu_waited_seconds", "How long those waited who were let in then")
    _add_tally(waits, [], stats.waits)
    yield waits


def _hooks(hooks: Hooks) -> Iterator[Metric]:
    """Of hooks that a plugin has."""
    asked = CounterMetricFamily("sfu_hook", "Questions to plugins, by what came of them", labels=["hook", "outcome"])
    took = HistogramMetricFamily("sfu_hook_duration_seconds", "How long plugins took to answer", labels=["hook"])
    for hook, stats in hooks.stats.items():
        for outcome, count in stats.outcomes.items():
            asked.add_metric([hook.value, outcome.value], count)
        _add_tally(took, [hook.value], stats.durations)
    yield asked
    yield took


def _add_tally(family: HistogramMetricFamily, labels: list[str], tally: Tally) -> None:
    bounds = [*(f"{bound:g}" for bound in tally.bounds_s), "+Inf"]
    family.add_metric(labels, list(zip(bounds, tally.cumulative(), strict=True)), tally.total_s)


def _store(stats: LedgerStats) -> Iterator[Metric]:
    yield GaugeMetricFamily("sfu_store_up", "1 when the database answers", value=0 if stats.is_away else 1)
    yield GaugeMetricFamily("sfu_store_waiting", "Facts in memory on their way to the database", value=stats.waiting)
    yield GaugeMetricFamily(
        "sfu_store_journal_bytes", "What waits on disk for a database that is away", value=stats.journal_bytes
    )
    facts = CounterMetricFamily("sfu_store_facts", "Facts of meetings, by what became of them", labels=["what"])
    for what, value in (
        ("written", stats.written),
        ("dropped", stats.dropped),
        ("rejected", stats.rejected),
        ("damaged", stats.damaged),
    ):
        facts.add_metric([what], value)
    yield facts


def _cluster(stats: ClusterStats) -> Iterator[Metric]:
    yield GaugeMetricFamily("sfu_redis_up", "1 while Redis answers", value=1 if stats.is_up else 0)
    yield GaugeMetricFamily("sfu_homes", "Meetings whose home is this process", value=stats.homes)
    sockets = GaugeMetricFamily("sfu_cluster_sockets", "Signaling sockets by way of two processes", labels=["side"])
    sockets.add_metric(["carried"], stats.carried_sockets)
    sockets.add_metric(["hosted"], stats.hosted_sockets)
    yield sockets
    streams = CounterMetricFamily(
        "sfu_cluster_streams",
        "Requests and sockets carried to other processes, and hosted for them",
        labels=["side", "kind"],
    )
    for side, counts in (("carried", stats.carried), ("hosted", stats.hosted)):
        for kind, value in counts.items():
            streams.add_metric([side, kind], value)
    yield streams
    link = CounterMetricFamily("sfu_cluster_bytes", "Of batches to and from other processes", labels=["direction"])
    link.add_metric(["sent"], stats.bytes_out)
    link.add_metric(["received"], stats.bytes_in)
    yield link
    events = CounterMetricFamily("sfu_cluster_events", "What happened between processes, by kind", labels=["what"])
    for what, value in stats.events.items():
        events.add_metric([what], value)
    yield events


def _events(stats: Mapping[str, SinkStats]) -> Iterator[Metric]:
    what = CounterMetricFamily(
        "sfu_events", "Events by sink: delivered; attempts that failed; dead, given up", labels=["sink", "what"]
    )
    oldest = GaugeMetricFamily(
        "sfu_events_oldest_timestamp_seconds", "When the oldest event that waits happened; 0: none", labels=["sink"]
    )
    waiting = GaugeMetricFamily("sfu_events_meetings_waiting", "Meetings with events that wait", labels=["sink"])
    dead = GaugeMetricFamily("sfu_events_dead_kept", "Dead events that may be retried", labels=["sink"])
    up = GaugeMetricFamily("sfu_events_sink_up", "0 while a sink is taken to be away", labels=["sink"])
    for sink, one in stats.items():
        for word, value in (("delivered", one.delivered), ("failed", one.failed), ("dead", one.died)):
            what.add_metric([sink, word], value)
        oldest_at = one.backlog.oldest_at
        oldest.add_metric([sink], 0 if oldest_at is None else oldest_at.timestamp())
        waiting.add_metric([sink], one.backlog.lanes)
        dead.add_metric([sink], one.backlog.dead)
        up.add_metric([sink], 0 if one.is_away else 1)
    yield from (what, oldest, waiting, dead, up)


def _traffic(stats: EngineStats) -> Iterator[Metric]:
    counters = stats.counters
    for unit, what in (("packets", "Datagrams of every kind"), ("bytes", "Payload bytes of all datagrams")):
        family = CounterMetricFamily(f"sfu_{unit}", what, labels=["direction"])
        for prefix, direction in DIRECTIONS:
            family.add_metric([direction], counters.get(f"{prefix}_{unit}", 0))
        yield family
    events = CounterMetricFamily(
        "sfu_data_plane", "What the data plane counted, by the names of its statistics", labels=["what"]
    )
    for name, value in sorted(counters.items()):
        if name not in {"rx_packets", "rx_bytes", "tx_packets", "tx_bytes"}:
            events.add_metric([name], value)
    yield events
    drops = CounterMetricFamily("sfu_dropped_packets", "Datagrams that went no further", labels=["reason"])
    for reason, value in sorted(stats.drops.items()):
        drops.add_metric([reason], value)
    yield drops


def _receptions(stats: ReceptionStats) -> Iterator[Metric]:
    video = GaugeMetricFamily(
        "sfu_receivers", "Receivers who are shown video, by what becomes of their wishes", labels=["video"]
    )
    for state in VIDEO_STATES:
        video.add_metric([state], stats.states.get(state, 0))
    yield video
    yield GaugeMetricFamily(
        "sfu_receivers_held", "Receivers who get less video because a shard has too much to do", value=stats.held
    )
    ceilings = GaugeMetricFamily(
        "sfu_shard_ceiling_bps",
        "What its receivers are sent at most while a shard has too much to do",
        labels=["shard"],
    )
    for shard, ceiling_bps in stats.ceilings_bps.items():
        ceilings.add_metric([str(shard)], ceiling_bps)
    yield ceilings
    estimates = stats.estimates_bps
    bounds = (*ESTIMATE_BUCKETS_BPS, float("inf"))
    yield GaugeHistogramMetricFamily(
        "sfu_estimate_bps",
        "What receivers' networks carry, as estimated now, bits per second",
        buckets=[
            ("+Inf" if bound == float("inf") else str(bound), sum(estimate <= bound for estimate in estimates))
            for bound in bounds
        ],
        gsum_value=sum(estimates),
    )


def _objects(stats: EngineStats) -> Iterator[Metric]:
    transports = GaugeMetricFamily("sfu_transports", "Live transports", labels=["state"])
    for state in TRANSPORT_STATES:
        transports.add_metric([state], stats.transports.get(state, 0))
    yield transports
    yield GaugeMetricFamily("sfu_routers", "Routers, one for each meeting with somebody in it", value=stats.routers)
    yield GaugeMetricFamily("sfu_producers", "Published sources", value=stats.producers)
    yield GaugeMetricFamily("sfu_consumers", "Outgoing streams", value=stats.consumers)
    yield CounterMetricFamily(
        "sfu_dtls_failures", "Transports closed by a DTLS handshake that failed", value=stats.failures.get("dtls", 0)
    )
    failures = CounterMetricFamily("sfu_failures", "Failures of the control plane, by kind", labels=["kind"])
    for kind, count in sorted(stats.failures.items()):
        failures.add_metric([kind], count)
    yield failures
    up = GaugeMetricFamily("sfu_shard_up", "1 while the shard's thread runs", labels=["shard"])
    for shard in stats.shards:
        up.add_metric([str(shard.index)], 0 if shard.failed else 1)
    yield up
    busy = CounterMetricFamily(
        "sfu_shard_busy_seconds", "How long the shard's thread did not wait for anything", labels=["shard"]
    )
    for shard in stats.shards:
        busy.add_metric([str(shard.index)], shard.busy_us / 1e6)
    yield busy
