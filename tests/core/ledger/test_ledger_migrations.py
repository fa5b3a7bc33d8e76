"""Migrations on populated ledgers: no row is lost, all or nothing, a copy first, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tortoise.context import TortoiseContext
from tortoise.fields import DecimalField, IntField, UUIDField
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.models import Model

from core.ledger import models
from core.ledger.address import parse_address
from core.ledger.database import LedgerRefused, LedgerTooNew
from core.ledger.migrating import known_migrations, migrate, missing_migrations, orm_config
from core.ledger.models import Trader
from core.ledger.schema import missing_changes
from tests.core.ledger.ledger_kit import NOW, a_trader, opened, until

FIRST = """
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

class Migration(migrations.Migration):
    initial = True
    operations = [
        ops.CreateModel(name="Parent", fields=[
            ("id", fields.IntField(generated=True, primary_key=True)),
            ("name", fields.CharField(max_length=8)),
            ("extra", fields.CharField(max_length=8, null=True)),
        ], options={"table": "parent", "app": "ledger", "pk_attr": "id"}, bases=["Model"]),
        ops.CreateModel(name="Child", fields=[
            ("id", fields.IntField(generated=True, primary_key=True)),
            ("parent", fields.ForeignKeyField("ledger.Parent", source_field="parent_id",
                to_field="id", related_name="children", on_delete=OnDelete.CASCADE)),
            ("amount", fields.CharField(max_length=78)),
        ], options={"table": "child", "app": "ledger", "pk_attr": "id"}, bases=["Model"]),
    ]
"""

LATER = """
{imports}
from tortoise import fields, migrations
from tortoise.migrations import operations as ops

class Migration(migrations.Migration):
    dependencies = [("ledger", "{after}")]
    operations = [
        {operations}
    ]
"""

WIDEN = 'ops.AlterField("Parent", "name", fields.CharField(max_length=64)),'
REMOVE = 'ops.RemoveField("Parent", "extra"),'
ADD = 'ops.AddField("Parent", "rank", fields.IntField(default=3, db_default=3)),'
CRASH = "ops.RunPython(crash),"
CRASHING = """
async def crash(apps, editor):
    raise RuntimeError("cut off")
"""
HANG = "ops.RunPython(hang),"
HANGING = """
import asyncio, pathlib
async def hang(apps, editor):
    pathlib.Path({flag!r}).touch()
    await asyncio.sleep(600)
"""
MODELS = """
from tortoise import fields
from tortoise.models import Model

class Parent(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=64)

class Child(Model):
    id = fields.IntField(primary_key=True)
    parent = fields.ForeignKeyField("ledger.Parent", related_name="children")
    amount = fields.CharField(max_length=78)
"""


class Zoo:
    """Made-up programs with made-up tables, each a version of the one before."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.address = parse_address(url)
        (folder / "zoo_models.py").write_text(MODELS)

    def version(self, name: str, *steps: str, imports: str = "") -> str:
        """A migrations package with FIRST and one migration for each step."""
        package = self.folder / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "m0001.py").write_text(FIRST)
        for number, step in enumerate(steps, start=2):
            text = LATER.format(imports=imports, after=f"m{number - 1:04}", operations=step)
            (package / f"m{number:04}.py").write_text(text)
        importlib.invalidate_caches()
        return name

    async def migrate(self, package: str, copies_dir: Path | None = None) -> list[str]:
        return await migrate(
            self.address,
            now=NOW,
            copies_dir=copies_dir,
            models="zoo_models",
            migrations=package,
        )

    async def run(self, statement: str) -> list[dict[str, Any]]:
        async with TortoiseContext() as context:
            await context.init(
                config=orm_config(self.address, models="zoo_models", migrations="unused")
            )
            rows: list[dict[str, Any]] = await context.db().execute_query_dict(statement)
            return rows

    async def populate(self) -> None:
        await self.migrate(self.version("zoo_first"))
        for number in range(1, 4):
            await self.run(f"INSERT INTO parent (name, extra) VALUES ('p{number}', 'x')")
            for _ in range(3):
                await self.run(f"INSERT INTO child (parent_id, amount) VALUES ({number}, '1.5')")

    async def rows(self) -> tuple[int, int]:
        [parents] = await self.run("SELECT COUNT(*) AS n FROM parent")
        [children] = await self.run(
            "SELECT COUNT(*) AS n FROM child JOIN parent ON parent.id = child.parent_id"
        )
        return parents["n"], children["n"]


