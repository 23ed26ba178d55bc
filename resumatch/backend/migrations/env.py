"""Runs migrations on the connection that `resumatch.backend.migrate` opened."""

from alembic import context

from resumatch.backend.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
