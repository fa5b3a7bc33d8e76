"""Where a ledger lies: `sqlite://relative`, `sqlite:///absolute`, `postgres://…`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from core.ledger.errors import LedgerRefused

COMMAND_WITHIN_S = 15.0
CONNECT_WITHIN_S = 10.0
POOL = 8
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# Makes the server notice a vanished client within about 14 s, so that its locks are free again.
KEEPALIVES = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "14000",
}


@dataclass(frozen=True)
class SqliteAddress:
    """A file. `path` is absolute and free of symbolic links, so that one ledger has one name."""

    path: Path

    @property
    def lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def connection(self, *, migrating: bool) -> dict[str, Any]:
        """The ORM's settings. Foreign keys are off while tables are rebuilt by a migration."""
        return {
            "engine": "core.ledger.engines.sqlite",
            "credentials": {
                "file_path": str(self.path),
                "journal_mode": "WAL",
                "synchronous": "FULL",
                "busy_timeout": 5000,
                "secure_delete": "ON",
                "foreign_keys": "OFF" if migrating else "ON",
            },
        }


@dataclass(frozen=True)
class PostgresAddress:
    """A database on a server. `host` may be the folder of a Unix socket."""

    host: str
    port: int
    database: str
    user: str | None
    password: str | None = field(repr=False)
    sslmode: str | None = None

    def arguments(self) -> dict[str, Any]:
        """What the driver needs to connect."""
        found: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "timeout": CONNECT_WITHIN_S,
        }
        if self.sslmode is not None:
            found["ssl"] = self.sslmode
        return found

    def connection(self, *, migrating: bool) -> dict[str, Any]:
        """The ORM's settings. A migration may take its time; everything else has a deadline."""
        return {
            "engine": "core.ledger.engines.asyncpg",
            "credentials": {
                **self.arguments(),
                "command_timeout": None if migrating else COMMAND_WITHIN_S,
                "minsize": 1,
                "maxsize": 1 if migrating else POOL,
                "application_name": "perpgram",
                "server_settings": {
                    **KEEPALIVES,
                    "synchronous_commit": "on",
                    "idle_in_transaction_session_timeout": "60000",
                },
            },
        }


Address = SqliteAddress | PostgresAddress


def parse_address(url: str) -> Address:
    """Raises LedgerRefused with one line, which never repeats the address's password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise LedgerRefused("DATABASE_URL was not an address like sqlite://data/perpgram.db")
    if scheme == "sqlite":
        if not rest or rest == ":memory:" or "?" in rest or rest.endswith("/"):
            raise LedgerRefused("DATABASE_URL named no file; write sqlite://data/perpgram.db")
        # sqlite:////absolute is common too; a path with two leading slashes would be another name
        return SqliteAddress(Path("/" + rest.lstrip("/") if rest[0] == "/" else rest).resolve())
    if scheme in ("postgres", "postgresql"):
        return _postgres(url)
    raise LedgerRefused("DATABASE_URL began with neither sqlite:// nor postgres://")


def _postgres(url: str) -> PostgresAddress:
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        port = parts.port or int(options.get("port", "5432"))
    except ValueError:
        raise LedgerRefused(
            "DATABASE_URL could not be read; "
            "write special characters of the password as %XX, for example %40 for @"
        ) from None
    unknown = sorted(set(options) - {"host", "port", "sslmode"})
    if unknown:
        raise LedgerRefused(f"DATABASE_URL had an option that is not known: {unknown[0]}")
    if options.get("sslmode") not in (None, *SSL_MODES):
        raise LedgerRefused(f"DATABASE_URL had an sslmode other than {', '.join(SSL_MODES)}")
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise LedgerRefused("DATABASE_URL named no database: postgres://user:password@host/name")
    return PostgresAddress(
        host=options.get("host") or unquote(parts.hostname or "localhost"),
        port=port,
        database=database,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        sslmode=options.get("sslmode"),
    )