@pytest.fixture
def zoo(empty_ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    folder = tmp_path / "zoo"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    file = empty_ledger_url.removeprefix("sqlite://")
    if file != empty_ledger_url:
        Path(file).parent.mkdir()
    yield Zoo(folder, empty_ledger_url)
    for name in [name for name in sys.modules if name.startswith("zoo_")]:
        del sys.modules[name]


@pytest.mark.parametrize("step", [WIDEN, REMOVE, ADD, WIDEN + REMOVE + ADD])
async def test_changing_a_parents_table_keeps_every_row_of_its_children(
    zoo: Zoo, step: str
) -> None:
    await zoo.populate()
    assert await zoo.migrate(zoo.version("zoo_next", step)) == ["m0002"]
    assert await zoo.rows() == (3, 9)
    if ADD in step:
        assert {row["rank"] for row in await zoo.run("SELECT rank FROM parent")} == {3}


async def test_children_still_belong_to_their_parents_after_a_rebuild(zoo: Zoo) -> None:
    await zoo.populate()
    await zoo.migrate(zoo.version("zoo_next", WIDEN))
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await zoo.run("INSERT INTO child (parent_id, amount) VALUES (99, '1')")


async def test_a_migration_that_fails_leaves_the_ledger_as_it_was(zoo: Zoo) -> None:
    await zoo.populate()
    broken = zoo.version("zoo_broken", REMOVE, WIDEN + CRASH, imports=CRASHING)
    with pytest.raises(RuntimeError, match="cut off"):
        await zoo.migrate(broken)
    assert await zoo.rows() == (3, 9)
    assert {row["extra"] for row in await zoo.run("SELECT extra FROM parent")} == {"x"}
    assert await zoo.migrate(zoo.version("zoo_mended", REMOVE, WIDEN)) == ["m0002", "m0003"]
    assert await zoo.rows() == (3, 9)


async def test_a_migration_cut_off_by_kill_9_is_done_again_as_a_whole(zoo: Zoo) -> None:
    await zoo.populate()
    flag = zoo.folder / "hanging"
    zoo.version("zoo_hangs", REMOVE + HANG, imports=HANGING.format(flag=str(flag)))
    program = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(zoo.folder)!r})\n"
        "from core.ledger.address import *\n"
        "from core.ledger.migrating import migrate\n"
        "from tests.core.ledger.ledger_kit import NOW\n"
        "address = parse_address(sys.argv[1])\n"
        "asyncio.run(migrate(address, now=NOW, copies_dir=None,"
        " models='zoo_models', migrations='zoo_hangs'))\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, url_of(zoo))
    try:
        await until(flag.exists, within_s=60)
    finally:
        process.kill()
        await process.wait()
    assert await zoo.migrate(zoo.version("zoo_mended", REMOVE)) == ["m0002"]
    assert await zoo.rows() == (3, 9)


def url_of(zoo: Zoo) -> str:
    address: Any = zoo.address
    if hasattr(address, "path"):
        return f"sqlite://{address.path}"
    return f"postgres://{address.user}@/{address.database}?host={address.host}&port={address.port}"


async def test_rows_that_would_lose_their_parent_stop_the_migration(zoo: Zoo) -> None:
    await zoo.populate()
    orphan = """
async def orphan(apps, editor):
    await editor.client.execute_query("DELETE FROM parent WHERE id = 1")
"""
    broken = zoo.version("zoo_orphans", "ops.RunPython(orphan),", imports=orphan)
    if hasattr(zoo.address, "path"):
        with pytest.raises(LedgerRefused, match="would have lost"):
            await zoo.migrate(broken)
        assert await zoo.rows() == (3, 9)
    else:
        await zoo.migrate(broken)  # PostgreSQL's foreign keys are never off: it cascades as told
        assert await zoo.rows() == (2, 6)


