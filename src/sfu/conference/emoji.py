"""Whether a text is one emoji: the grammar of Unicode Technical Standard #51, section 1.4.9, over ranges of characters.

The ranges hold a few characters that are not assigned yet: tomorrow's emoji need no new release. What a font does not
know is shown as a box, which harms nobody.
"""

from __future__ import annotations

import re

MAX_CODE_POINTS = 16
"""The longest of today (a couple of two skin tones with a heart, kissing) has ten."""

_CHARACTER = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b07\u2b1b-\u2b55\u3030\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170-\U0001f19a\U0001f201-\U0001f251"
    "\U0001f300-\U0001f3fa\U0001f400-\U0001faff]"
)
_MODIFIER = "[\U0001f3fb-\U0001f3ff]"
_TAGS = "[\U000e0020-\U000e007e]{1,8}\U000e007f"
_ELEMENT = f"{_CHARACTER}(?:{_MODIFIER}|\ufe0f|{_TAGS})?"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_KEYCAP = "[#*0-9]\ufe0f?\u20e3"
_EMOJI = re.compile(f"{_FLAG}|{_KEYCAP}|{_ELEMENT}(?:\u200d{_ELEMENT})*")


def is_emoji(text: str) -> bool:
    """Whether it is exactly one."""
    return len(text) <= MAX_CODE_POINTS and _EMOJI.fullmatch(text) is not None
