"""For developers: writes the migration that the models are missing, if any.

`python -m core.ledger.schema` after a change of the models. Read the file before it is committed:
it must not remove and add the same column, and a new NOT NULL column must carry `db_default`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.writer import MigrationWriter

from core.ledger.address import parse_address
from core.ledger.migrating import orm_config

HEAD = '''"""Say here what changes, and why old rows stay right."""

# ruff: noqa: RUF012
'''


async def missing_changes() -> list[MigrationWriter]:
    """The migrations that the models would need beyond those in the package."""
    config = orm_config(parse_address("sqlite://unused.db"))
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None
        return list(await MigrationAutodetector(context.apps, config["apps"]).changes())


def main() -> None:
    """Writes what is missing and names the files on standard output."""
    for writer in asyncio.run(missing_changes()):
        path = Path(writer.write())
        path.write_text(HEAD + path.read_text())
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
