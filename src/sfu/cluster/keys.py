"""The names of all that this deployment has in Redis."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Below one prefix, so that deployments may share a Redis."""

    prefix: str

    @property
    def epoch(self) -> str:
        """String: the ``run_id`` of the Redis that all of this was written to."""
        return f"{self.prefix}epoch"

    @property
    def grace(self) -> str:
        """Exists while a Redis that was away gives processes time to say what they have."""
        return f"{self.prefix}grace"

    @property
    def everybody(self) -> str:
        """Channel that every process listens to."""
        return f"{self.prefix}all"

    def process(self, process_id: str) -> str:
        """String with a time to live: the process is there."""
        return f"{self.prefix}process:{process_id}"

    def inbox(self, process_id: str) -> str:
        """Channel: what others send to a process."""
        return f"{self.prefix}to:{process_id}"

    def gone(self, process_id: str) -> str:
        """String: since when nobody listens to that process' channel."""
        return f"{self.prefix}gone:{process_id}"

    def home(self, meeting_id: str) -> str:
        """String: the process that has the meeting."""
        return f"{self.prefix}meeting:{meeting_id}:home"

    def participants(self, meeting_id: str) -> str:
        """Hash: participant id -> JSON."""
        return f"{self.prefix}meeting:{meeting_id}:participants"

    def speaker(self, meeting_id: str) -> str:
        """String: the id of who has the floor."""
        return f"{self.prefix}meeting:{meeting_id}:speaker"

    def news(self, meeting_id: str) -> str:
        """Channel: what changed of the participants."""
        return f"{self.prefix}meeting:{meeting_id}"
