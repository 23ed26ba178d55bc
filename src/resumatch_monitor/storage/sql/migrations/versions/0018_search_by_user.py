"""Issues are found by their users, and by the names of their tags."""

from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_issue_users_user_hash", "issue_users", ["user_hash", "issue_id"])
    op.create_index("ix_issue_tag_keys_key", "issue_tag_keys", ["key", "issue_id"])
