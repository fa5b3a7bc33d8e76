"""What connecting an account writes down, whichever way its key came in."""

from __future__ import annotations

from decimal import Decimal

from core.dydx.indexer import IndexerError
from core.dydx.network import NetworkName
from core.dydx.protocol import CLIENT_ID_LIMIT
from core.ledger import accounts, books, positions
from core.ledger.models import Account
from core.trading.office import Office
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


async def adopt(office: Office, venue: Venue, account: Account) -> None:
    """Positions that were there before the bot are shown as external, without a plan."""
    try:
        rows = await venue.indexer.perpetual_positions(
            account.address, account.subaccount_number, status="OPEN"
        )
    except IndexerError:
        return
    now = office.clock.now()
    async with office.ledger.executing():
        for row in rows:
            if await positions.open_in(account.id, row.market):
                continue
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
                evidence="the indexer's positions when the account was connected",
                epoch=office.ledger.epoch,
                at=now,
            )
            await Holders.load(account, row.market, held)
