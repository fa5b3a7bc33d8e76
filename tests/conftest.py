"""Fixtures for all tests.

`ledger_url` gives a fresh ledger whose tables are there already, which is quick; `empty_ledger_url`
gives a place where there is no ledger yet.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from core.ledger.address import parse_address
from core.ledger.migrating import migrate
from tests.ledgers import Ledgers, sqlite_ledger
from tests.needs import unmet
from tests.postgres import Server, in_thread, running_server

MIGRATED_AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TEMPLATE = "ledger_template"

# How long an example takes is the machine's affair. CI tries the same ones each time.
settings.register_profile(
    "perpgram",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("perpgram")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL server, one per test process."""
    serving = running_server()
    try:
        server = serving.__enter__()
    except LookupError as error:
        unmet("POSTGRES", str(error))
    try:
        yield server
    finally:
        serving.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Server) -> str:
    """The DATABASE_URL of the server's own database; for a fresh one use `postgres_ledger_url`."""
    return postgres_server.url()


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: Server) -> str:
    postgres_server.run(f"CREATE DATABASE {TEMPLATE}")
    _make_tables(postgres_server.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "perpgram.db"
    file.touch(mode=0o600)
    _make_tables(f"sqlite://{file}")
    return file


def _make_tables(url: str) -> None:
    in_thread(lambda: migrate(parse_address(url), now=MIGRATED_AT, copies_dir=None))


@pytest.fixture
def postgres_ledgers(postgres_server: Server, _postgres_template: str) -> Ledgers:
    """Gives the DATABASE_URL of a fresh ledger in PostgreSQL; a folder means nothing to it."""
    return lambda folder: postgres_server.database(_postgres_template)


@pytest.fixture
def sqlite_ledgers(_sqlite_template: Path) -> Ledgers:
    """Gives the DATABASE_URL of a fresh ledger in a SQLite file below a folder."""
    return partial(sqlite_ledger, _sqlite_template)


@pytest.fixture
def postgres_ledger_url(postgres_ledgers: Ledgers, tmp_path: Path) -> Iterator[str]:
    """The DATABASE_URL of a fresh ledger in PostgreSQL."""
    with postgres_ledgers(tmp_path) as url:
        yield url


@pytest.fixture
def sqlite_ledger_url(sqlite_ledgers: Ledgers, tmp_path: Path) -> Iterator[str]:
    """The DATABASE_URL of a fresh ledger in a SQLite file."""
    with sqlite_ledgers(tmp_path) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The DATABASE_URL of a fresh ledger, once per engine."""
    url: str = request.getfixturevalue(f"{request.param}_ledger_url")
    return url


@pytest.fixture
def empty_postgres_url(postgres_server: Server) -> Iterator[str]:
    """The DATABASE_URL of an empty PostgreSQL database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """The DATABASE_URL of a SQLite file that is not there yet."""
    return f"sqlite://{tmp_path}/new/perpgram.db"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_ledger_url(request: pytest.FixtureRequest) -> str:
    """The DATABASE_URL of a place without a ledger, once per engine."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url
