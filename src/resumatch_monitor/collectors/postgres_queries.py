"""What PostgreSQL is asked: one entry a subject, for versions 13 to 18.

A column listed under `labels` becomes a label; every other column becomes the series
`<prefix>_<column>`. Names follow postgres_exporter, so that dashboards made for it fit.
"""
# ruff: noqa: S608 - every statement is written here; what is put in are constants of this file

from dataclasses import dataclass

ANY_VERSION = 0
_MOST_DATABASES = 100
_MOST_TABLES = 50
_MOST_STATEMENTS = 50
_MOST_REPLICAS = 50

EACH_ROUND = 0.0
EACH_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class StatQuery:
    """One statement and how its rows become series.

    Attributes:
        subject: Named in problems and in the monitor's own metrics.
        prefix: Of the series' names.
        sql: The statement; reads only.
        labels: The columns that are labels.
        every_seconds: Its series are repeated from memory in between.
        since_version: The first major version that it is for.
        until_version: The first that it is no longer for; 0 for none.
    """

    subject: str
    prefix: str
    sql: str
    labels: tuple[str, ...] = ()
    every_seconds: float = EACH_ROUND
    since_version: int = ANY_VERSION
    until_version: int = 0

    def is_for(self, major_version: int) -> bool:
        """Tell whether a server of that version can be asked this."""
        return self.since_version <= major_version and (
            not self.until_version or major_version < self.until_version
        )


_DATABASES = f"""
    SELECT oid, datname FROM pg_catalog.pg_database
    WHERE datallowconn AND NOT datistemplate ORDER BY oid LIMIT {_MOST_DATABASES}
"""

_SETTINGS = (
    "autovacuum_max_workers",
    "checkpoint_completion_target",
    "checkpoint_timeout",
    "effective_cache_size",
    "effective_io_concurrency",
    "idle_in_transaction_session_timeout",
    "log_min_duration_statement",
    "maintenance_work_mem",
    "max_connections",
    "max_locks_per_transaction",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "max_replication_slots",
    "max_wal_senders",
    "max_wal_size",
    "max_worker_processes",
    "min_wal_size",
    "random_page_cost",
    "seq_page_cost",
    "shared_buffers",
    "statement_timeout",
    "superuser_reserved_connections",
    "wal_buffers",
    "wal_segment_size",
    "work_mem",
)

SETTINGS_SQL = f"""
    SELECT name, setting, unit FROM pg_catalog.pg_settings
    WHERE name IN ({", ".join(f"'{name}'" for name in _SETTINGS)})
"""

EXTENSION_SQL = """
    SELECT n.nspname AS schema, e.extversion AS version
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_stat_statements'
"""

