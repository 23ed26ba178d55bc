"""Releases, deploys, and uploaded source maps."""

import sqlalchemy as sa
from alembic import op

from resumatch_monitor.storage.sql.tables import base

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifact_bundles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("used_at", base.Moment(), nullable=False),
        sa.Column("resolved_at", base.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact_bundles")),
        sa.UniqueConstraint("checksum", name=op.f("uq_artifact_bundles_checksum")),
    )
    with op.batch_alter_table("artifact_bundles", schema=None) as batch_op:
        batch_op.create_index("ix_artifact_bundles_used_at", ["used_at"], unique=False)

    op.create_table(
        "deploys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("started_at", base.Moment(), nullable=True),
        sa.Column("finished_at", base.Moment(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploys")),
    )
    with op.batch_alter_table("deploys", schema=None) as batch_op:
        batch_op.create_index("ix_deploys_release", ["project_id", "version", "id"], unique=False)

    op.create_table(
        "release_commits",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("author_email", sa.String(), nullable=False),
        sa.Column("committed_at", base.Moment(), nullable=True),
        sa.PrimaryKeyConstraint(
            "project_id", "version", "position", name=op.f("pk_release_commits")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("release_commits", schema=None) as batch_op:
        batch_op.create_index("ix_release_commits_sha", ["sha"], unique=False)

    op.create_table(
        "releases",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.Column("started_at", base.Moment(), nullable=True),
        sa.Column("released_at", base.Moment(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("ref", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_releases")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("releases", schema=None) as batch_op:
        batch_op.create_index("ix_releases_created_at", ["project_id", "created_at"], unique=False)

    op.create_table(
        "artifact_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("debug_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("sourcemap", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"],
            ["artifact_bundles.id"],
            name=op.f("fk_artifact_files_bundle_id_artifact_bundles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact_files")),
    )
    with op.batch_alter_table("artifact_files", schema=None) as batch_op:
        batch_op.create_index("ix_artifact_files_debug_id", ["debug_id"], unique=False)
        batch_op.create_index("ix_artifact_files_url", ["bundle_id", "url"], unique=False)

    op.create_table(
        "artifact_uses",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("dist", sa.String(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("created_at", base.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"],
            ["artifact_bundles.id"],
            name=op.f("fk_artifact_uses_bundle_id_artifact_bundles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "project_id", "version", "dist", "bundle_id", name=op.f("pk_artifact_uses")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("artifact_uses", schema=None) as batch_op:
        batch_op.create_index("ix_artifact_uses_bundle_id", ["bundle_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("artifact_uses", schema=None) as batch_op:
        batch_op.drop_index("ix_artifact_uses_bundle_id")

    op.drop_table("artifact_uses")
    with op.batch_alter_table("artifact_files", schema=None) as batch_op:
        batch_op.drop_index("ix_artifact_files_url")
        batch_op.drop_index("ix_artifact_files_debug_id")

    op.drop_table("artifact_files")
    with op.batch_alter_table("releases", schema=None) as batch_op:
        batch_op.drop_index("ix_releases_created_at")

    op.drop_table("releases")
    with op.batch_alter_table("release_commits", schema=None) as batch_op:
        batch_op.drop_index("ix_release_commits_sha")

    op.drop_table("release_commits")
    with op.batch_alter_table("deploys", schema=None) as batch_op:
        batch_op.drop_index("ix_deploys_release")

    op.drop_table("deploys")
    with op.batch_alter_table("artifact_bundles", schema=None) as batch_op:
        batch_op.drop_index("ix_artifact_bundles_used_at")

    op.drop_table("artifact_bundles")
