"""Meetings, participants, recordings, and requests that may come again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _word(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def _meeting_key() -> sa.Column[object]:
    return sa.Column("meeting_id", sa.Uuid, nullable=False)


def _of_meeting(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_meeting_id")
    return sa.ForeignKeyConstraint(["meeting_id"], ["meetings.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    """Makes the first tables."""
    _make_meetings()
    _make_participants()
    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid, nullable=False),
        _meeting_key(),
        sa.Column("status", _word("status", "starting", "active", "finishing", "ready", "failed"), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        _of_meeting("recordings"),
    )
    op.create_index(op.f("ix_recordings_meeting_id_started_at"), "recordings", ["meeting_id", "started_at"])
    op.create_table(
        "requests",
        sa.Column("key_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        _meeting_key(),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name=op.f("pk_requests")),
        _of_meeting("requests"),
    )
    op.create_index(op.f("ix_requests_meeting_id"), "requests", ["meeting_id"])


def _make_meetings() -> None:
    op.create_table(
        "meetings",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64)),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("status", _word("status", "scheduled", "active", "ended"), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("scheduled_start", INSTANT),
        sa.Column("duration_s", sa.Double),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("planned_end", INSTANT),
        sa.Column("started_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("max_participants", sa.Integer, nullable=False),
        sa.Column("access", _word("access", "open", "token", "waiting_room"), nullable=False),
        sa.Column("recording", _word("recording", "off", "allowed", "auto"), nullable=False),
        sa.Column("e2ee", sa.Boolean, nullable=False),
        sa.Column("not_before", INSTANT),
        sa.Column("lobby", sa.Boolean, nullable=False),
        sa.Column("rules", sa.JSON, nullable=False),
        sa.Column("host_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("join_link_token", sa.LargeBinary(32)),
        sa.Column("join_link_expires_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meetings")),
        sa.UniqueConstraint("name", name=op.f("uq_meetings_name")),
        sa.UniqueConstraint("join_link_token", name=op.f("uq_meetings_join_link_token")),
    )
    op.create_index(op.f("ix_meetings_starts_at_id"), "meetings", ["starts_at", "id"])
    op.create_index(op.f("ix_meetings_status_starts_at_id"), "meetings", ["status", "starts_at", "id"])
    op.create_index(op.f("ix_meetings_host_starts_at_id"), "meetings", ["host", "starts_at", "id"])


def _make_participants() -> None:
    op.create_table(
        "participants",
        sa.Column("session_id", sa.Uuid, nullable=False),
        _meeting_key(),
        sa.Column("participant_id", sa.String(64), nullable=False),
        sa.Column("identity", sa.String(255), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("is_host", sa.Boolean, nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("left_at", INSTANT),
        sa.Column("left_reason", sa.String(32)),
        sa.Column("node", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_participants")),
        _of_meeting("participants"),
    )
    columns = ["meeting_id", "joined_at", "session_id"]
    op.create_index(op.f("ix_participants_meeting_id_joined_at_session_id"), "participants", columns)
    here = sa.text("left_at IS NULL")
    op.create_index("ix_participants_here", "participants", ["node"], sqlite_where=here, postgresql_where=here)


def downgrade() -> None:
    """Takes all tables away, and with them what they have."""
    for table in ("requests", "recordings", "participants", "meetings"):
        op.drop_table(table)
