"""From a wish in human amounts to a draft: which kind of order, which way each number is rounded.

A size is rounded down to a step, a price that the trader named (limit, trigger) to the tick that is
never worse for them, a bound that the program adds (slippage) to the tick that lets the order
through. Source: docs/protocol.md, orders and market mathematics.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypedDict, Unpack

from core.dydx.drafts import (
    MARKET_METADATA,
    BatchCancelDraft,
    CancelDraft,
    Draft,
    OrderDraft,
    OrderRef,
    TransferDraft,
    TwapTerms,
    check_lifetime,
)
from core.dydx.markets import Market
from core.dydx.protocol import (
    BATCH_CANCEL_LIMIT,
    ConditionType,
    OrderFlags,
    Side,
    TimeInForce,
)
from core.dydx.quantums import market_limit
from core.dydx.signing import SignedOrder, SignedTx, sign, sign_order

__all__ = [
    "GOOD_TIL_BLOCKS_LIMIT",
    "MARKET_METADATA",
    "BatchCancelDraft",
    "CancelDraft",
    "Draft",
    "OrderArgs",
    "OrderDraft",
    "OrderRef",
    "PriceTooSmall",
    "SignedOrder",
    "SignedTx",
    "SizeTooSmall",
    "TransferDraft",
    "TwapTerms",
    "batch_cancels",
    "check_lifetime",
    "default_slippage_bps",
    "limit_draft",
    "market_draft",
    "sign",
    "sign_order",
    "stop_limit_draft",
    "stop_market_draft",
    "take_profit_limit_draft",
    "take_profit_market_draft",
    "twap_draft",
]

LIMIT_METADATA: Final = 0
GOOD_TIL_BLOCKS_LIMIT: Final = 20
_DEEP_MARKETS: Final = frozenset({"BTC-USD", "ETH-USD"})
_DEEP_SLIPPAGE_BPS: Final = 500
_SLIPPAGE_BPS: Final = 1_000


class OrderArgs(TypedDict):
    """What every order needs; `size` is in base units and is rounded down to a whole step."""

    address: str
    number: int
    client_id: int
    market: Market
    side: Side
    size: Decimal


class SizeTooSmall(ValueError):
    """A size was below the market's smallest step. It is refused, never rounded up."""


class PriceTooSmall(ValueError):
    """A price was below the market's smallest tick. It is refused, never rounded up."""


def default_slippage_bps(ticker: str) -> int:
    """How far beyond its trigger a market stop may trade: 5 % in the deepest markets, else 10 %."""
    return _DEEP_SLIPPAGE_BPS if ticker in _DEEP_MARKETS else _SLIPPAGE_BPS