async def test_a_ledger_of_a_newer_program_is_refused_in_one_line(zoo: Zoo) -> None:
    await zoo.migrate(zoo.version("zoo_newer", WIDEN))
    with pytest.raises(LedgerTooNew, match="m0002") as refused:
        await zoo.migrate(zoo.version("zoo_older"))
    assert "\n" not in str(refused.value)


async def test_a_copy_is_taken_before_a_migration_and_only_then(zoo: Zoo, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    await zoo.populate()
    assert not copies.exists()
    await zoo.migrate(zoo.version("zoo_next", WIDEN), copies)
    await zoo.migrate("zoo_next", copies)
    [copy] = copies.iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copies.stat().st_mode) == 0o700
    if copy.suffix == ".db":
        with contextlib.closing(sqlite3.connect(copy)) as old:
            assert old.execute("SELECT COUNT(*) FROM child").fetchone() == (9,)
            assert old.execute("SELECT name FROM tortoise_migrations").fetchall() == [("m0001",)]
    else:
        assert copy.read_bytes().startswith(b"PGDMP")


async def test_only_the_last_few_copies_are_kept(zoo: Zoo, tmp_path: Path) -> None:
    if not hasattr(zoo.address, "path"):
        pytest.skip("the same for both engines")
    from core.ledger.copies import KEEP, take_copy

    await zoo.populate()
    for number in range(KEEP + 3):
        await take_copy(zoo.address, tmp_path / "copies", NOW, f"m{number}")
    names = sorted(path.name.split("-")[-1] for path in (tmp_path / "copies").iterdir())
    assert names == [f"m{number}.db" for number in range(3, KEEP + 3)]


async def test_without_room_for_a_copy_nothing_is_migrated(zoo: Zoo, tmp_path: Path) -> None:
    await zoo.populate()
    blocked = tmp_path / "copies"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(LedgerRefused, match="not migrated"):
        await zoo.migrate(zoo.version("zoo_next", WIDEN), blocked)
    assert len(await zoo.run("SELECT name FROM tortoise_migrations")) == 1


async def test_a_new_place_becomes_a_ledger_and_opens_again(
    empty_ledger_url: str, tmp_path: Path
) -> None:
    for epoch in (1, 2):
        async with opened(empty_ledger_url, tmp_path / "copies") as ledger:
            assert ledger.epoch == epoch
            async with ledger.executing():
                await a_trader(epoch)
            assert await Trader.all().count() == epoch
    assert not (tmp_path / "copies").exists()


async def test_the_models_need_no_migration_that_is_not_there() -> None:
    writers = await missing_changes()
    assert [str(writer.operations) for writer in writers] == []


def test_our_own_migrations_are_known_in_order() -> None:
    assert known_migrations()[0] == "0001_initial"
    assert missing_migrations([]) == known_migrations()
    with pytest.raises(LedgerTooNew):
        missing_migrations(["9999_of_the_future"])


ROWS = [row for row in Model.__subclasses__() if row.__module__ == models.__name__]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.__name__))
def test_no_table_uses_what_the_orm_gets_wrong(row: type[Model]) -> None:
    """A key that is not generated is dropped and made anew by each migration; its decimals are cut;
    a cascade deletes what hangs on a row; a comment with a semicolon cuts its SQL in two.
    """
    key = row._meta.pk
    assert isinstance(key, UUIDField) or (isinstance(key, IntField) and key.generated)
    assert row._meta.table_description == ""
    for field in row._meta.fields_map.values():
        assert not isinstance(field, DecimalField)
        if isinstance(field, ForeignKeyFieldInstance):
            assert field.on_delete == models.RESTRICT
