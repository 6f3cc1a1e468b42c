"""Every error that crosses a module border, sorted by whose fault it is."""

from __future__ import annotations


class SfuError(Exception):
    """Base of all errors raised on purpose.

    ``detail`` says what is wrong; ``hint`` (may be empty) what would be accepted or what to do.
    """

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(f"{detail} ({hint})" if hint else detail)
        self.detail = detail
        self.hint = hint


class ConfigError(SfuError):
    """A setting is unknown or wrong. ``key`` is its dotted path; the command exits with 2."""

    def __init__(self, key: str, detail: str, hint: str = "") -> None:
        super().__init__(f"{key}: {detail}", hint)
        self.key = key


class WireError(SfuError, ValueError):
    """Bytes from the network are malformed: drop and count; closes nothing by itself."""


class RemoteError(SfuError):
    """The remote side broke the protocol or asked for what it may not have.

    ``code`` is stable (``docs/signaling.md``); ``status`` is the HTTP status that says the same.
    ``retry_after_s``: when the same may be worth trying again, where that is known.
    """

    def __init__(
        self, code: str, detail: str, hint: str = "", *, status: int = 400, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail, hint)
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s


class StateError(SfuError):
    """This process called itself wrongly: a bug here, not a fault of the remote."""


class TransportClosed(SfuError):
    """The transport went away while something waited for it."""


class EngineError(SfuError):
    """The media engine cannot start or has failed."""
