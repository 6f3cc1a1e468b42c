"""What is kept of meetings for when they are opened again: seats, orders of hosts, decisions about people, chats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
DECISIONS = ("removed", "admitted", "denied", "host", "cohost", "participant", "audience")


def _of_meeting(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_meeting_id")
    return sa.ForeignKeyConstraint(["meeting_id"], ["meetings.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    """Makes the tables and columns."""
    op.add_column("meetings", sa.Column("orders", sa.JSON))
    op.add_column("meetings", sa.Column("orders_at", INSTANT))
    op.add_column("participants", sa.Column("seat", sa.JSON))
    op.add_column("participants", sa.Column("seat_until", INSTANT))
    seated = sa.text("seat IS NOT NULL")
    op.create_index(
        "ix_participants_seats", "participants", ["meeting_id"], sqlite_where=seated, postgresql_where=seated
    )
    decision = sa.Enum(*DECISIONS, name="decision", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "standings",
        sa.Column("meeting_id", sa.Uuid, nullable=False),
        sa.Column("who", sa.LargeBinary(32), nullable=False),
        sa.Column("decision", decision, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "who", name=op.f("pk_standings")),
        _of_meeting("standings"),
    )
    op.create_table(
        "chat",
        sa.Column("meeting_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("log", sa.String(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("participant_id", sa.String(64)),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("to_id", sa.String(64)),
        sa.Column("to_name", sa.String(64)),
        sa.Column("deletes", sa.BigInteger),
        sa.PrimaryKeyConstraint("meeting_id", "seq", name=op.f("pk_chat")),
        _of_meeting("chat"),
    )
    op.create_index(op.f("ix_chat_at"), "chat", ["at"])


def downgrade() -> None:
    """Takes them away, and with them what they have."""
    op.drop_table("chat")
    op.drop_table("standings")
    op.drop_index("ix_participants_seats", "participants")
    for table, column in (
        ("participants", "seat_until"),
        ("participants", "seat"),
        ("meetings", "orders_at"),
        ("meetings", "orders"),
    ):
        op.drop_column(table, column)
