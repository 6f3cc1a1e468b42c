"""Questions to plugins, made of what the conference knows, and what their answers come to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sfu.conference.admission import Application
from sfu.conference.authority import Actor, Role
from sfu.conference.grants import Grants
from sfu.conference.hooks import Hook, Hooks, JoinAsked, Person, PublishAsked, RecordAsked, Way
from sfu.conference.names import check_name
from sfu.conference.negotiation import parse_sdp
from sfu.conference.participant import Participant
from sfu.conference.publisher import offered_sources
from sfu.conference.records import MeetingRecord
from sfu.conference.track import Limits, Source
from sfu.errors import RemoteError

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
    if not hooks.has(Hook.BEFORE_JOIN) or meeting.admission.has_seat(application):
        return application
    with meeting.admission.stats.counting():
        return await _ask_to_join(hooks, meeting, application, way=way, address=address, role=role)


async def _ask_to_join(
    hooks: Hooks, meeting: Meeting, application: Application, *, way: Way, address: str, role: Role | None
) -> Application:
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


async def ask_to_publish(hooks: Hooks, meeting: Meeting, person: Person, source: Source) -> Limits:
    """Within which limits it may. Raises ``RemoteError``: ``refused``, ``hook_failed``."""
    answer = await hooks.ask(Hook.BEFORE_PUBLISH, PublishAsked(meeting.record, person, source))
    return Limits(answer.max_encodings, answer.max_height)


async def ask_to_record(hooks: Hooks, meeting: MeetingRecord, role: Actor, identity: str) -> None:
    """Raises ``RemoteError``: ``refused``, ``hook_failed``."""
    await hooks.ask(Hook.BEFORE_RECORD, RecordAsked(meeting, role, identity))


async def ask_to_stream(
    hooks: Hooks, meeting: Meeting, name: str, grants: Grants, sdp: str
) -> tuple[Grants, dict[Source, Limits]]:
    """For who publishes with joining (WHIP): what plugins leave of its grants, and limits by source. What they deny
    among others is left out. Raises ``RemoteError``: ``bad_sdp``, or, when nothing is left, that of the first denial.
    """
    limits: dict[Source, Limits] = {}
    if not hooks.has(Hook.BEFORE_PUBLISH):
        return grants, limits
    rights = meeting.permissions.rights(grants=grants)
    person = Person("", grants.identity or "", check_name(grants.name or name), rights.role)
    wanted = [source for source in offered_sources(parse_sdp(sdp)) if source in rights.publish]
    refusal: RemoteError | None = None
    for source in wanted:
        try:
            limits[source] = await ask_to_publish(hooks, meeting, person, source)
        except RemoteError as error:
            refusal = refusal or error
    if refusal is not None and not limits:
        raise refusal
    denied = {source for source in wanted if source not in limits}
    return replace(grants, publish=rights.most - denied), limits


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
