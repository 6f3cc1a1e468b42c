"""Whatever an owner does in whatever order: the shard hears of each object once, and of none after its end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
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


class Owner(RuleBasedStateMachine):
    """Calls everything, in any order, with objects that may be closed; the shard also says things."""

    routers = Bundle("routers")
    transports = Bundle("transports")
    producers = Bundle("producers")
    consumers = Bundle("consumers")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.closings: dict[int, int] = {}

    def teardown(self) -> None:
        self.world.engine.close()
        self.the_shard_knows_what_it_is_told_about()

    @rule(target=routers)
    def create_router(self):
        return self.world.engine.create_router()

    @rule(target=transports, router=routers)
    def create_transport(self, router):
        try:
            transport = router.create_transport()
        except StateError:
            assert router.closed
            return None
        transport.on_state = self._on_state
        return transport

    def _on_state(self, transport: Transport, state, _detail: str) -> None:
        if state == "closed":
            self.closings[transport.id] = self.closings.get(transport.id, 0) + 1

    @rule(target=producers, transport=transports, kind=st.sampled_from(Kind))
    def produce(self, transport, kind):
        return self._try(transport, lambda: transport.produce(kind, "1", (EncodingParameters(),)))

    @rule(target=consumers, transport=transports, kind=st.sampled_from(Kind))
    def consume(self, transport, kind):
        return self._try(transport, lambda: transport.consume(kind, "4", *transport.allocate_egress(kind), "c"))

    @rule(transport=transports, what=st.sampled_from(["connect", "restart_ice", "set_rtp", "update_remote"]))
    def negotiate(self, transport, what):
        arguments = {"set_rtp": (RtpMap(), RtpMap(), True), "restart_ice": ()}.get(what, (REMOTE,))
        self._try(transport, lambda: getattr(transport, what)(*arguments))

    def _try(self, transport, call):
        if transport is None:
            return None
        try:
            return call()
        except StateError:
            return None

    @rule(consumer=consumers, producer=st.one_of(st.none(), producers))
    def switch(self, consumer, producer):
        if consumer is not None:
            try:
                consumer.switch(producer)
            except StateError:
                assert producer is not None

    @rule(item=st.one_of(consumers, producers), paused=st.booleans())
    def pause(self, item, paused):
        if item is not None:
            item.pause() if paused else item.resume()
            item.request_keyframe()

    @rule(consumer=consumers, spatial=st.integers(0, 3))
    def set_layers(self, consumer, spatial):
        if consumer is not None:
            consumer.set_layers(spatial)

    @rule(item=st.one_of(routers, transports, producers, consumers))
    def close(self, item):
        if item is not None:
            item.close()

    @rule(
        transport=transports,
        event=st.sampled_from([("ice_selected", ("192.0.2.7", 1), 0, False), ("dtls", b"x"), ("consent_expired",)]),
    )
    def hear_of_transport(self, transport, event):
        if transport is not None:
            self.world.events((event[0], transport.id, *event[1:]))

    @rule(consumer=consumers, producer=producers)
    def hear_of_consumer(self, consumer, producer):
        if consumer is not None and producer is not None:
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
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
