"""The conversation on one socket, without the socket: frames in, frames and a close code out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from sfu.clock import Clock
from sfu.conference import Attendee, Conference, EndReason, LeaveReason
from sfu.conference.events import Admitted, Denied, DenyReason, Event, MeetingEnded, Removed, Replaced, WaitingMoved
from sfu.conference.waiting import Waiting
from sfu.errors import RemoteError, SfuError, WireError
from sfu.plugins.signaling_ws.door import waiting_fields
from sfu.plugins.signaling_ws.outbox import Closing, Outbox
from sfu.plugins.signaling_ws.rate import RateLimit
from sfu.plugins.signaling_ws.request import RequestType, parse_fields
from sfu.plugins.signaling_ws.requests import Hello, request_type
from sfu.plugins.signaling_ws.wire import MAX_MESSAGE_BYTES, NOTIFICATIONS, EventEncoder, Frame, Wire, fields_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

HELLO_TIMEOUT_S = 5.0

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_INTERNAL = 1011
CLOSE_RESTART = 1012
CLOSE_MALFORMED = 4400
CLOSE_UNAUTHORIZED = 4401
CLOSE_REMOVED = 4403
CLOSE_REPLACED = 4409
CLOSE_TOO_MUCH = 4429


MAX_PUT_OFF = 64
MAX_PUT_OFF_BYTES = 2 * MAX_MESSAGE_BYTES
"""What a client may send while plugins think about a request of its."""

SENT_AWAY = {LeaveReason.REMOVED, LeaveReason.REVOKED, LeaveReason.EXPIRED, LeaveReason.REPLACED}
"""Who should not simply join again."""

Question = Coroutine[Any, Any, Callable[[], object]]

JoinAnswer = Callable[[Attendee], dict[str, Any]]
"""What somebody is told who was let in."""


class State(Enum):
    """Waiting for hello, waiting to be let in, in the meeting, or over."""

    GREETING = auto()
    WAITING = auto()
    ATTACHED = auto()
    CLOSED = auto()


class SignalingSession:
    """One socket's conversation. ``disconnected`` must be called when the socket is gone; after it, nothing in the
    meeting refers to the session.
    """

    def __init__(
        self,
        meeting_id: str,
        conference: Conference,
        wire: Wire,
        encoder: EventEncoder,
        *,
        clock: Clock,
        logger: FilteringBoundLogger,
        answer: JoinAnswer,
    ) -> None:
        self.outbox = Outbox(Closing(CLOSE_TOO_MUCH, "the client reads too slowly"))
        self._meeting_id = meeting_id
        self._conference = conference
        self._wire = wire
        self._encoder = encoder
        self._clock = clock
        self._log = logger
        self._join_answer = answer
        self._state = State.GREETING
        self._attendee: Attendee | None = None
        self._waiting: Waiting | None = None
        self._rate = RateLimit(clock.now())
        self._is_asking = False
        self._put_off_frames: deque[Frame] = deque()
        self._greeting = clock.call_later(HELLO_TIMEOUT_S, self._no_hello)

    # from the socket

    def handle_frame(self, frame: Frame) -> None:
        """A message of the client. Total: whatever it is, it is answered, or the socket is closed."""
        if self._state is State.CLOSED:
            return
        if not self._rate.allow(self._clock.now()):
            self._close(CLOSE_TOO_MUCH, "too many messages")
        elif len(frame) > MAX_MESSAGE_BYTES:
            self._close(CLOSE_MALFORMED, f"a message has at most {MAX_MESSAGE_BYTES} bytes")
        elif self._is_asking:
            self._put_off(frame)
        else:
            self._handle_message(frame)

    def disconnected(self) -> None:
        """The socket is gone. Idempotent."""
        self._state = State.CLOSED
        self._greeting.cancel()
        self._put_off_frames.clear()
        attendee, self._attendee = self._attendee, None
        if attendee is not None:
            attendee.detach(self.handle_event)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.detach(self.handle_waiting, self._clock.now())

    # from the meeting

    def handle_event(self, event: Event) -> None:
        """The ``Listener`` of this session."""
        if isinstance(event, MeetingEnded) and event.reason is EndReason.MOVED:
            self._close(CLOSE_RESTART, "the meeting goes on at another server")
            return
        if type(event) in NOTIFICATIONS:
            self.outbox.put(self._encoder.encode(event, self._wire))
        match event:
            case MeetingEnded(reason=EndReason.SERVER_STOPPING):
                self._close(CLOSE_GOING_AWAY, "the server is stopping")
            case MeetingEnded():
                self._close(CLOSE_NORMAL, "the meeting ended")
            case Replaced():
                self._close(CLOSE_REPLACED, "replaced by a newer socket")
            case Removed(reason=LeaveReason.LEFT):
                self._close(CLOSE_NORMAL, "left")
            case Removed(reason=reason) if reason in SENT_AWAY:
                self._send({"type": "removed", "reason": reason.value})
                code = CLOSE_REPLACED if reason is LeaveReason.REPLACED else CLOSE_REMOVED
                self._close(code, f"removed: {reason.value}")
            case Removed():
                self._close(CLOSE_UNAUTHORIZED, "the media transport was closed for too long; join again")

    def handle_waiting(self, event: WaitingMoved | Admitted | Denied) -> None:
        """The ``WaitingListener`` of this session."""
        match event:
            case WaitingMoved():
                self._send(waiting_fields(event.position, event.reason))
            case Admitted():
                self._waiting = None
                self._send({"type": "admitted", "join": self._join_answer(event.attendee)})
                self._close(CLOSE_NORMAL, "admitted")
            case Denied(reason=DenyReason.REPLACED):
                self._waiting = None
                self._close(CLOSE_REPLACED, "replaced by a newer socket")
            case Denied(reason=DenyReason.SERVER_STOPPING):
                self._waiting = None
                self._close(CLOSE_GOING_AWAY, "the server is stopping")
            case Denied():
                self._waiting = None
                self._send({"type": "denied", "reason": event.reason.value, "detail": event.detail})
                self._close(CLOSE_REMOVED, f"denied: {event.reason.value}")

    # inner

    def _handle_message(self, frame: Frame) -> None:
        try:
            message = self._wire.decode(frame)
        except WireError as error:
            self._close(CLOSE_MALFORMED, str(error))
            return
        request_id = message.get("id")
        if not isinstance(request_id, int) or isinstance(request_id, bool):
            self._close(CLOSE_MALFORMED, "a request has an integer id")
            return
        if self._waiting is not None:
            self._send(self._while_waiting(self._waiting, request_id, message))
            return
        if self._attendee is None:
            self._greet(request_id, message)
            return
        reply = self._answer(self._attendee, request_id, message)
        if reply is not None:
            self._send(reply)

    def _greet(self, request_id: int, message: dict[str, Any]) -> None:
        try:
            hello, attendee = self._admit(message)
            if isinstance(attendee, Waiting):
                self._wait(request_id, attendee)
                return
        except RemoteError as error:
            self._send(_error(request_id, error))
            self._close(CLOSE_UNAUTHORIZED, error.detail)
            return
        self._greeting.cancel()
        self._attendee = attendee
        self._state = State.ATTACHED
        welcome = attendee.attach(self.handle_event, offer_known=hello.offer)
        self.outbox.put(self._encoder.welcome(request_id, welcome, self._wire))
        if hello.chat is not None:
            attendee.meeting.chat.replay(attendee, hello.chat.log, hello.chat.after)
        self._log.info("signaling_attached", meeting=self._meeting_id, participant=attendee.id)

    def _wait(self, request_id: int, waiting: Waiting) -> None:
        """It is told its place, and the rest as it comes."""
        door = self._conference.meetings[self._meeting_id].admission
        self._greeting.cancel()
        self._waiting, self._state = waiting, State.WAITING
        moved = door.room.moved(waiting)
        self._send({**waiting_fields(moved.position, moved.reason), "reply": request_id})
        waiting.attach(self.handle_waiting, moved)
        door.review()

    def _while_waiting(self, waiting: Waiting, request_id: int, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("type"):
            case "ping":
                return {"type": "reply", "reply": request_id}
            case "leave":
                self._conference.meetings[self._meeting_id].admission.room.remove(waiting, Denied(DenyReason.LEFT))
                return {"type": "reply", "reply": request_id}
        error = RemoteError("conflict", "you are not in the meeting yet", "ping or leave", status=409)
        return _error(request_id, error)

    def _admit(self, message: dict[str, Any]) -> tuple[Hello, Attendee | Waiting]:
        if message.get("type") != "hello":
            raise RemoteError("unauthorized", "the first message must be hello", status=401)
        hello = parse_fields("hello", Hello, message)
        meeting = self._conference.meetings.get(self._meeting_id)
        if meeting is None:
            raise RemoteError("meeting_not_found", "there is no such meeting, or it has ended", status=404)
        return hello, meeting.admission.room.holder(hello.token) or meeting.attendee(hello.token)

    def _answer(self, attendee: Attendee, request_id: int, message: dict[str, Any]) -> dict[str, Any] | None:
        """Does what a request asks; the reply. None: plugins are asked first."""

        def act() -> object:
            name = message.get("type")
            kind = request_type(name)
            self._charge(kind)
            fields = parse_fields(str(name), kind.model, message)
            question = kind.ask(attendee, fields) if kind.ask is not None else None
            return kind.handle(attendee, fields) if question is None else question

        reply = self._reply(attendee, request_id, message, act)
        if isinstance(reply, dict):
            return reply
        self._is_asking = True
        self._conference.hooks.spawn(self._answer_when_told(attendee, request_id, message, reply))
        return None

    def _reply(
        self, attendee: Attendee, request_id: int, message: dict[str, Any], act: Callable[[], object]
    ) -> dict[str, Any] | Question:
        """What is answered when that was done; or the question that it comes to."""
        try:
            answer = act()
        except RemoteError as error:
            return _error(request_id, error)
        except SfuError:
            # Ours, not the client's; the others in the meeting and this socket go on.
            self._log.exception("request_failed", type=message.get("type"), participant=attendee.id)
            return _error(request_id, RemoteError("internal", "the server failed on this request", status=500))
        if isinstance(answer, Coroutine):
            return answer
        return {"type": "reply", "reply": request_id, **(fields_of(answer) if answer is not None else {})}

    # while plugins are asked: what the client sends waits, so that requests are done in their order

    def _put_off(self, frame: Frame) -> None:
        self._put_off_frames.append(frame)
        held_bytes = sum(map(len, self._put_off_frames))
        if len(self._put_off_frames) > MAX_PUT_OFF or held_bytes > MAX_PUT_OFF_BYTES:
            self._put_off_frames.clear()
            self._close(CLOSE_TOO_MUCH, "too many messages wait for an answer")

    async def _answer_when_told(
        self, attendee: Attendee, request_id: int, message: dict[str, Any], question: Question
    ) -> None:
        try:
            try:
                act = await question
            except RemoteError as error:
                reply: dict[str, Any] | Question = _error(request_id, error)
            else:
                if self._state is State.CLOSED:
                    return  # who came back by another socket asks again
                reply = self._reply(attendee, request_id, message, act)
            self._is_asking = False
            if isinstance(reply, dict) and self._state is not State.CLOSED:
                self._send(reply)
            while self._put_off_frames and not self._is_asking and self._state is not State.CLOSED:
                self._handle_message(self._put_off_frames.popleft())
        except Exception:  # noqa: BLE001 - see below
            # Nobody above hears of it, and this client would wait for ever.
            self._log.exception("request_failed", type=message.get("type"), participant=attendee.id)
            self._close(CLOSE_INTERNAL, "the server failed on this request")

    def _charge(self, kind: RequestType) -> None:
        """What the request costs beyond the one message that it is. Raises ``RemoteError`` ``rate_limited``."""
        if not self._rate.allow(self._clock.now(), kind.cost - 1):
            raise RemoteError("rate_limited", "too many requests that concern everybody", "wait a second", status=429)

    def _send(self, message: dict[str, Any]) -> None:
        self.outbox.put(self._wire.encode(message))

    def _no_hello(self) -> None:
        self._close(CLOSE_UNAUTHORIZED, f"no hello within {HELLO_TIMEOUT_S:.0f} s")

    def _close(self, code: int, reason: str) -> None:
        self._state = State.CLOSED
        self._greeting.cancel()
        self.outbox.close(code, reason)


def _error(request_id: int, error: RemoteError) -> dict[str, Any]:
    return {
        "type": "error",
        "reply": request_id,
        "code": error.code,
        "detail": error.detail,
        "hint": error.hint,
    }
