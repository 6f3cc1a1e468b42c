"""Names and ids of the conference: what people may type, and what nobody may guess."""

from __future__ import annotations

import hashlib
import re
import secrets
from uuid import UUID, uuid4

from sfu.errors import RemoteError

MAX_NAME_CHARS = 64
MAX_TITLE_CHARS = 200
_MEETING_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JOINERS = {"\u200c": "", "\u200d": ""}
"""Zero-width (non-)joiner: formatting characters, but names in Persian or Hindi and many emoji need them."""
_NO_JOINERS = str.maketrans(_JOINERS)


def new_meeting_id() -> str:
    """A UUID of version 4: what it names can not be guessed."""
    return str(uuid4())


def is_made_id(meeting_id: str) -> bool:
    """Whether it has the form of those that are made, in contrast to a name that somebody chose."""
    try:
        made = UUID(meeting_id)
    except ValueError:
        return False
    return made.version == 4 and str(made) == meeting_id


def new_session_id() -> str:
    """Names one stay of a participant in the records."""
    return str(uuid4())


def new_participant_id() -> str:
    """Names a participant to the others; it is no secret."""
    return secrets.token_hex(6)


def new_token() -> str:
    """A bearer secret of 256 bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """Tokens are looked up by digest, so that the time of a look-up says nothing about those that exist."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def check_meeting_id(meeting_id: str) -> str:
    """The id itself. Raises ``RemoteError`` when a meeting can not be called so."""
    if not _MEETING_ID.fullmatch(meeting_id):
        raise RemoteError("bad_request", "the meeting id has a wrong form", "1 to 64 of A-Z a-z 0-9 _ -")
    return meeting_id


def check_name(name: str) -> str:
    """The name without blanks around it. Raises ``RemoteError`` when it is empty, too long or unprintable."""
    return _check_text(name, "name", 1, MAX_NAME_CHARS)


def check_title(title: str) -> str:
    """The title without blanks around it; it may be empty. Raises ``RemoteError`` as ``check_name``."""
    return _check_text(title, "title", 0, MAX_TITLE_CHARS)


def _check_text(text: str, what: str, least: int, most: int) -> str:
    text = text.strip()
    if not least <= len(text) <= most:
        raise RemoteError("bad_request", f"the {what} has {len(text)} characters", f"{least} to {most}")
    if not text.translate(_NO_JOINERS).isprintable():
        raise RemoteError("bad_request", f"the {what} has characters that can not be printed")
    return text
