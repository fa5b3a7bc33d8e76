"""A trade that the bot did not make: with the account's own key, straight to the node."""

from __future__ import annotations

from decimal import Decimal

from core.dydx.keys import SigningKey
from core.dydx.node import NodePool, Outcome
from core.dydx.orders import market_draft, sign_order
from core.dydx.protocol import Side
from core.ledger import accounts
from core.vault import MasterKey, MasterKeys, Vault
from tests.acceptance.house import House


async def trade_by_hand(house: House, ticker: str, side: str, size: Decimal) -> None:
    """Places a market order as a front end would and asserts that the node took it."""
    process = house.process
    assert process is not None
    account = (await accounts.active())[0]
    credential = await accounts.credential(account.id)
    assert credential is not None
    assert account.chain_account_number is not None
    vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), house.random)
    secret = vault.open(credential.sealed, trader_id=account.trader_id, record=credential.record)
    venue = process.venues["paper"]
    market = venue.stream.markets.get(ticker)
    assert market is not None
    draft = market_draft(
        address=account.address,
        number=0,
        client_id=house.random.below(2**32),
        market=market,
        side=Side(side),
        size=size,
        slippage_bps=100,
        height=(await venue.node.latest_block()).height,
    )
    signed = sign_order(
        draft, SigningKey.from_secret(secret), venue.network.chain_id, account.chain_account_number
    )
    pool = NodePool(venue.network, house.clock)
    try:
        answer = await pool.broadcast(signed.tx)
    finally:
        await pool.close()
    assert answer.outcome is Outcome.ACCEPTED
