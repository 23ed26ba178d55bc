"""Releases with their commits and deploys, and the bundles of source maps that belong to them."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from resumatch_monitor.storage.sql.tables.base import METADATA, Moment

RELEASES = Table(
    "releases",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("version", String, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("released_at", Moment),
    Column("url", String),
    Column("ref", String),
    sqlite_with_rowid=False,
)
Index("ix_releases_created_at", RELEASES.c.project_id, RELEASES.c.created_at)

RELEASE_COMMITS = Table(
    "release_commits",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("version", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sha", String, nullable=False),
    Column("repository", String, nullable=False),
    Column("message", String, nullable=False),
    Column("author_name", String, nullable=False),
    Column("author_email", String, nullable=False),
    Column("committed_at", Moment),
    sqlite_with_rowid=False,
)
Index("ix_release_commits_sha", RELEASE_COMMITS.c.sha)

DEPLOYS = Table(
    "deploys",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("version", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("name", String),
    Column("url", String),
    Column("started_at", Moment),
    Column("finished_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
)
Index("ix_deploys_release", DEPLOYS.c.project_id, DEPLOYS.c.version, "id")

# A bundle is a ZIP file on disk that is named by its checksum.
ARTIFACT_BUNDLES = Table(
    "artifact_bundles",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("checksum", String, nullable=False, unique=True),
    Column("size_bytes", Integer, nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False),
    Column("resolved_at", Moment),
)
Index("ix_artifact_bundles_used_at", ARTIFACT_BUNDLES.c.used_at)


def _bundle_id(*, primary_key: bool = False) -> Column[int]:
    return Column(
        "bundle_id",
        Integer,
        ForeignKey("artifact_bundles.id", ondelete="CASCADE"),
        nullable=False,
        primary_key=primary_key,
    )


# For which projects and releases a bundle was uploaded; without a release, `version` is empty.
ARTIFACT_USES = Table(
    "artifact_uses",
    METADATA,
    Column("project_id", Integer, primary_key=True),
    Column("version", String, primary_key=True),
    Column("dist", String, primary_key=True),
    _bundle_id(primary_key=True),
    Column("created_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_artifact_uses_bundle_id", ARTIFACT_USES.c.bundle_id)

ARTIFACT_FILES = Table(
    "artifact_files",
    METADATA,
    Column("id", Integer, primary_key=True),
    _bundle_id(),
    Column("path", String, nullable=False),
    Column("url", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("debug_id", LargeBinary(16)),
    Column("sourcemap", String, nullable=False),
    Column("size_bytes", Integer, nullable=False),
)
Index("ix_artifact_files_url", ARTIFACT_FILES.c.bundle_id, ARTIFACT_FILES.c.url)
Index("ix_artifact_files_debug_id", ARTIFACT_FILES.c.debug_id)
