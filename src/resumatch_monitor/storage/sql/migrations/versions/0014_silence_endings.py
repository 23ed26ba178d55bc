"""Who ended a silence."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Made anew, so that the table is to the letter what a new database has.
    with op.batch_alter_table("alert_silences", recreate="always") as batch_op:
        batch_op.add_column(sa.Column("ended_by", sa.String()))
