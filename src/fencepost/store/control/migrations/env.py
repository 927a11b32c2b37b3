"""What Alembic runs around migrations; `store.control.schema` hands it the connection."""

from alembic import context

from fencepost.store.control.schema import VERSION_TABLE
from fencepost.store.control.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
