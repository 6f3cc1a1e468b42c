"""How often somebody may try to join: by address and by meeting, in a bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network

from starlette.requests import HTTPConnection

from sfu.clock import Clock
from sfu.conference.bucket import Bucket
from sfu.errors import RemoteError
from sfu.plugins.api import ServerOptions
from sfu.plugins.http import Address, client_address

BURST_S = 10.0
"""So many seconds' worth at once: a school class behind one address comes at the full hour."""
MAX_BUCKETS = 10_000
"""Who was seen longest ago is forgotten first; a full bucket is as good as none."""
V6_PREFIX = 64
"""One customer's share of addresses."""


class Rates:
    """Of one kind: a bucket for each key."""

    def __init__(self, clock: Clock, rate_per_s: float) -> None:
        self._clock = clock
        self._rate_per_s = rate_per_s
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str) -> None:
        """Raises ``RemoteError`` ``rate_limited``."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._clock, self._rate_per_s, max(1.0, self._rate_per_s * BURST_S))
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        if not bucket.take():
            detail, hint = "too many try to join", "try again in a few seconds"
            raise RemoteError("rate_limited", detail, hint, status=429, retry_after_s=bucket.wait_s())


class JoinRates:
    """Both, for the route that joins."""

    def __init__(self, clock: Clock, options: ServerOptions) -> None:
        self._proxies = options.trusted_proxies
        self._addresses = Rates(clock, options.joins_per_address_s)
        self._meetings = Rates(clock, options.joins_per_meeting_s)

    def take(self, request: HTTPConnection, meeting_id: str) -> None:
        """Raises ``RemoteError`` ``rate_limited``. Addresses of this machine are not counted: behind them is a proxy
        that the configuration does not name, or who tries things out.
        """
        address = client_address(request, self._proxies)
        if address is not None and not address.is_loopback:
            self._addresses.take(_share(address))
        self._meetings.take(meeting_id)


def _share(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, V6_PREFIX), strict=False))
    return str(address)
