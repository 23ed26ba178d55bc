"""Until when an alert that a person resolved is not heard of."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Made anew, so that the table is to the letter what a new database has.
    with op.batch_alter_table("alert_handling", recreate="always") as batch_op:
        batch_op.add_column(sa.Column("resolved_until", base.Moment()), insert_after="resolved_by")
