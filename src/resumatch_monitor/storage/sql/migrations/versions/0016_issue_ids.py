"""Which ids issues have had."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Where an issue is still spoken of, although it may be gone.
_NAMED_IN = (
    *("issue_merges", "issue_merge_members"),
    *("issue_open_alerts", "issue_rule_counts", "issue_rule_users"),
)


def upgrade() -> None:
    op.create_table(
        "issue_ids",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_ids")),
    )
    named = " UNION ALL ".join(f"SELECT max(issue_id) FROM {table}" for table in _NAMED_IN)  # noqa: S608
    op.execute(
        "INSERT INTO issue_ids (id, last_id) SELECT 1, coalesce(max(highest), 0) FROM"  # noqa: S608
        f" (SELECT max(id) AS highest FROM issues UNION ALL {named})"
    )
