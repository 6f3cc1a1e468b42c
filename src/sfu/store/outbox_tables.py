"""The tables of the outbox. They name meetings by text and refer to none: what happened is told after a meeting was
deleted, too.
"""

from __future__ import annotations

import sqlalchemy as sa

from sfu.conference.outbox import MAX_ERROR_CHARS
from sfu.store.tables import Instant, metadata

MEETING_ID = sa.String(64)
SINK = sa.String(64)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("meeting_id", MEETING_ID, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Uuid, nullable=False, unique=True),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index(None, "at"),
)
"""One row for each happening."""

numbers = sa.Table(
    "outbox_numbers",
    metadata,
    sa.Column("meeting_id", MEETING_ID, primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("is_over", sa.Boolean, nullable=False),
)
"""The last number of each meeting; ``is_over``: it was deleted, and nothing will follow. Who appends holds its row
until he commits, so that what others see of a meeting is never followed by a lower number.
"""

lanes = sa.Table(
    "outbox_lanes",
    metadata,
    sa.Column("sink", SINK, primary_key=True),
    sa.Column("meeting_id", MEETING_ID, primary_key=True),
    sa.Column("branch", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("due_at", Instant, nullable=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(36), nullable=False),
    sa.Index(
        "ix_outbox_lanes_due",
        "sink",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
    sa.Index(None, "meeting_id"),
)
"""See ``sfu.conference.outbox``. ``due_at``: NULL when all is told; while it is claimed, when the claim lapses."""

dead = sa.Table(
    "outbox_dead",
    metadata,
    sa.Column("sink", SINK, primary_key=True),
    sa.Column("meeting_id", MEETING_ID, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.String(MAX_ERROR_CHARS), nullable=False),
    sa.Column("died_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["meeting_id", "number"], ["outbox.meeting_id", "outbox.number"], ondelete="CASCADE"),
    sa.Index(None, "meeting_id", "number"),
)
