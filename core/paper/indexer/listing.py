"""What REST lists about subaccounts have in common: whose rows, from when, and pages.

Source: docs/protocol.md, indexer REST.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from core.paper.happenings import SubaccountKey
from core.paper.indexer import views
from core.paper.indexer.checks import Checks, refusal
from core.paper.indexer.service import Indexer

Json = dict[str, Any]


class OfAccount:
    """Handlers about the subaccounts that a request names."""

    def __init__(self, indexer: Indexer) -> None:
        self.indexer = indexer
        self.rows = indexer.rows

    def checks(self, request: web.Request) -> Checks:
        """Checks of a request's parameters."""
        return Checks(request.query, request.match_info)

    def whose(self, request: web.Request) -> tuple[Checks, list[SubaccountKey]]:
        """The subaccounts that a list is about: one, or all of a parent."""
        checks = self.checks(request)
        address = checks.address()
        if is_parent(request):
            parent = checks.parent()
            return checks, [row.key for row in views.children(self.rows, address, parent)]
        return checks, [SubaccountKey(address, checks.subaccount())]

    def created(self, checks: Checks) -> tuple[int | None, dt.datetime | None]:
        """Up to which height and time rows are wanted."""
        return checks.height("createdBeforeOrAtHeight"), checks.time("createdBeforeOrAt")

    def known(self, address: str, n: int) -> SubaccountKey:
        """A subaccount that exists. Raises Invalid (404)."""
        key = SubaccountKey(address, n)
        if key not in self.rows.subaccounts:
            text = f"No subaccount found with address {address} and subaccountNumber {n}"
            raise refusal(404, text)
        return key

    def must_be_known(self, request: web.Request, keys: list[SubaccountKey]) -> None:
        """Raises Invalid (404) where the list is about nobody."""
        if not is_parent(request):
            self.known(keys[0].owner, keys[0].number)
        elif not keys:
            parent = int(request.query["parentSubaccountNumber"])
            raise refusal(404, no_parent(request.query["address"], parent))

    def ticker(self, clob_pair_id: int) -> str:
        """The ticker of a market."""
        return self.rows.markets[clob_pair_id].ticker


def is_parent(request: web.Request) -> bool:
    """Whether a request is about a parent subaccount."""
    return "/parentSubaccount" in request.path


def no_parent(address: str, parent: int) -> str:
    """What is said of a parent nobody has seen."""
    return f"No subaccounts found for address {address} and parentSubaccountNumber {parent}"


def is_before(
    height: int, created: dt.datetime, before: int | None, at: dt.datetime | None
) -> bool:
    """Whether a row is as old as wanted."""
    return (before is None or height <= before) and (at is None or created <= at)


def page_of(
    name: str,
    found: Sequence[Any],
    limit: int,
    page: int | None,
    shown: Callable[[Any], Json],
    *,
    always: bool = False,
) -> Json:
    """A list, with the page fields only when a page was asked for, or `always`."""
    if page is None:
        body: Json = {name: [shown(row) for row in found[:limit]]}
        return (
            body | {"pageSize": limit, "totalResults": len(found), "offset": 0} if always else body
        )
    offset = (page - 1) * limit
    return {
        name: [shown(row) for row in found[offset : offset + limit]],
        "pageSize": limit,
        "totalResults": len(found),
        "offset": offset,
    }
