"""What happened as others get it: CloudEvents 1.0, JSON, structured mode."""

from __future__ import annotations

import json
from typing import Any

from sfu.conference.outbox import Entry
from sfu.conference.views import timestamp

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""CloudEvents JSON format, section 3."""
PREFIX = "sfu."
"""Of every type."""
MAX_SOURCE_CHARS = 256


def envelope(entry: Entry, source: str) -> dict[str, Any]:
    """``source`` names the server for those who hear of several. ``sequence`` is a text as long as any other, so that
    texts sort as their numbers do (CloudEvents sequence extension).
    """
    one = entry.happening
    return {
        "specversion": "1.0",
        "id": one.id,
        "source": source,
        "type": PREFIX + one.type,
        "subject": one.meeting_id,
        "time": timestamp(one.at),
        "sequence": f"{entry.number:012d}",
        "datacontenttype": "application/json",
        "data": one.data,
    }


def encoded(entry: Entry, source: str) -> bytes:
    """As it is sent; the same bytes each time."""
    return json.dumps(envelope(entry, source), ensure_ascii=False, separators=(",", ":")).encode()
