"""Who is in a meeting, and by what they are found: an id, a token, an identity."""

from __future__ import annotations

from sfu.conference.asking import person_of
from sfu.conference.hooks import Person
from sfu.conference.names import digest
from sfu.conference.participant import Participant
from sfu.conference.viewer import Viewer


class Members:
    """``participants`` by id and ``viewers`` by token, in the order of coming; others read both, and change neither. Of
    tokens only digests are looked up.
    """

    def __init__(self) -> None:
        self.participants: dict[str, Participant] = {}
        self.viewers: dict[str, Viewer] = {}
        self._by_token: dict[bytes, Participant | Viewer] = {}
        self._by_identity: dict[str, Participant] = {}

    def called(self, identity: str | None) -> Participant | None:
        """Who is in by that identity; a guest has none."""
        return self._by_identity.get(identity) if identity else None

    def holder(self, token: str) -> Participant | Viewer | None:
        """Whose token it is."""
        return self._by_token.get(digest(token))

    def person(self, member_id: str) -> Person | None:
        """As plugins are told of a participant or viewer."""
        participant = self.participants.get(member_id)
        if participant is not None:
            return person_of(participant)
        viewer = next((viewer for viewer in self.viewers.values() if viewer.id == member_id), None)
        return None if viewer is None else Person(viewer.id, viewer.grants.identity or "", "", None)

    def viewers_of(self, participant_id: str) -> list[Viewer]:
        """Who receives that participant and no other."""
        return [viewer for viewer in self.viewers.values() if viewer.target == participant_id]

    def add(self, participant: Participant) -> None:
        """It came."""
        self.participants[participant.id] = participant
        self._by_token[digest(participant.token)] = participant
        if participant.identity:
            self._by_identity[participant.identity] = participant

    def add_viewer(self, viewer: Viewer) -> None:
        """It came."""
        self.viewers[viewer.token] = viewer
        self._by_token[digest(viewer.token)] = viewer

    def take_out(self, participant: Participant) -> bool:
        """It goes; False: it was not here."""
        if self.participants.pop(participant.id, None) is None:
            return False
        if self._by_identity.get(participant.identity) is participant:
            del self._by_identity[participant.identity]
        del self._by_token[digest(participant.token)]
        return True

    def take_out_viewer(self, viewer: Viewer) -> bool:
        """It goes; False: it was not here."""
        if self.viewers.pop(viewer.token, None) is None:
            return False
        del self._by_token[digest(viewer.token)]
        return True

    def take_out_all(self) -> tuple[Participant | Viewer, ...]:
        """All go; who they were."""
        everybody = tuple(self._by_token.values())
        for table in (self.participants, self.viewers, self._by_token, self._by_identity):
            table.clear()
        return everybody
