"""Helpers for tests of the paper network's money side."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any, TypeVar

from core.dydx.protocol import USDC_DENOM
from core.paper.exchange import Exchange
from core.paper.funds import insurance_fund
from core.paper.happenings import BlockCommitted, BlockEvent, Filled
from core.paper.prices import PriceSettings
from core.paper.queries import Queries
from core.paper.settlement import settled
from tests.core.paper.chain_kit import GOVERNANCE, GTT, NO_LADDER, NOON, Lab, Trader

E = TypeVar("E", bound=BlockEvent)


def events(made: Lab, kind: type[E], since: int = 0) -> list[E]:
    """What blocks above a height told of one kind."""
    return [
        event
        for happening in made.told
        if isinstance(happening, BlockCommitted) and happening.height > since
        for event in happening.events
        if isinstance(event, kind)
    ]


def rest(
    made: Lab, one: Trader, side: int, size: str | int, price: str, pair: int, client_id: int
) -> None:
    """Leave an order in the book."""
    gtb = made.exchange.height + 35
    result = made.place(one, side, size, price, client_id=client_id, tif=GTT, pair=pair, gtb=gtb)
    assert (result.code, result.log) == (0, "[]")


def shown(fill: Filled) -> tuple[str, str, str, str, str]:
    """Kind, side, size, price and fee as the indexer shows them."""
    market = GOVERNANCE.markets[fill.clob_pair_id]
    size = market.scale.size_of(fill.quantums)
    price = round(Decimal(fill.quote_quantums).scaleb(-6) / size, 16)
    fee = Decimal(fill.fee_quote_quantums).scaleb(-6)
    return (fill.kind, fill.side, text(size), text(price), text(fee))


def text(number: Decimal) -> str:
    """A number without trailing zeros."""
    return format(number.normalize(), "f")


def usdc(made: Lab, one: Trader) -> str:
    """USDC of a subaccount, committed."""
    return text(Decimal(made.exchange.subaccount(one.key).usdc).scaleb(-6))


def all_usdc(made: Lab) -> int:
    """Everything there is in quote quantums: subaccounts with their funding settled, wallets, fee
    collector, insurance funds.
    """
    state: Any = made.exchange.state
    behind = sum(
        settled(held, state.funding.working).subaccount.usdc
        for held in state.subaccounts.working.values()
    )
    wallets = sum(
        amount for (_, denom), amount in state.balances.working.items() if denom == USDC_DENOM
    )
    return int(behind + wallets)


def fund_of(made: Lab, pair: int) -> int:
    """What a market's insurance fund holds, committed, in quote quantums."""
    return made.exchange.balance(insurance_fund(GOVERNANCE.markets[pair]), USDC_DENOM)


def ask(made: Lab, method: str, request: Any, answer: Any) -> Any:
    """A node's answer."""
    queries = Queries(made.exchange, "paper")
    return answer.FromString(queries.answer(method, request.SerializeToString()))


def governed(start: dt.datetime = NOON, **answers: Any) -> Lab:
    """A chain that begins then and whose governance answers these methods (last part of their name)
    otherwise.
    """
    changed = copy.deepcopy(GOVERNANCE.answers)
    for name, answer in answers.items():
        changed[next(key for key in changed if key.endswith(f"/{name}"))] = answer
    governance = dataclasses.replace(GOVERNANCE, answers=changed)
    exchange = Exchange(governance, book=NO_LADDER, prices=PriceSettings(mode="still"))
    exchange.genesis(start)
    made = Lab(exchange, now=start)
    exchange.subscribe(made.told.append)
    return made
