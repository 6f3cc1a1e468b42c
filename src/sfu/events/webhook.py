"""A sink that is told by HTTP: a signed POST for each event.

The URL is the operator's, who may well mean a host of his own network; so what protects that network is that nobody
else has a say in where a request goes: no redirect is followed, no proxy of the environment is used, and nothing of
what is told gets into the URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.outbox import Entry
from sfu.events.envelope import CONTENT_TYPE, encoded
from sfu.events.signature import signature
from sfu.events.sink import NotTaken

if TYPE_CHECKING:
    import httpx

ASK_AGAIN = frozenset({408, 425, 429})
"""Says nothing against what was told, as the 5xx do not."""
MAX_RETRY_AFTER_DIGITS = 6
USER_AGENT = "sfu"


class Webhook:
    """See ``Sink``. ``keys``: signs with each of them."""

    def __init__(
        self,
        name: str,
        url: str,
        keys: Sequence[bytes],
        clock: Clock,
        *,
        source: str,
        timeout_s: float = 10.0,
        concurrency: int = 8,
    ) -> None:
        import httpx

        self.name = name
        self._url = url
        self._keys = tuple(keys)
        self._clock = clock
        self._source = source
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )

    async def tell(self, entry: Entry) -> None:
        """See ``Sink``."""
        import httpx

        body = encoded(entry, self._source)
        now_s = int(self._clock.wall().timestamp())
        headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": USER_AGENT,
            "webhook-id": entry.happening.id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": signature(self._keys, entry.happening.id, now_s, body),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                # What it answers is not read: the connection is closed where there is more than its head.
                self._client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                _require_taken(response)
        except TimeoutError:
            raise NotTaken(f"no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}".strip(": ")) from error

    async def close(self) -> None:
        """See ``Sink``."""
        await self._client.aclose()


def _require_taken(response: httpx.Response) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotTaken(f"answered {status}; redirects are not followed", is_away=False)
    is_away = status in ASK_AGAIN or status >= 500
    retry_after = response.headers.get("retry-after", "")
    is_seconds = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= MAX_RETRY_AFTER_DIGITS
    raise NotTaken(f"answered {status}", is_away=is_away, retry_after_s=float(retry_after) if is_seconds else 0.0)