def market_draft(
    *,
    slippage_bps: int,
    height: int,
    good_til_blocks: int = 10,
    reduce_only: bool = False,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """A market order: an IOC at the oracle price ± `slippage_bps`, size rounded down to a step.

    `height` is the last block; the order can match up to block height + `good_til_blocks`. Raises
    SizeTooSmall below one step, ValueError without a positive oracle price or for more blocks than
    every version of the chain accepts.
    """
    market = order["market"]
    if market.oracle_price is None:
        raise ValueError(f"{market.ticker} has no oracle price")
    return _draft(
        order,
        subticks=market_limit(order["side"], market.oracle_price, slippage_bps, market.scale),
        good_til_block=_last_block(height, good_til_blocks),
        reduce_only=reduce_only,
        client_metadata=MARKET_METADATA,
    )


def limit_draft(
    *,
    price: Decimal,
    time_in_force: TimeInForce = TimeInForce.UNSPECIFIED,
    reduce_only: bool = False,
    height: int | None = None,
    good_til_blocks: int = GOOD_TIL_BLOCKS_LIMIT,
    good_til_block_time: int | None = None,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """An order that trades at `price` or better.

    With `height` (the last block) it is short-term and lives `good_til_blocks` blocks; with
    `good_til_block_time` (unix seconds) it is long-term and stands in the chain's state. It rests
    in the book (UNSPECIFIED, or POST_ONLY: refused where it would trade at once) or trades at once
    as far as it can (IOC, short-term only; the only one that may be reduce-only). Raises
    SizeTooSmall, PriceTooSmall, and ValueError for what no order can be.
    """
    if (height is None) == (good_til_block_time is None):
        raise ValueError("a limit order ends either with a block or at a time")
    return _draft(
        order,
        subticks=_named_price(order, price),
        good_til_block=None if height is None else _last_block(height, good_til_blocks),
        good_til_block_time=good_til_block_time,
        order_flags=OrderFlags.SHORT_TERM if height is not None else OrderFlags.LONG_TERM,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        client_metadata=LIMIT_METADATA,
    )


def stop_market_draft(
    *,
    trigger_price: Decimal,
    good_til_block_time: int,
    slippage_bps: int | None = None,
    reduce_only: bool = True,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """A market order that waits: a SELL until the price is at or below the trigger, a BUY until it
    is at or above.

    It is an IOC whose worst price is the trigger ± `slippage_bps` (see `default_slippage_bps`); too
    little and it disappears without a fill. The trigger is rounded so that the stop never fires
    later than asked. Raises SizeTooSmall, PriceTooSmall, ValueError.
    """
    return _conditional_market(
        ConditionType.STOP_LOSS,
        trigger_price=trigger_price,
        good_til_block_time=good_til_block_time,
        slippage_bps=slippage_bps,
        reduce_only=reduce_only,
        **order,
    )


def take_profit_market_draft(
    *,
    trigger_price: Decimal,
    good_til_block_time: int,
    slippage_bps: int | None = None,
    reduce_only: bool = True,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """A market order that waits: a SELL until the price is at or above the trigger, a BUY until it
    is at or below.

    Otherwise as `stop_market_draft`; the trigger is rounded so that it never fires for less profit
    than asked.
    """
    return _conditional_market(
        ConditionType.TAKE_PROFIT,
        trigger_price=trigger_price,
        good_til_block_time=good_til_block_time,
        slippage_bps=slippage_bps,
        reduce_only=reduce_only,
        **order,
    )


def stop_limit_draft(
    *,
    trigger_price: Decimal,
    price: Decimal,
    good_til_block_time: int,
    time_in_force: TimeInForce | None = None,
    reduce_only: bool = False,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """A limit order at `price` that waits as `stop_market_draft` does, then rests in the book.

    A reduce-only one does not rest: the chain takes it as IOC only, which is its default. Raises
    SizeTooSmall, PriceTooSmall, ValueError.
    """
    return _conditional_limit(
        ConditionType.STOP_LOSS,
        trigger_price=trigger_price,
        price=price,
        good_til_block_time=good_til_block_time,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        **order,
    )


def take_profit_limit_draft(
    *,
    trigger_price: Decimal,
    price: Decimal,
    good_til_block_time: int,
    time_in_force: TimeInForce | None = None,
    reduce_only: bool = False,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """A limit order at `price` that waits as `take_profit_market_draft` does; otherwise as
    `stop_limit_draft`.
    """
    return _conditional_limit(
        ConditionType.TAKE_PROFIT,
        trigger_price=trigger_price,
        price=price,
        good_til_block_time=good_til_block_time,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        **order,
    )


def twap_draft(
    *,
    terms: TwapTerms,
    good_til_block_time: int,
    price: Decimal | None = None,
    reduce_only: bool = False,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    """An order in equal parts over time, each an IOC.

    Without `price` each part may trade up to the terms' tolerance away from the oracle price.
    `good_til_block_time` should lie behind the last part. Raises SizeTooSmall where a part would be
    below one step, PriceTooSmall, ValueError.
    """
    terms.check()
    market = order["market"]
    if _quantums(order) // terms.parts < market.scale.step_base_quantums:
        raise SizeTooSmall(
            f"each of the {terms.parts} parts must be at least {market.step_size:f} of "
            f"{market.ticker}"
        )
    return _draft(
        order,
        subticks=0 if price is None else _named_price(order, price),
        good_til_block_time=good_til_block_time,
        order_flags=OrderFlags.TWAP,
        time_in_force=TimeInForce.IOC if reduce_only else TimeInForce.UNSPECIFIED,
        reduce_only=reduce_only,
        client_metadata=LIMIT_METADATA,
        twap=terms,
    )


def batch_cancels(orders: Iterable[OrderRef], good_til_block: int) -> tuple[BatchCancelDraft, ...]:
    """As few batches as cancel all these short-term orders: one per subaccount and hundred.

    Raises ValueError for an order that is not short-term: each of those is canceled on its own.
    """
    by_owner: dict[tuple[str, int], list[OrderRef]] = {}
    for ref in dict.fromkeys(orders):
        if ref.order_flags.stateful:
            raise ValueError("a batch cancels short-term orders only")
        by_owner.setdefault((ref.address, ref.number), []).append(ref)
    drafts: list[BatchCancelDraft] = []
    for (address, number), refs in by_owner.items():
        for start in range(0, len(refs), BATCH_CANCEL_LIMIT):
            ids: dict[int, list[int]] = {}
            for ref in refs[start : start + BATCH_CANCEL_LIMIT]:
                ids.setdefault(ref.clob_pair_id, []).append(ref.client_id)
            batches = tuple((pair, tuple(client_ids)) for pair, client_ids in ids.items())
            drafts.append(BatchCancelDraft(address, number, batches, good_til_block))
    return tuple(drafts)


def _conditional_market(
    condition: ConditionType,
    *,
    trigger_price: Decimal,
    good_til_block_time: int,
    slippage_bps: int | None,
    reduce_only: bool,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    trigger = _named_price(order, trigger_price)
    scale = order["market"].scale
    if slippage_bps is None:
        slippage_bps = default_slippage_bps(order["market"].ticker)
    return _draft(
        order,
        subticks=market_limit(order["side"], scale.price_of(trigger), slippage_bps, scale),
        good_til_block_time=good_til_block_time,
        order_flags=OrderFlags.CONDITIONAL,
        time_in_force=TimeInForce.IOC,
        reduce_only=reduce_only,
        client_metadata=MARKET_METADATA,
        condition_type=condition,
        trigger_subticks=trigger,
    )


def _conditional_limit(
    condition: ConditionType,
    *,
    trigger_price: Decimal,
    price: Decimal,
    good_til_block_time: int,
    time_in_force: TimeInForce | None,
    reduce_only: bool,
    **order: Unpack[OrderArgs],
) -> OrderDraft:
    if time_in_force is None:
        time_in_force = TimeInForce.IOC if reduce_only else TimeInForce.UNSPECIFIED
    return _draft(
        order,
        subticks=_named_price(order, price),
        good_til_block_time=good_til_block_time,
        order_flags=OrderFlags.CONDITIONAL,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        client_metadata=LIMIT_METADATA,
        condition_type=condition,
        trigger_subticks=_named_price(order, trigger_price),
    )


def _draft(
    order: OrderArgs,
    *,
    subticks: int,
    good_til_block: int | None = None,
    good_til_block_time: int | None = None,
    order_flags: OrderFlags = OrderFlags.SHORT_TERM,
    time_in_force: TimeInForce = TimeInForce.IOC,
    reduce_only: bool,
    client_metadata: int,
    condition_type: ConditionType = ConditionType.NONE,
    trigger_subticks: int = 0,
    twap: TwapTerms | None = None,
) -> OrderDraft:
    market = order["market"]
    draft = OrderDraft(
        address=order["address"],
        number=order["number"],
        client_id=order["client_id"],
        clob_pair_id=market.clob_pair_id,
        side=order["side"],
        quantums=_quantums(order),
        subticks=subticks,
        good_til_block=good_til_block,
        good_til_block_time=good_til_block_time,
        order_flags=order_flags,
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        client_metadata=client_metadata,
        condition_type=condition_type,
        trigger_subticks=trigger_subticks,
        twap=twap,
    )
    draft.check(market.scale)
    return draft


def _quantums(order: OrderArgs) -> int:
    market, size = order["market"], order["size"]
    if not size.is_finite() or size < 0:
        raise ValueError("a size must be a number that is not negative")
    quantums = market.scale.quantums_down(size)
    if quantums == 0:
        raise SizeTooSmall(f"{market.ticker} trades in steps of {market.step_size:f}")
    return quantums


def _named_price(order: OrderArgs, price: Decimal) -> int:
    """A price that the trader named: a BUY's is rounded down, a SELL's up.

    The same way keeps a trigger's promise: a SELL stop fires at or below its trigger, so up is
    never later; a SELL take profit at or above, so up is never for less. A BUY mirrors both.
    """
    if not price.is_finite() or price <= 0:
        raise ValueError("a price must be a positive number")
    market = order["market"]
    subticks = market.scale.subticks_within(price, order["side"])
    if subticks == 0:
        raise PriceTooSmall(f"{market.ticker} has prices in steps of {market.tick_size:f}")
    return subticks


def _last_block(height: int, good_til_blocks: int) -> int:
    if not 1 <= good_til_blocks <= GOOD_TIL_BLOCKS_LIMIT:
        raise ValueError(f"good_til_blocks must be 1 to {GOOD_TIL_BLOCKS_LIMIT}")
    return height + good_til_blocks
