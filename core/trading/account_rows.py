"""What connecting an account writes down, whichever way its key came in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import PerpetualPosition
from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.dydx.protocol import CLIENT_ID_LIMIT
from core.ledger import accounts, books, positions
from core.ledger.models import Account
from core.trading.office import Office
from core.trading.parts import Parts
from core.trading.share_keeper import Holders
from core.trading.venue import Venue
from core.trading.views import DeskError


async def account_row(
    office: Office,
    trader_id: int,
    network: str,
    address: str,
    number: int,
    chain_number: int | None,
    height: int,
    *,
    replacing: bool,
) -> Account | None:
    """The row of an account that gets a key, inside the caller's transaction: new, with its
    history, or (`replacing`) active without the key that it had. None while the account has another
    key that may not be replaced.
    """
    found = await accounts.find(network, address, number)
    if found is None:
        return await accounts.add(
            trader_id=trader_id,
            network=network,
            address=address,
            number=number,
            chain_account_number=chain_number,
            first_client_id=office.random.below(CLIENT_ID_LIMIT),
            fills_height=height,
            now=office.clock.now(),
        )
    if found.state == "active" and replacing and found.trader_id == trader_id:
        await accounts.drop_credential(found.id)
        return await accounts.get(found.id)
    if found.state != "disconnected":
        return None
    await accounts.reconnect(found.id, trader_id)
    return await accounts.get(found.id)


def unreachable(network: NetworkName) -> DeskError:
    """Neither node nor indexer could be asked."""
    return DeskError(
        "network_unreachable",
        f"dYdX {network} cannot be reached at the moment. Nothing was stored; try again.",
    )


def market_names(venue: Venue, pairs: list[int] | tuple[int, ...]) -> tuple[str, ...]:
    """The tickers of markets, as far as the network lists them."""
    found = (venue.stream.markets.by_pair(pair) for pair in pairs)
    return tuple(market.ticker for market in found if market is not None)


async def take_over(parts: Parts, account: Account) -> bool:
    """Stores the positions that were there before the bot as external, without a plan, as a node
    has committed them; fills count from its block on. False while node and indexer cannot be read,
    or do not agree yet on what is held.
    """
    venue = parts.venue
    try:
        held = await venue.node.subaccount(
            account.address, account.subaccount_number, at_least=account.fills_height
        )
        rows = await venue.indexer.perpetual_positions(
            account.address, account.subaccount_number, status="OPEN"
        )
    except (NodeUnreachable, IndexerError):
        return False
    height = held.height or account.fills_height
    entries = {row.market: row for row in rows}
    found: list[PerpetualPosition] = []
    for pair, quantums in held.positions.items():
        if not quantums:
            continue
        market = venue.stream.markets.by_pair(pair)
        row = entries.get(market.ticker) if market is not None else None
        if market is None or row is None or row.size != market.scale.size_of(quantums):
            return False
        found.append(row)
    now = parts.clock.now()
    async with parts.ledger.executing():
        for row in found:
            await _store_found(parts, account, row, height, now)
        await accounts.take_over(account, height)
    return True


async def _store_found(
    parts: Parts, account: Account, row: PerpetualPosition, height: int, now: dt.datetime
) -> None:
    held = await positions.add(
        account_id=account.id,
        partition=account.partition,
        ticker=row.market,
        side="LONG" if row.size > 0 else "SHORT",
        state="open",
        external=True,
        size=abs(row.size),
        max_size=abs(row.size),
        entry_price=row.entry_price,
        closed_size=Decimal(0),
        realized_pnl=Decimal(0),
        fees=Decimal(0),
        opened_at=now,
        enlarged_at=now,
    )
    await books.add_step(
        position_id=held.id,
        step="found",
        cause="found",
        change=row.size,
        size=row.size,
        fill_uuid=None,
        evidence=f"held at block {height}, when the account was connected",
        epoch=parts.ledger.epoch,
        at=now,
    )
    await Holders.load(account, row.market, held)
