"""REST routes that public clients also read: trade history, transfers between two subaccounts,
search, affiliates and vaults. The paper network has neither affiliates nor vaults and says so as an
indexer without any does. Source: docs/protocol.md, indexer REST.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from core.paper.happenings import SubaccountKey
from core.paper.indexer import shapes
from core.paper.indexer.account_routes import Handler, unless_blocked
from core.paper.indexer.checks import refusal
from core.paper.indexer.listing import OfAccount, is_before, page_of
from core.paper.indexer.market_routes import SECOND, TEN_SECONDS
from core.paper.indexer.records import ZERO, TransferRow, subaccount_id_of
from core.paper.indexer.service import Indexer
from core.paper.indexer.texts import EXACT, number
from core.paper.indexer.trade_history import trade_history

Json = dict[str, Any]
_SUBSET = 100
_ADJECTIVES = ("Brave", "Calm", "Eager", "Keen", "Merry", "Quiet", "Swift", "Wary")
_NOUNS = ("Badger", "Comet", "Falcon", "Harbor", "Lantern", "Otter", "Pine", "Quartz")


def routes(indexer: Indexer) -> list[tuple[str, Handler, str | None]]:
    """(path, handler, Cache-Control)."""
    site = SocialRoutes(indexer)
    listed: list[tuple[str, Handler, str | None]] = [
        ("/tradeHistory", unless_blocked(indexer, site.trade_history), SECOND),
        (
            "/tradeHistory/parentSubaccountNumber",
            unless_blocked(indexer, site.trade_history),
            SECOND,
        ),
        ("/transfers/between", site.transfers_between, SECOND),
        ("/trader/search", site.search, TEN_SECONDS),
        ("/affiliates/metadata", site.affiliate_metadata, "no-cache"),
        ("/affiliates/address", site.affiliate_address, TEN_SECONDS),
        ("/affiliates/snapshot", site.affiliate_snapshot, TEN_SECONDS),
        ("/affiliates/total_volume", site.affiliate_volume, TEN_SECONDS),
        ("/vault/v1/megavault/historicalPnl", site.megavault_pnl, TEN_SECONDS),
        ("/vault/v1/megavault/positions", site.megavault_positions, TEN_SECONDS),
        ("/vault/v1/vaults/historicalPnl", site.vaults_pnl, TEN_SECONDS),
    ]
    return listed


class SocialRoutes(OfAccount):
    """Handlers; each gives the body or raises Invalid."""

    async def trade_history(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        ticker, kind = request.query.get("market"), request.query.get("marketType")
        limit, page = checks.limit(), checks.page()
        checks.done()
        market = None
        if ticker is not None and kind is not None:
            if kind != "PERPETUAL" or ticker not in self.rows.by_ticker:
                raise refusal(404, f"{ticker} not found in markets of type {kind}")
            market = self.rows.by_ticker[ticker].id
        found = trade_history(self.rows, keys, market)
        return page_of("tradeHistory", found, limit, page, lambda row: row, always=True)

    async def transfers_between(self, request: web.Request) -> Any:
        checks = self.checks(request)
        source = request.query.get("sourceAddress", "")
        if not source:
            checks.fail("sourceAddress", "Invalid value", "params")
        n = checks.subaccount("sourceSubaccountNumber")
        recipient = request.query.get("recipientAddress", "")
        if not recipient:
            checks.fail("recipientAddress", "Invalid value", "params")
        m = checks.subaccount("recipientSubaccountNumber")
        before, at = self.created(checks)
        checks.done()
        ends = {(source, n), (recipient, m)}
        found = [
            row
            for row in reversed(self.rows.transfers)
            if {(row.sender, row.sender_number), (row.recipient, row.recipient_number)} == ends
            and is_before(row.created_height, row.created_at, before, at)
        ]
        return self._between(found, SubaccountKey(source, n))

    def _between(self, found: Sequence[TransferRow], source: SubaccountKey) -> Json:
        net, told = ZERO, []
        for row in found:
            sent = (row.sender, row.sender_number) == (source.owner, source.number)
            net = EXACT.add(net, row.size if sent else -row.size)
            told.append(shapes.transfer_rest(row, incoming=not sent))
        return {"transfersSubset": told[:_SUBSET], "totalNetTransfers": number(net)}

    async def search(self, request: web.Request) -> Any:
        wanted = request.query.get("searchParam")
        checks = self.checks(request)
        if wanted is None:
            checks.fail("searchParam", "searchParam is required", "query")
        checks.done()
        for key in self.rows.subaccounts:
            if key.number == 0 and wanted in (key.owner, username(key)):
                return {
                    "result": {
                        "address": key.owner,
                        "subaccountNumber": 0,
                        "subaccountId": subaccount_id_of(key),
                        "username": username(key),
                    }
                }
        raise refusal(404, f"Subaccount not found:{wanted}")

    async def affiliate_metadata(self, request: web.Request) -> Any:
        checks = self.checks(request)
        address = request.query.get("address")
        if not address:
            checks.fail("address", "address must be a valid string", "query")
        checks.done()
        key = SubaccountKey(address or "", 0)
        if key not in self.rows.subaccounts:
            raise refusal(404, f"Wallet with address {address} not found")
        return {
            "referralCode": username(key),
            "isVolumeEligible": False,
            "isAffiliate": False,
        }

    async def affiliate_address(self, request: web.Request) -> Any:
        code = request.query.get("referralCode")
        checks = self.checks(request)
        if not code:
            checks.fail("referralCode", "referralCode must be a valid string", "query")
        checks.done()
        for key in self.rows.subaccounts:
            if key.number == 0 and username(key) == code:
                return {"address": key.owner}
        raise refusal(404, f"Referral code {code} does not exist")

    async def affiliate_snapshot(self, request: web.Request) -> Any:
        text = request.query.get("offset", "0")
        offset = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        return {"affiliateList": [], "currentOffset": offset, "total": 0}

    async def affiliate_volume(self, request: web.Request) -> Any:
        address = request.query.get("address", "")
        if not any(key.owner == address for key in self.rows.subaccounts):
            raise refusal(404, f"Wallet with address {address} not found")
        return {"totalVolume": 0}

    async def megavault_pnl(self, request: web.Request) -> Any:
        self._resolution(request)
        return {"megavaultPnl": []}

    async def vaults_pnl(self, request: web.Request) -> Any:
        self._resolution(request)
        return {"vaultsPnl": []}

    async def megavault_positions(self, request: web.Request) -> Any:
        return {"positions": []}

    def _resolution(self, request: web.Request) -> None:
        checks = self.checks(request)
        checks.choice("resolution", ("hour", "day"), "type must be one of hour,day")
        checks.done()


def username(key: SubaccountKey) -> str:
    """The name that the indexer makes up for an account."""
    digest = hashlib.sha256(subaccount_id_of(key).encode()).digest()
    adjective, noun = _ADJECTIVES[digest[0] % 8], _NOUNS[digest[1] % 8]
    return f"{adjective}{noun}{digest.hex()[4:7].upper()}"
