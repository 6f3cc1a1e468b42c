"""Values as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from sfu.conference.plain import plain
from sfu.conference.views import HintedSourceView, ParticipantView, SourceView


def test_what_is_told_of_a_participant_is_json_with_its_sources() -> None:
    sources: dict[str, HintedSourceView | SourceView] = {
        "microphone": SourceView(muted=True),
        "screen": HintedSourceView(muted=False, content="text"),
    }
    view = ParticipantView("p1", "Ann", "2026-01-01T00:00:00.000Z", True, hand=2, sources=sources)
    told = plain(view)
    assert told == asdict(view)
    assert json.loads(json.dumps(told))["sources"]["screen"] == {"muted": False, "content": "text"}