STAT_QUERIES = (
    StatQuery(
        subject="activity",
        prefix="pg_stat_activity",
        labels=("datname", "state"),
        sql=f"""
            WITH states (state) AS (VALUES
                ('active'), ('idle'), ('idle in transaction'),
                ('idle in transaction (aborted)'), ('fastpath function call'), ('disabled'),
                ('unknown')),
            sessions AS (
                SELECT datid, coalesce(state, 'unknown') AS state, count(*) AS count,
                    max(extract(epoch FROM clock_timestamp() - xact_start)) AS longest
                FROM pg_catalog.pg_stat_activity
                WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend')
                    = 'client backend'
                GROUP BY 1, 2)
            SELECT d.datname, s.state, coalesce(a.count, 0) AS count,
                coalesce(a.longest, 0)::float8 AS max_tx_duration
            FROM ({_DATABASES}) d CROSS JOIN states s
            LEFT JOIN sessions a ON a.datid = d.oid AND a.state = s.state
            WHERE s.state <> 'unknown' OR a.count > 0
        """,
    ),
    StatQuery(
        subject="databases",
        prefix="pg_stat_database",
        labels=("datid", "datname"),
        sql=f"""
            SELECT s.datid::text AS datid, d.datname, numbackends, xact_commit, xact_rollback,
                blks_read, blks_hit, tup_returned, tup_fetched, tup_inserted, tup_updated,
                tup_deleted, conflicts, temp_files, temp_bytes, deadlocks, blk_read_time,
                blk_write_time, coalesce(checksum_failures, 0) AS checksum_failures,
                coalesce(extract(epoch FROM stats_reset), 0)::float8 AS stats_reset
            FROM ({_DATABASES}) d JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
        """,
    ),
    StatQuery(
        subject="locks",
        prefix="pg_locks",
        labels=("datname", "mode"),
        sql=f"""
            WITH modes (mode) AS (VALUES
                ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'),
                ('shareupdateexclusivelock'), ('sharelock'), ('sharerowexclusivelock'),
                ('exclusivelock'), ('accessexclusivelock'), ('sireadlock')),
            held AS (
                SELECT database, lower(mode) AS mode, count(*) AS count
                FROM pg_catalog.pg_locks WHERE database IS NOT NULL GROUP BY 1, 2)
            SELECT d.datname, m.mode, coalesce(h.count, 0) AS count
            FROM ({_DATABASES}) d CROSS JOIN modes m
            LEFT JOIN held h ON h.database = d.oid AND h.mode = m.mode
        """,
    ),
    StatQuery(
        subject="transactions",
        prefix="pg_long_running",
        sql="""
            SELECT count(*) FILTER (WHERE age >= 60) AS transactions,
                coalesce(max(age), 0)::float8 AS transactions_oldest_timestamp_seconds
            FROM (
                SELECT extract(epoch FROM clock_timestamp() - xact_start) AS age
                FROM pg_catalog.pg_stat_activity
                WHERE xact_start IS NOT NULL AND state IS DISTINCT FROM 'idle'
                    AND backend_type = 'client backend' AND pid <> pg_backend_pid()) running
        """,
    ),
    StatQuery(
        subject="replication",
        prefix="pg_replication",
        sql="""
            SELECT pg_is_in_recovery()::int AS is_replica,
                CASE WHEN NOT pg_is_in_recovery() THEN 0
                    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                    ELSE coalesce(greatest(0, extract(epoch FROM
                        clock_timestamp() - pg_last_xact_replay_timestamp())), 0)
                END::float8 AS lag_seconds
        """,
    ),
    StatQuery(
        subject="replicas",
        prefix="pg_stat_replication",
        labels=("application_name", "client_addr", "state"),
        sql=f"""
            SELECT application_name, coalesce(host(client_addr), '') AS client_addr, state,
                pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 AS pg_wal_lsn_diff,
                extract(epoch FROM replay_lag)::float8 AS replay_lag_seconds
            FROM pg_catalog.pg_stat_replication
            WHERE NOT pg_is_in_recovery() AND replay_lsn IS NOT NULL
            ORDER BY pid LIMIT {_MOST_REPLICAS}
        """,
    ),
    StatQuery(
        subject="slots",
        prefix="pg_replication_slots",
        labels=("slot_name", "database"),
        sql=f"""
            SELECT slot_name, coalesce(database, '') AS database, active::int AS active,
                CASE WHEN NOT pg_is_in_recovery()
                    THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END::float8
                    AS pg_wal_lsn_diff
            FROM pg_catalog.pg_replication_slots ORDER BY slot_name LIMIT {_MOST_REPLICAS}
        """,
    ),
    StatQuery(
        subject="bgwriter",
        prefix="pg_stat_bgwriter",
        until_version=17,
        sql="""
            SELECT checkpoints_timed AS checkpoints_timed_total,
                checkpoints_req AS checkpoints_req_total,
                checkpoint_write_time AS checkpoint_write_time_total,
                checkpoint_sync_time AS checkpoint_sync_time_total,
                buffers_checkpoint AS buffers_checkpoint_total,
                buffers_clean AS buffers_clean_total,
                maxwritten_clean AS maxwritten_clean_total,
                buffers_backend AS buffers_backend_total,
                buffers_backend_fsync AS buffers_backend_fsync_total,
                buffers_alloc AS buffers_alloc_total,
                coalesce(extract(epoch FROM stats_reset), 0)::float8 AS stats_reset_total
            FROM pg_catalog.pg_stat_bgwriter
        """,
    ),
    StatQuery(
        subject="bgwriter",
        prefix="pg_stat_bgwriter",
        since_version=17,
        sql="""
            SELECT buffers_clean AS buffers_clean_total,
                maxwritten_clean AS maxwritten_clean_total,
                buffers_alloc AS buffers_alloc_total,
                coalesce(extract(epoch FROM stats_reset), 0)::float8 AS stats_reset_total
            FROM pg_catalog.pg_stat_bgwriter
        """,
    ),
    StatQuery(
        subject="checkpointer",
        prefix="pg_stat_checkpointer",
        since_version=17,
        sql="""
            SELECT num_timed AS num_timed_total, num_requested AS num_requested_total,
                restartpoints_timed AS restartpoints_timed_total,
                restartpoints_req AS restartpoints_req_total,
                restartpoints_done AS restartpoints_done_total,
                write_time AS write_time_total, sync_time AS sync_time_total,
                buffers_written AS buffers_written_total,
                coalesce(extract(epoch FROM stats_reset), 0)::float8 AS stats_reset_total
            FROM pg_catalog.pg_stat_checkpointer
        """,
    ),
    StatQuery(
        subject="archiver",
        prefix="pg_stat_archiver",
        sql="""
            SELECT archived_count, failed_count,
                extract(epoch FROM clock_timestamp() - last_archived_time)::float8
                    AS last_archive_age
            FROM pg_catalog.pg_stat_archiver
        """,
    ),
    StatQuery(
        subject="database sizes",
        prefix="pg_database",
        labels=("datname",),
        every_seconds=EACH_MINUTE,
        sql=f"""
            SELECT datname,
                CASE WHEN has_database_privilege(d.oid, 'CONNECT')
                    OR pg_has_role('pg_read_all_stats', 'USAGE')
                    THEN pg_database_size(d.oid) END AS size_bytes
            FROM ({_DATABASES}) d
        """,
    ),
    StatQuery(
        subject="transaction ids",
        prefix="pg_database_wraparound",
        labels=("datname",),
        every_seconds=EACH_MINUTE,
        sql=f"""
            SELECT d.datname, age(p.datfrozenxid) AS age_datfrozenxid_seconds,
                mxid_age(p.datminmxid) AS age_datminmxid_seconds
            FROM ({_DATABASES}) d JOIN pg_catalog.pg_database p ON p.oid = d.oid
        """,
    ),
    StatQuery(
        subject="write-ahead log",
        prefix="pg_wal",
        every_seconds=EACH_MINUTE,
        sql="""
            SELECT count(*) AS segments, coalesce(sum(size), 0)::float8 AS size_bytes
            FROM pg_catalog.pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'
        """,
    ),
    StatQuery(
        subject="tables",
        prefix="pg_stat_user_tables",
        labels=("datname", "schemaname", "relname"),
        every_seconds=EACH_MINUTE,
        sql=f"""
            WITH largest AS (
                SELECT s.* FROM pg_catalog.pg_stat_user_tables s
                JOIN pg_catalog.pg_class c ON c.oid = s.relid
                ORDER BY c.relpages DESC, s.relid LIMIT {_MOST_TABLES})
            SELECT current_database() AS datname, schemaname, relname, seq_scan, seq_tup_read,
                coalesce(idx_scan, 0) AS idx_scan, coalesce(idx_tup_fetch, 0) AS idx_tup_fetch,
                n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, n_live_tup, n_dead_tup,
                n_mod_since_analyze, vacuum_count, autovacuum_count, analyze_count,
                autoanalyze_count,
                coalesce(extract(epoch FROM last_vacuum), 0)::float8 AS last_vacuum,
                coalesce(extract(epoch FROM last_autovacuum), 0)::float8 AS last_autovacuum,
                coalesce(extract(epoch FROM last_analyze), 0)::float8 AS last_analyze,
                coalesce(extract(epoch FROM last_autoanalyze), 0)::float8 AS last_autoanalyze,
                pg_indexes_size(relid) AS index_size_bytes, pg_table_size(relid) AS table_size_bytes
            FROM largest
        """,
    ),
)


