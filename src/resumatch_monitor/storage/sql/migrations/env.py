"""Runs the migrations on the connection that `Database.migrate` hands over."""

from alembic import context

from resumatch_monitor.storage.sql.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    user_module_prefix="base.",
)
context.run_migrations()
