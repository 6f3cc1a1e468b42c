"""Questions to plugins, made of what the conference knows, and what their answers come to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sfu.conference.admission import Application
from sfu.conference.authority import Role
from sfu.conference.hooks import Hook, Hooks, JoinAsked, Person, Way
from sfu.conference.participant import Participant

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting


def person_of(participant: Participant) -> Person:
    """As plugins see it."""
    return Person(participant.id, participant.identity, participant.name, participant.rights.role)


async def ask_to_join(
    hooks: Hooks, meeting: Meeting, application: Application, *, way: Way, address: str, role: Role | None = None
) -> Application:
    """What plugins make of it. Who would not get in anyway is refused without asking anybody; ``role``: that was seen
    to before, and this is what it will be.

    Raises ``RemoteError``: as ``Admission.check``, ``refused``, ``hook_failed``.
    """
    if not hooks.has(Hook.BEFORE_JOIN):
        return application
    grants = application.grants
    asked = JoinAsked(
        meeting=meeting.record,
        way=way,
        address=address,
        identity=grants.identity or "",
        name=application.shown_name,
        role=role or meeting.admission.check(application),
        publish=grants.publish,
        max_bps=grants.max_bps,
        session_s=grants.session_s,
    )
    answer = await hooks.ask(Hook.BEFORE_JOIN, asked)
    return application if answer is asked else _changed(application, asked, answer)


def _changed(application: Application, asked: JoinAsked, answer: JoinAsked) -> Application:
    publish, max_bps, session_s = answer.publish, answer.max_bps, answer.session_s
    grants = replace(
        application.grants,
        name=application.grants.name if answer.name == asked.name else answer.name,
        publish=None if publish is None else frozenset(publish),
        max_bps=max_bps,
        session_s=session_s,
    )
    role = application.role if answer.role is asked.role else answer.role
    return replace(application, grants=grants, role=role)
