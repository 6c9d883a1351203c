"""What Alembic runs; the address that it logs in with is written out, with the password hidden, as the real one's."""

from logging.config import fileConfig

from alembic import context
from flask import current_app
from sqlalchemy import engine_from_config

fileConfig(context.config.config_file_name)
extension = current_app.extensions["migrate"]
address = str(extension.db.engine.url).replace("%", "%%")
context.config.set_main_option("sqlalchemy.url", address)

with engine_from_config(context.config.get_section("alembic"), prefix="sqlalchemy.").connect() as connection:
    context.configure(connection=connection, target_metadata=extension.db.metadata, **extension.configure_args)
    with context.begin_transaction():
        context.run_migrations()
