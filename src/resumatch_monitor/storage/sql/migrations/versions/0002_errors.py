"""Tables of errors."""

import sqlalchemy as sa  # noqa: F401
from alembic import op  # noqa: F401

from resumatch_monitor.storage.sql.tables import base  # noqa: F401

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
