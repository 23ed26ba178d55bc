"""Findings as issues; what rules count of an issue is found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Made anew, so that the table is to the letter what a new database has.
    with op.batch_alter_table("performance_findings", recreate="always") as batch_op:
        batch_op.add_column(sa.Column("issue_id", sa.Integer()))
        batch_op.create_foreign_key(
            "fk_performance_findings_issue_id_issues",
            "issues",
            ["issue_id"],
            ["id"],
            ondelete="SET NULL",
        )
    op.create_index("ix_performance_findings_issue_id", "performance_findings", ["issue_id"])
    op.create_index("ix_issue_rule_counts_issue_id", "issue_rule_counts", ["issue_id"])
    op.create_index("ix_issue_rule_users_issue_id", "issue_rule_users", ["issue_id"])
