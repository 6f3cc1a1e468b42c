"""The outbox: what is to be told of meetings, and how far it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes its tables."""
    op.create_table(
        "outbox",
        sa.Column("meeting_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "number", name=op.f("pk_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_id")),
    )
    op.create_index(op.f("ix_outbox_at"), "outbox", ["at"])
    op.create_table(
        "outbox_numbers",
        sa.Column("meeting_id", sa.String(64), nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("is_over", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", name=op.f("pk_outbox_numbers")),
    )
    op.create_table(
        "outbox_lanes",
        sa.Column("sink", sa.String(64), nullable=False),
        sa.Column("meeting_id", sa.String(64), nullable=False),
        sa.Column("branch", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("sink", "meeting_id", "branch", name=op.f("pk_outbox_lanes")),
    )
    waits = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_outbox_lanes_due", "outbox_lanes", ["sink", "due_at"], sqlite_where=waits, postgresql_where=waits
    )
    op.create_index(op.f("ix_outbox_lanes_meeting_id"), "outbox_lanes", ["meeting_id"])
    op.create_table(
        "outbox_dead",
        sa.Column("sink", sa.String(64), nullable=False),
        sa.Column("meeting_id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.String(200), nullable=False),
        sa.Column("died_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "meeting_id", "number", name=op.f("pk_outbox_dead")),
        sa.ForeignKeyConstraint(
            ["meeting_id", "number"],
            ["outbox.meeting_id", "outbox.number"],
            name=op.f("fk_outbox_dead_meeting_id_number"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_outbox_dead_meeting_id_number"), "outbox_dead", ["meeting_id", "number"])


def downgrade() -> None:
    """Takes them away: what nobody was told yet is told nobody."""
    for table in ("outbox_dead", "outbox_lanes", "outbox_numbers", "outbox"):
        op.drop_table(table)
