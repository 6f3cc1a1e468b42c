"""Whatever an owner does in whatever order: the shard hears of each object once, and of none after its end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.support.examples import examples
from tests.support.media import World

from sfu.errors import StateError
from sfu.media.transport import Transport
from sfu.rtp.codecs import EncodingParameters, Fingerprint, Kind, RemoteTransportParameters, RtpMap

REMOTE = RemoteTransportParameters("uf", "pw", (Fingerprint("sha-256", "AA"),))
MADE_BY = {"router": "add_router", "transport": "add_transport", "producer": "add_producer", "consumer": "add_consumer"}
KIND_OF_FIRST = {
    "remove_router": "router",
    "remove_transport": "transport",
    "restart_ice": "transport",
    "set_rtp": "transport",
    "send_dtls": "transport",
    "set_srtp_keys": "transport",
    "remove_producer": "producer",
    "pause_producer": "producer",
    "request_keyframe": "producer",
    "remove_consumer": "consumer",
    "switch_consumer": "consumer",
    "set_layers": "consumer",
    "pause_consumer": "consumer",
}


ANY = st.integers(0, 30)
"""Which of the objects made so far, living or closed."""


class Owner(RuleBasedStateMachine):
    """Calls everything, in any order, with objects that may be closed; the shard also says things."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.closings: dict[int, int] = {}
        self.routers = [self.world.engine.create_router()]
        self.transports = [self.routers[0].create_transport()]
        self.producers = [self.transports[0].produce(Kind.VIDEO, "1", (EncodingParameters(),))]
        self.consumers = [self.transports[0].consume(Kind.VIDEO, "4", 1, 2, "c")]

    def teardown(self) -> None:
        self.world.engine.close()
        self.the_shard_knows_what_it_is_told_about()

    def _pick(self, items: list, which: int):
        return items[which % len(items)]

    @rule()
    def create_router(self):
        self.routers.append(self.world.engine.create_router())

    @rule(router=ANY)
    def create_transport(self, router):
        router = self._pick(self.routers, router)
        try:
            transport = router.create_transport()
        except StateError:
            assert router.closed
        else:
            transport.on_state = self._on_state
            self.transports.append(transport)

    def _on_state(self, transport: Transport, state, _detail: str) -> None:
        if state == "closed":
            self.closings[transport.id] = self.closings.get(transport.id, 0) + 1

    @rule(transport=ANY, kind=st.sampled_from(Kind), sends=st.booleans())
    def produce_or_consume(self, transport, kind, sends):
        transport = self._pick(self.transports, transport)
        try:
            if sends:
                self.producers.append(transport.produce(kind, "1", (EncodingParameters(),)))
            else:
                self.consumers.append(transport.consume(kind, "4", *transport.allocate_egress(kind), "c"))
        except StateError:
            assert transport.state == "closed"

    @rule(transport=ANY, what=st.sampled_from(["connect", "restart_ice", "set_rtp", "update_remote"]))
    def negotiate(self, transport, what):
        transport = self._pick(self.transports, transport)
        before = transport.state
        arguments = {"set_rtp": (RtpMap(), RtpMap(), True), "restart_ice": ()}.get(what, (REMOTE,))
        try:
            getattr(transport, what)(*arguments)
        except StateError:
            assert before == "closed" or (what == "connect") is (before != "new")

    @rule(consumer=ANY, producer=st.one_of(st.none(), ANY))
    def switch(self, consumer, producer):
        consumer = self._pick(self.consumers, consumer)
        producer = None if producer is None else self._pick(self.producers, producer)
        try:
            consumer.switch(producer)
        except StateError:
            assert producer is not None

    @rule(consumer=ANY, producer=ANY, paused=st.booleans(), spatial=st.integers(0, 3))
    def steer(self, consumer, producer, paused, spatial):
        for item in (self._pick(self.consumers, consumer), self._pick(self.producers, producer)):
            item.pause() if paused else item.resume()
            item.request_keyframe()
        self._pick(self.consumers, consumer).set_layers(spatial)

    @rule(kind=st.sampled_from(["routers", "transports", "producers", "consumers"]), which=ANY)
    def close(self, kind, which):
        self._pick(getattr(self, kind), which).close()

    @rule(
        transport=ANY,
        event=st.sampled_from([("ice_selected", ("192.0.2.7", 1), 0, False), ("dtls", b"x"), ("consent_expired",)]),
    )
    def hear_of_transport(self, transport, event):
        self.world.events((event[0], self._pick(self.transports, transport).id, *event[1:]))

    @rule(consumer=ANY, producer=ANY)
    def hear_of_consumer(self, consumer, producer):
        consumer, producer = self._pick(self.consumers, consumer), self._pick(self.producers, producer)
        self.world.events(
            ("encoding_started", producer.id, 0, 5, ("vp8", 0)),
            ("consumer_layers", consumer.id, producer.id, 0, 0),
            ("consumer_codec_unsupported", consumer.id, producer.id, ("av1", 0)),
        )

    @rule(seconds=st.sampled_from([0.5, 31]))
    def wait(self, seconds):
        self.world.advance(seconds)

    @invariant()
    def the_shard_knows_what_it_is_told_about(self):
        living: dict[str, set[int]] = {kind: set() for kind in MADE_BY}
        parent: dict[tuple[str, int], tuple[str, int]] = {}
        ever: set[tuple[str, int]] = set()
        for name, *arguments in self.world.shard.commands:
            kind = next((kind for kind, command in MADE_BY.items() if command == name), None)
            if kind is not None:
                assert (kind, arguments[0]) not in ever, f"{kind} {arguments[0]} made twice"
                ever.add((kind, arguments[0]))
                living[kind].add(arguments[0])
                if kind != "router":
                    above = "router" if kind == "transport" else "transport"
                    assert arguments[1] in living[above], f"{name} below a {above} that is gone"
                    parent[kind, arguments[0]] = (above, arguments[1])
                continue
            subject = KIND_OF_FIRST[name]
            assert arguments[0] in living[subject], f"{name} for a {subject} that is gone"
            if name == "switch_consumer" and arguments[1] is not None:
                assert arguments[1] in living["producer"]
            if name.startswith("remove_"):
                self._end(living, parent, subject, arguments[0])

    def _end(self, living, parent, kind: str, handle: int) -> None:
        living[kind].discard(handle)
        for (child_kind, child), above in list(parent.items()):
            if above == (kind, handle) and child in living[child_kind]:
                self._end(living, parent, child_kind, child)

    @invariant()
    def every_transport_closes_once_and_no_callback_failed(self):
        assert all(count == 1 for count in self.closings.values())
        assert self.world.engine.stats().failures["callback"] == 0

    @invariant()
    def producers_and_consumers_agree(self):
        for link in self.world.engine._links:
            for consumer in link.consumers.values():
                assert consumer.producer is None or consumer in consumer.producer.consumers
            for producer in link.producers.values():
                assert all(consumer.producer is producer for consumer in producer.consumers)


TestAnyOrder = Owner.TestCase
TestAnyOrder.settings = settings(max_examples=examples(150), stateful_step_count=40)
