"""Issues, their events, and what is counted about them."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "error_dead_letters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("received_at", base.Moment(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_error_dead_letters")),
    )
    op.create_table(
        "error_projects",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("last_event_at", base.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_error_projects")),
    )
    op.create_table(
        "error_releases",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("first_seen_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_error_releases")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("error_releases", schema=None) as batch_op:
        batch_op.create_index("ix_error_releases_first_seen_at", ["first_seen_at"], unique=False)

    op.create_table(
        "issues",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("culprit", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("is_regressed", sa.Boolean(), nullable=False),
        sa.Column("is_handled", sa.Boolean(), nullable=True),
        sa.Column("is_synthetic", sa.Boolean(), nullable=False),
        sa.Column("regression_count", sa.Integer(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("user_count", sa.Integer(), nullable=False),
        sa.Column("stored_count", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", base.Moment(), nullable=False),
        sa.Column("last_seen_at", base.Moment(), nullable=False),
        sa.Column("first_release", sa.String(), nullable=True),
        sa.Column("last_release", sa.String(), nullable=True),
        sa.Column("resolved_at", base.Moment(), nullable=True),
        sa.Column("grouping_version", sa.Integer(), nullable=False),
        sa.Column("explanation", sa.String(), nullable=False),
        sa.Column("search_text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["error_projects.project_id"],
            name=op.f("fk_issues_project_id_error_projects"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_issues_project_id_number")),
    )
    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.create_index(
            "ix_issues_by_event_count", ["project_id", "status", "event_count", "id"], unique=False
        )
        batch_op.create_index(
            "ix_issues_by_first_seen_at",
            ["project_id", "status", "first_seen_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_issues_by_last_seen_at",
            ["project_id", "status", "last_seen_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_issues_by_user_count", ["project_id", "status", "user_count", "id"], unique=False
        )
        batch_op.create_index("ix_issues_stored_count", ["stored_count"], unique=False)

    op.create_table(
        "issue_activity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_activity_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_activity")),
    )
    with op.batch_alter_table("issue_activity", schema=None) as batch_op:
        batch_op.create_index("ix_issue_activity_at", ["at"], unique=False)
        batch_op.create_index("ix_issue_activity_issue_id", ["issue_id", "id"], unique=False)

    op.create_table(
        "issue_alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", base.Moment(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_alerts_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_alerts")),
    )
    with op.batch_alter_table("issue_alerts", schema=None) as batch_op:
        batch_op.create_index("ix_issue_alerts_issue_id", ["issue_id"], unique=False)

    op.create_table(
        "issue_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("occurred_at", base.Moment(), nullable=False),
        sa.Column("received_at", base.Moment(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=True),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("user_label", sa.String(), nullable=True),
        sa.Column("is_synthetic", sa.Boolean(), nullable=False),
        sa.Column("dict_id", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_events_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_events")),
        sa.UniqueConstraint(
            "project_id", "event_id", name=op.f("uq_issue_events_project_id_event_id")
        ),
    )
    with op.batch_alter_table("issue_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_issue_events_occurred", ["issue_id", "occurred_at", "id"], unique=False
        )

    op.create_table(
        "issue_groupings",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_groupings_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "version", "key", name=op.f("pk_issue_groupings")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("issue_groupings", schema=None) as batch_op:
        batch_op.create_index("ix_issue_groupings_issue_id", ["issue_id"], unique=False)

    op.create_table(
        "issue_hours",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("hour", base.Moment(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_hours_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issue_id", "hour", name=op.f("pk_issue_hours")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_releases",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("first_seen_at", base.Moment(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_releases_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issue_id", "version", name=op.f("pk_issue_releases")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_tag_keys",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_tag_keys_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issue_id", "key", name=op.f("pk_issue_tag_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_tags",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_tags_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issue_id", "key", "value", name=op.f("pk_issue_tags")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_users",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("user_hash", sa.LargeBinary(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issues.id"],
            name=op.f("fk_issue_users_issue_id_issues"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issue_id", "user_hash", name=op.f("pk_issue_users")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("issue_users")
    op.drop_table("issue_tags")
    op.drop_table("issue_tag_keys")
    op.drop_table("issue_releases")
    op.drop_table("issue_hours")
    with op.batch_alter_table("issue_groupings", schema=None) as batch_op:
        batch_op.drop_index("ix_issue_groupings_issue_id")

    op.drop_table("issue_groupings")
    with op.batch_alter_table("issue_events", schema=None) as batch_op:
        batch_op.drop_index("ix_issue_events_occurred")

    op.drop_table("issue_events")
    with op.batch_alter_table("issue_alerts", schema=None) as batch_op:
        batch_op.drop_index("ix_issue_alerts_issue_id")

    op.drop_table("issue_alerts")
    with op.batch_alter_table("issue_activity", schema=None) as batch_op:
        batch_op.drop_index("ix_issue_activity_issue_id")
        batch_op.drop_index("ix_issue_activity_at")

    op.drop_table("issue_activity")
    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.drop_index("ix_issues_stored_count")
        batch_op.drop_index("ix_issues_by_user_count")
        batch_op.drop_index("ix_issues_by_last_seen_at")
        batch_op.drop_index("ix_issues_by_first_seen_at")
        batch_op.drop_index("ix_issues_by_event_count")

    op.drop_table("issues")
    with op.batch_alter_table("error_releases", schema=None) as batch_op:
        batch_op.drop_index("ix_error_releases_first_seen_at")

    op.drop_table("error_releases")
    op.drop_table("error_projects")
    op.drop_table("error_dead_letters")