def build_statements_query(schema: str, extension_version: tuple[int, ...]) -> StatQuery:
    """Return the query for the statements that took most time.

    The extension's version decides, not the server's: an upgraded server keeps the old one
    until `ALTER EXTENSION`. Never the text: it may hold literals.
    """
    quoted = '"' + schema.replace('"', '""') + '"'
    blocks = "shared_blk" if extension_version >= (1, 11) else "blk"
    return StatQuery(
        subject="statements",
        prefix="pg_stat_statements",
        labels=("user", "datname", "queryid"),
        every_seconds=EACH_MINUTE,
        sql=f"""
            SELECT coalesce(pg_get_userbyid(s.userid), 'unknown') AS user, d.datname,
                s.queryid::text AS queryid, sum(s.calls)::float8 AS calls_total,
                sum(s.total_exec_time) / 1000 AS seconds_total,
                sum(s.rows)::float8 AS rows_total,
                sum(s.{blocks}_read_time) / 1000 AS block_read_seconds_total,
                sum(s.{blocks}_write_time) / 1000 AS block_write_seconds_total
            FROM {quoted}.pg_stat_statements(false) s
            JOIN pg_catalog.pg_database d ON d.oid = s.dbid
            WHERE s.queryid IS NOT NULL
            GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT {_MOST_STATEMENTS}
        """,
    )
