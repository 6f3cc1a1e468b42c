"""Whom hosts keep out: their names, and which decisions are about the same one, for letting them back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; of decisions that are there nobody's name is known."""
    for column in ("person", "name"):
        op.add_column("standings", sa.Column(column, sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    """Takes them away; who is kept out stays out."""
    for column in ("name", "person"):
        op.drop_column("standings", column)
