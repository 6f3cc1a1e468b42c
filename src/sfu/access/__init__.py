"""Who is asking, and what was granted: signed tokens (JWT), API keys, and what was revoked of them.

Pure but for the file of revocations: no network, no clock. Where keys come from is the runtime's matter; what grants
mean in a meeting is the conference's.
"""

from sfu.access.access import Access
from sfu.access.api_keys import ApiKey, ApiKeys, Scope
from sfu.access.keys import Key, KeyRing, KeySet
from sfu.access.revocations import Entry, Revocations
from sfu.access.tokens import Terms, inspect_token, issue_token, verify_token

__all__ = [
    "Access",
    "ApiKey",
    "ApiKeys",
    "Entry",
    "Key",
    "KeyRing",
    "KeySet",
    "Revocations",
    "Scope",
    "Terms",
    "inspect_token",
    "issue_token",
    "verify_token",
]
