"""Tells those outside what happened: takes from the outbox, in order, and brings it to webhooks and Kafka.

``deliverer`` is the same for every sink; ``webhook`` and ``kafka`` are the sinks. Nothing of the media or signaling
path waits for any of it. ``sfu.runtime`` composes it.
"""
