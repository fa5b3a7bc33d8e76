"""What making or removing a trading key costs and what it may trade, before anything is signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import structlog

from core.dydx.authenticators import adding, fitting_pairs, own_tree, removing
from core.dydx.network import Network
from core.dydx.node import NodeUnreachable
from core.dydx.protocol import USDC_DENOM
from core.dydx.wallet_transactions import (
    REMOVING_GAS,
    Fee,
    adding_gas,
    fees,
    gas_of_simulation,
    unsigned_transaction,
)
from core.trading.key_views import FeeView
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

NATIVE_COINS: Final = {"adydx": "DYDX", "adv4tnt": "DV4TNT"}
_USDC_DIGITS: Final = 6
_NATIVE_DIGITS: Final = 18


@dataclass(frozen=True)
class Costs:
    """The fee in each coin that the chain takes and what the wallet holds, in smallest units."""

    fees: dict[str, Fee]
    balances: dict[str, int]

    @property
    def payable(self) -> Fee | None:
        """The first fee that the wallet can pay."""
        for fee in self.fees.values():
            if self.balances.get(fee.denom, 0) >= fee.amount:
                return fee
        return None


async def markets_for_key(
    venue: Venue, public_key: bytes, number: int
) -> tuple[dict[int, str], int]:
    """The markets that a new key may trade, by clob pair id, and how many there are to choose from.

    The chain takes filters up to a size, so these are the most traded ones. Raises IndexerError.
    """
    rows = [
        row
        for row in (await venue.indexer.perpetual_markets()).values()
        if row.status == "ACTIVE" and row.market_type == "CROSS"
    ]
    rows.sort(key=lambda row: (-(row.volume_24h or Decimal(0)), row.clob_pair_id))
    fitting = fitting_pairs(public_key, [number], [row.clob_pair_id for row in rows])
    tickers = {row.clob_pair_id: row.ticker for row in rows}
    return {pair: tickers[pair] for pair in sorted(fitting)}, len(rows)


async def adding_costs(
    venue: Venue, address: str, owner_key: bytes, new_key: bytes, number: int, pairs: list[int]
) -> Costs:
    """Of giving a new key its permission. Raises NodeUnreachable."""
    data = own_tree(new_key, [number], pairs)
    return await _costs(venue, address, owner_key, adding(address, data), adding_gas(len(data)))


async def removing_costs(
    venue: Venue, address: str, owner_key: bytes, authenticator_id: int
) -> Costs:
    """Of taking a permission away. Raises NodeUnreachable."""
    message = removing(address, authenticator_id)
    return await _costs(venue, address, owner_key, message, REMOVING_GAS)


async def _costs(
    venue: Venue, address: str, owner_key: bytes, message: Any, known_gas: int
) -> Costs:
    """The node simulates; where it cannot, what such transactions were seen to take."""
    balances = await venue.node.balances(address)
    account = await venue.node.account(address)
    gas = known_gas
    if account is not None:
        try:
            simulated = await venue.node.simulate(
                unsigned_transaction(message, owner_key, account.sequence)
            )
            gas = gas_of_simulation(simulated)
        except NodeUnreachable as error:
            log.info("a fee is estimated without simulation", reason=str(error)[:200])
    return Costs(fees(gas, venue.network.native_denom), balances)


def fee_views(
    network: Network, offers: Mapping[str, Fee], balances: Mapping[str, int]
) -> tuple[FeeView, ...]:
    """The same in whole coins."""
    return tuple(
        FeeView(
            coin_name(network, denom),
            whole_coins(denom, fee.amount),
            whole_coins(denom, balances.get(denom, 0)),
        )
        for denom, fee in offers.items()
    )


def coin_name(network: Network, denom: str) -> str:
    """What people call a coin."""
    if denom == USDC_DENOM:
        return "USDC"
    return NATIVE_COINS.get(denom, network.native_denom)


def whole_coins(denom: str, amount: int) -> Decimal:
    """An amount in the coin that people know."""
    digits = _USDC_DIGITS if denom == USDC_DENOM else _NATIVE_DIGITS
    return Decimal(amount).scaleb(-digits)
