"""The tables, as the newest migration leaves them (a test holds both equal).

Keys are UUIDs. The key of a meeting with a chosen name is made from it, and the name is in a column of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa

from sfu.conference.names import is_made_id
from sfu.conference.records import Access, MeetingStatus, RecordingPolicy, RecordingStatus
from sfu.conference.standings import Decision

NAMES = uuid5(NAMESPACE_URL, "urn:sfu:meeting-name")
"""Namespace of keys that are made from names (RFC 9562 section 5.5)."""


def key_of(text: str) -> UUID:
    """The key of what is called so: itself if it is a UUID of version 4 as we write it, else one made from it."""
    if is_made_id(text):
        return UUID(text)
    return uuid5(NAMES, text.encode(errors="backslashreplace").decode())  # whatever a URL may have


class Instant(sa.types.TypeDecorator[datetime]):
    """A time with zone, UTC. SQLite keeps none, so it is given back here."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To the database."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def word_of(words: type[StrEnum], name: str) -> sa.Enum:
    """A text that is one of the values of ``words``; the database checks it."""
    return sa.Enum(
        words,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda enum: [member.value for member in enum],
    )


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meetings = sa.Table(
    "meetings",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.String(64), nullable=True, unique=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("status", word_of(MeetingStatus, "status"), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("scheduled_start", Instant, nullable=True),
    sa.Column("duration_s", sa.Double, nullable=True),
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("planned_end", Instant, nullable=True),
    sa.Column("started_at", Instant, nullable=True),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("max_participants", sa.Integer, nullable=False),
    sa.Column("access", word_of(Access, "access"), nullable=False),
    sa.Column("recording", word_of(RecordingPolicy, "recording"), nullable=False),
    sa.Column("e2ee", sa.Boolean, nullable=False),
    sa.Column("not_before", Instant, nullable=True),
    sa.Column("lobby", sa.Boolean, nullable=False),
    sa.Column("rules", sa.JSON, nullable=False),
    sa.Column("host_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("join_link_token", sa.LargeBinary(32), nullable=True, unique=True),
    sa.Column("join_link_expires_at", Instant, nullable=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("orders", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("orders_at", Instant, nullable=True),
    sa.Index(None, "starts_at", "id"),
    sa.Index(None, "status", "starts_at", "id"),
    sa.Index(None, "host", "starts_at", "id"),
)
"""``starts_at`` and ``planned_end`` follow from other columns; they are there to be looked for. ``join_link_token``
and ``host_digest`` are SHA-256 of the tokens. ``orders``: how hosts have it, which is no version of it.
"""

participants = sa.Table(
    "participants",
    metadata,
    sa.Column("session_id", sa.Uuid, primary_key=True),
    sa.Column("meeting_id", sa.Uuid, sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    sa.Column("participant_id", sa.String(64), nullable=False),
    sa.Column("identity", sa.String(255), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("is_host", sa.Boolean, nullable=False),
    sa.Column("joined_at", Instant, nullable=False),
    sa.Column("left_at", Instant, nullable=True),
    sa.Column("left_reason", sa.String(32), nullable=True),
    sa.Column("node", sa.String(64), nullable=False),
    sa.Column("seat", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("seat_until", Instant, nullable=True),
    sa.Index(None, "meeting_id", "joined_at", "session_id"),
    sa.Index(
        "ix_participants_here",
        "node",
        sqlite_where=sa.text("left_at IS NULL"),
        postgresql_where=sa.text("left_at IS NULL"),
    ),
    sa.Index(
        "ix_participants_seats",
        "meeting_id",
        sqlite_where=sa.text("seat IS NOT NULL"),
        postgresql_where=sa.text("seat IS NOT NULL"),
    ),
)
"""One row for each stay. ``node``: the server that the participant is connected to. ``seat``: with what it may come
back, while it is there, and until ``seat_until`` when its server was lost.
"""

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("meeting_id", sa.Uuid, sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    sa.Column("status", word_of(RecordingStatus, "status"), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index(None, "meeting_id", "started_at"),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("key_digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("salt", sa.LargeBinary(32), nullable=False),
    sa.Column("meeting_id", sa.Uuid, sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index(None, "meeting_id"),
)
"""Requests with an ``Idempotency-Key`` that made a meeting."""

standings = sa.Table(
    "standings",
    metadata,
    sa.Column("meeting_id", sa.Uuid, sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    sa.Column("who", sa.LargeBinary(32), nullable=False),
    sa.Column("decision", word_of(Decision, "decision"), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("person", sa.String(64), nullable=False, server_default=""),
    sa.Column("name", sa.String(64), nullable=False, server_default=""),
    sa.PrimaryKeyConstraint("meeting_id", "who"),
)
"""What hosts decided about somebody. ``who``: SHA-256 of an identity, a token's id or a browser. Of who is kept out
``person`` is the same in all their rows, and ``name`` is theirs.
"""

chat = sa.Table(
    "chat",
    metadata,
    sa.Column("meeting_id", sa.Uuid, sa.ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("log", sa.String(64), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("participant_id", sa.String(64), nullable=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=True),
    sa.Column("to_id", sa.String(64), nullable=True),
    sa.Column("to_name", sa.String(64), nullable=True),
    sa.Column("deletes", sa.BigInteger, nullable=True),
    sa.PrimaryKeyConstraint("meeting_id", "seq"),
    sa.Index(None, "at"),
)
"""What is said in meetings whose rules keep it. ``text`` null: it was deleted, or deletes ``deletes`` itself."""
