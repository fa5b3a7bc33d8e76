"""Limits and modes of all scopes, in memory as the ledger has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from core.ledger import risk
from core.ledger.database import Ledger
from core.ledger.models import RiskScope
from core.trading.risk.limits import NONE, Limits, Mode, ScopeKey, ScopeKind, from_json, to_json


@dataclass(frozen=True)
class Scope:
    """What is set for one scope. `waived_until`: the daily loss does not count before it;
    `losses_from`: earlier losses are forgiven; `peaks`: the highest P&L by network.
    """

    key: ScopeKey
    limits: Limits = NONE
    mode: Mode = Mode.ACTIVE
    mode_reason: str | None = None
    mode_since: dt.datetime | None = None
    waived_until: dt.datetime | None = None
    losses_from: dt.datetime | None = None
    peaks: dict[str, Decimal] = field(default_factory=dict)

    @property
    def matters(self) -> bool:
        """Whether it can refuse anything."""
        return self.mode is not Mode.ACTIVE or self.limits != NONE


class ScopeBook:
    """All scopes. `get` answers for those that were never set, too."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._scopes: dict[ScopeKey, Scope] = {}

    async def load(self) -> None:
        """Reads them anew; called at start."""
        rows = [_scope(row) for row in await risk.scopes()]
        self._scopes = {row.key: row for row in rows}

    def get(self, key: ScopeKey) -> Scope:
        return self._scopes.get(key) or Scope(key)

    def all(self) -> tuple[Scope, ...]:
        """The scopes for which something was ever set."""
        return tuple(self._scopes.values())

    async def change(self, key: ScopeKey, **values: Any) -> Scope:
        """Sets values of a scope in a transaction of its own."""
        async with self._ledger.executing():
            await self.write([key], **values)
        return self.apply([key], **values)[0]

    async def write(self, keys: Iterable[ScopeKey], **values: Any) -> None:
        """Writes values of scopes inside the caller's transaction; `apply` it after the commit."""
        for key in keys:
            await risk.put_scope(key.kind.value, key.ref, **_columns(values))

    def apply(self, keys: Iterable[ScopeKey], **values: Any) -> list[Scope]:
        """What `write` wrote counts from here on."""
        made = [replace(self.get(key), **values) for key in keys]
        self._scopes.update({scope.key: scope for scope in made})
        return made


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "limits" in columns:
        columns["limits"] = to_json(columns["limits"])
    if "mode" in columns:
        columns["mode"] = columns["mode"].value
    if "peaks" in columns:
        columns["peaks"] = {name: format(pnl, "f") for name, pnl in columns["peaks"].items()}
    return columns


def _scope(row: RiskScope) -> Scope:
    return Scope(
        key=ScopeKey(ScopeKind(row.scope), row.ref),
        limits=from_json(row.limits),
        mode=Mode(row.mode),
        mode_reason=row.mode_reason,
        mode_since=row.mode_since,
        waived_until=row.waived_until,
        losses_from=row.losses_from,
        peaks={name: Decimal(pnl) for name, pnl in (row.peaks or {}).items()},
    )
