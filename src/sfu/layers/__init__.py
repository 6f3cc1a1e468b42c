"""Which layers each subscriber gets: pure, no clock, no media objects. ``docs/allocation.md`` explains it.

``model``: wishes in, choices out. ``ladder``: what a producer offers, as steps of rising rate. ``measure``: a ladder
from what the data plane counts. ``plan``: the order in which bandwidth is given away. ``selector``: the policy that
comes with the server, with hysteresis. ``policy``: what another policy has to have. ``economy``: encodings that
nobody needs. ``load``: how much receivers may be sent while a shard has too much to do.
"""

from sfu.layers.economy import Economy
from sfu.layers.ladder import Ladder, Layer
from sfu.layers.load import LoadGuard
from sfu.layers.measure import EncodingReport, LadderMeter
from sfu.layers.model import Allocation, Choice, Demand, Priority, Reason, Wish
from sfu.layers.policy import LayerPolicy, Subscriber
from sfu.layers.selector import StandardPolicy

__all__ = [
    "Allocation",
    "Choice",
    "Demand",
    "Economy",
    "EncodingReport",
    "Ladder",
    "LadderMeter",
    "Layer",
    "LayerPolicy",
    "LoadGuard",
    "Priority",
    "Reason",
    "StandardPolicy",
    "Subscriber",
    "Wish",
]
