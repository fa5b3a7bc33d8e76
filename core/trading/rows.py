"""From a signed draft to the row that is stored before its bytes leave, and back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final
from uuid import UUID

from core.dydx.drafts import CancelDraft, OrderDraft, OrderRef
from core.dydx.markets import Market
from core.dydx.protocol import OrderFlags
from core.dydx.signing import SignedTx
from core.ledger.models import Account, Order


def order_row(
    account: Account,
    draft: OrderDraft,
    signed: SignedTx,
    market: Market,
    *,
    epoch: int,
    now: dt.datetime,
    purpose: str,
    nonce: int | None = None,
    intent_id: int | None = None,
    signal_id: UUID | None = None,
    position_id: int | None = None,
    target_id: int | None = None,
) -> Order:
    """The row of an order that is about to be broadcast. The market has an oracle price."""
    assert market.oracle_price is not None
    scale = market.scale
    return Order(
        account_id=account.id,
        partition=account.partition,
        intent_id=intent_id,
        signal_id=signal_id,
        position_id=position_id,
        target_id=target_id,
        purpose=purpose,
        order_uuid=UUID(draft.order_uuid),
        client_id=draft.client_id,
        order_flags=int(draft.order_flags),
        clob_pair_id=market.clob_pair_id,
        ticker=market.ticker,
        side=draft.side.value,
        size=plain(scale.size_of(draft.quantums)),
        limit_price=plain(scale.price_of(draft.subticks)),
        reference_price=market.oracle_price,
        quantums=str(draft.quantums),
        subticks=str(draft.subticks),
        reduce_only=draft.reduce_only,
        good_til_block=draft.good_til_block or 0,
        good_til_block_time=draft.good_til_block_time,
        time_in_force=int(draft.time_in_force),
        condition_type=int(draft.condition_type),
        trigger_price=(
            plain(scale.price_of(draft.trigger_subticks)) if draft.trigger_subticks else None
        ),
        nonce=nonce,
        tx=signed.tx,
        tx_hash=signed.tx_hash,
        state="broadcasting",
        filled_size=Decimal(0),
        filled_quote=Decimal(0),
        epoch=epoch,
        created_at=now,
        broadcast_at=now,
    )


ENTRIES: Final = frozenset({"open", "add"})


def opens(order: Order) -> bool:
    """Whether an order is an entry: it was to open or enlarge a position."""
    return order.purpose in ENTRIES


def ref_of(account: Account, order: Order) -> OrderRef:
    """The identity on chain of a stored order."""
    return OrderRef(
        account.address,
        account.subaccount_number,
        order.client_id,
        order.clob_pair_id,
        OrderFlags(order.order_flags),
    )


def cancel_of(account: Account, order: Order) -> CancelDraft:
    """The cancel of a stored order in the chain's state."""
    return CancelDraft(
        address=account.address,
        number=account.subaccount_number,
        client_id=order.client_id,
        clob_pair_id=order.clob_pair_id,
        order_flags=OrderFlags(order.order_flags),
        good_til_block_time=order.good_til_block_time,
    )


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return Decimal(format(value.normalize(), "f"))
