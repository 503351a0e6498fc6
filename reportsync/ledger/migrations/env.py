"""Run by alembic inside the transaction that `reportsync.ledger.migrate` opened."""

from alembic import context

from reportsync.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
