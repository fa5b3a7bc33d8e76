"""Whose money is whose besides the traders': fee collector, insurance funds, collateral pools, the
treasury of the trading rewards. Their addresses follow from their names, as on the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from core.dydx.protocol import USDC_DENOM
from core.paper.governance import Market
from core.paper.happenings import SubaccountKey
from core.paper.state import State, Subaccount
from core.paper.transactions import encode_address


def module_address(name: str) -> str:
    """The address of a module's account."""
    return encode_address(hashlib.sha256(name.encode()).digest()[:20])


FEE_COLLECTOR: Final = module_address("fee_collector")
DISTRIBUTION: Final = module_address("distribution")
CLOSED_WALLETS: Final = frozenset(
    module_address(name)
    for name in (
        "fee_collector",
        "distribution",
        "bonded_tokens_pool",
        "not_bonded_tokens_pool",
        "transfer",
        "interchainaccounts",
    )
)
"""Modules to which nobody may send anything."""
_TREASURY_COINS: Final = 200_000_000 * 10**18
_INSURANCE: Final = "insurance_fund"
_COLLATERAL: Final = "subaccounts"


def insurance_fund(market: Market) -> str:
    """The address of the insurance fund that a market's liquidations pay into and draw on."""
    isolated = market.market_type == "ISOLATED"
    return module_address(f"{_INSURANCE}:{market.id}" if isolated else _INSURANCE)


def collateral_pool(market: Market) -> str:
    """The address of the pool that holds the USDC behind a market's positions."""
    isolated = market.market_type == "ISOLATED"
    return module_address(f"{_COLLATERAL}:{market.id}" if isolated else _COLLATERAL)


def fill_treasury(state: State, account: str, denom: str) -> None:
    """Give the treasury of the rewards what it holds at genesis."""
    state.pay(module_address(account), denom, _TREASURY_COINS)


def sweep_fees(state: State) -> None:
    """Hand the last block's fees on to those who stake."""
    collected = [
        (denom, amount)
        for (address, denom), amount in state.balances.working.items()
        if address == FEE_COLLECTOR and amount
    ]
    for denom, amount in collected:
        state.pay(FEE_COLLECTOR, denom, -amount)
        state.pay(DISTRIBUTION, denom, amount)


def collateral_pools(
    markets: Mapping[int, Market], subaccounts: Mapping[SubaccountKey, Subaccount]
) -> dict[str, int]:
    """USDC behind the subaccounts by the pool's address: one pool for all, and one for each
    isolated market with a position. In quote quantums.
    """
    pools: dict[str, int] = {module_address(_COLLATERAL): 0}
    for held in subaccounts.values():
        address = module_address(_COLLATERAL + pool_suffix(markets, held))
        pools[address] = pools.get(address, 0) + held.usdc
    return pools


def pool_suffix(markets: Mapping[int, Market], held: Subaccount) -> str:
    """What the name of a subaccount's collateral pool ends with: nothing for the common one."""
    if held.positions:
        market = markets[held.positions[0][0]]
        if market.market_type == "ISOLATED":
            return f":{market.id}"
    return ""


def collect(state: State, quote_quantums: int) -> None:
    """Move a trade's fees, both sides together, to the fee collector."""
    if quote_quantums:
        state.pay(FEE_COLLECTOR, USDC_DENOM, quote_quantums)
