"""A plugin for sfu: staff do as they like, guests are told from them and may do less.

Staff are those whose access token has an identity of ``staff_domain``. Guests are marked as such in their name, stay an
hour, may not share screens, send small pictures and do not see each other. Only staff have meetings recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sfu.plugins.api import (
    Deny,
    JoinAsked,
    Pair,
    PluginContext,
    PublishAsked,
    RecordAsked,
    Role,
    Source,
    SubscribeAsked,
)

MAX_NAME_CHARS = 64
"""What the server takes."""


class Settings(BaseModel):
    """``[plugin.doorkeeper]``."""

    model_config = ConfigDict(extra="forbid")
    staff_domain: str = Field(pattern=r"^[a-z0-9.-]+$")
    guest_minutes: float = Field(60, gt=0)
    unwanted: tuple[str, ...] = ()
    """Names, in small letters, under which nobody gets in."""


class Doorkeeper:
    """Loaded by ``plugins = [..., "doorkeeper"]``."""

    name = "doorkeeper"

    def setup(self, context: PluginContext) -> None:
        """Reads the settings, and adds a route that tells how many guests came."""
        self._settings = context.settings_as(Settings)
        self._guests = 0
        router = APIRouter()

        @router.get("/doorkeeper")
        async def guests() -> dict[str, int]:
            return {"guests": self._guests}

        context.include_router(router)

    async def before_join(self, join: JoinAsked) -> JoinAsked | Deny | None:
        """Guests are marked; who brings a host token without being staff is no host."""
        if join.name.lower() in self._settings.unwanted:
            return Deny(f"Nobody called {join.name} is expected.")
        if self._is_staff(join.identity):
            return None
        self._guests += 1
        return replace(
            join,
            name=f"{join.name[: MAX_NAME_CHARS - 8]} (guest)",
            role=Role.PARTICIPANT if join.role in {Role.HOST, Role.COHOST} else join.role,
            session_s=self._settings.guest_minutes * 60,
        )

    async def before_publish(self, publish: PublishAsked) -> PublishAsked | Deny | None:
        """Guests share no screens, and send pictures of 360 lines at most."""
        if self._is_staff(publish.person.identity):
            return None
        if publish.source in {Source.SCREEN, Source.SCREEN_AUDIO}:
            return Deny("Guests do not share screens here.")
        return replace(publish, max_height=360)

    async def before_subscribe(self, subscribe: SubscribeAsked) -> Iterable[Pair]:
        """Guests hear each other, but do not see each other. One call has many pairs."""
        return [
            pair
            for pair in subscribe.pairs
            if pair.source in {Source.CAMERA, Source.SCREEN}
            and not self._is_staff(pair.subscriber.identity)
            and not self._is_staff(pair.publisher.identity)
        ]

    def before_record(self, record: RecordAsked) -> Deny | None:
        """A plain function may block: the server calls it in a thread."""
        return None if self._is_staff(record.identity) else Deny("Only staff have meetings recorded.")

    def _is_staff(self, identity: str) -> bool:
        return identity.endswith(f"@{self._settings.staff_domain}")
