"""At a meeting's door: the requests of hosts, and what those hear who wait."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sfu.conference import Attendee
from sfu.conference.views import KeptOutPage, WaitingPage
from sfu.conference.waiting import MAX_PAGE
from sfu.plugins.signaling_ws.request import FOR_ALL, PAGE, Request, RequestType, request_of


class WaitingList(Request):
    after: str | None = Field(None, max_length=64)
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class OneWaiting(Request):
    waiting_id: str = Field(max_length=64)


class OneKeptOut(Request):
    kept_out_id: str = Field(max_length=64)


class AdmitAll(Request):
    pass


class Lock(Request):
    locked: bool


class Remove(Request):
    participant_id: str = Field(max_length=64)


def _waiting_list(attendee: Attendee, request: WaitingList) -> WaitingPage:
    return attendee.meeting.admission.page(attendee.caller, request.after, request.limit)


def _admit(attendee: Attendee, request: OneWaiting) -> None:
    attendee.meeting.admission.admit(attendee.caller, request.waiting_id)


def _admit_all(attendee: Attendee, _request: AdmitAll) -> None:
    attendee.meeting.admission.admit_all(attendee.caller)


def _deny(attendee: Attendee, request: OneWaiting) -> None:
    attendee.meeting.admission.deny(attendee.caller, request.waiting_id)


def _kept_out_list(attendee: Attendee, request: WaitingList) -> KeptOutPage:
    return attendee.meeting.admission.kept_out.page(attendee.caller, request.after, request.limit)


def _readmit(attendee: Attendee, request: OneKeptOut) -> None:
    attendee.meeting.admission.kept_out.readmit(attendee.caller, request.kept_out_id)


def _lock(attendee: Attendee, request: Lock) -> None:
    attendee.meeting.admission.lock(attendee.caller, locked=request.locked)


def _remove(attendee: Attendee, request: Remove) -> None:
    attendee.meeting.admission.remove(attendee.caller, request.participant_id)


DOOR: dict[str, RequestType] = {
    "waiting_list": request_of(WaitingList, _waiting_list, PAGE),
    "admit": request_of(OneWaiting, _admit, FOR_ALL),
    "admit_all": request_of(AdmitAll, _admit_all, FOR_ALL),
    "deny": request_of(OneWaiting, _deny),
    "lock": request_of(Lock, _lock, FOR_ALL),
    "kept_out_list": request_of(WaitingList, _kept_out_list, PAGE),
    "readmit": request_of(OneKeptOut, _readmit, FOR_ALL),
    "remove": request_of(Remove, _remove, FOR_ALL),
}


def waiting_fields(position: int, reason: str) -> dict[str, Any]:
    """Of a ``waiting`` message."""
    return {"type": "waiting", "position": position, "reason": reason}
