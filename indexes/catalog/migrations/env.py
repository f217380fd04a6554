"""Run by Alembic, on the connection that `migrate` hands over."""

from alembic import context

from indexes.catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
