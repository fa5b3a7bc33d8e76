"""Orders, the steps of their state machine, and fills."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Any
from uuid import UUID

from tortoise.expressions import Q, Subquery

from core.ledger import raw
from core.ledger.database import Ledger
from core.ledger.models import Account, Fill, Intent, Order, OrderTransition

CLIENT_IDS = 2**32
_STEP = (
    'INSERT INTO "order_transition" '
    '("order_id", "from_state", "to_state", "evidence", "epoch", "at") '
    'VALUES ((SELECT "id" FROM "order" WHERE "order_uuid" = {}), {}, {}, {}, {}, {})'
)


def following(client_id: int) -> int:
    """The client id that an account's next order gets."""
    return (client_id + 1) % CLIENT_IDS


async def add(
    ledger: Ledger,
    order: Order,
    evidence: str,
    replaces: Order | None = None,
    course: dict[str, str] | None = None,
) -> None:
    """Stores an order that is about to be broadcast, in one step with all that goes with it: its
    first two transitions, its intent at work and the course of it, the account's next client id,
    and the mark of the order that its transaction cancels.
    """
    uuid_value = Order._meta.fields_map["order_uuid"].to_db_value(order.order_uuid, order)
    steps = [
        raw.Statement(_STEP, (uuid_value, before, after, evidence, order.epoch, order.created_at))
        for before, after in (("", "created"), ("created", "broadcasting"))
    ]
    next_client_id = raw.Statement(
        'UPDATE "account" SET "next_client_id" = {} WHERE "id" = {}',
        (following(order.client_id), order.account_id),
    )
    statements = [raw.insertion(order), *steps, next_client_id]
    if order.intent_id is not None:
        statements.append(
            raw.Statement(
                """UPDATE "intent" SET "state" = 'running', "epoch" = {}, "course" = {} """
                'WHERE "id" = {}',
                (order.epoch, _course_value(course), order.intent_id),
            )
        )
    if replaces is not None:
        statements.append(
            raw.Statement(
                'UPDATE "order" SET "cancel_asked_at" = {} WHERE "id" = {}',
                (order.created_at, replaces.id),
            )
        )
    rows = await ledger.commit(statements)
    order.id = int(rows[0][0]["id"])
    order._saved_in_db = True
    if replaces is not None:
        replaces.cancel_asked_at = order.created_at


def _course_value(course: dict[str, str] | None) -> Any:
    return Intent._meta.fields_map["course"].to_db_value(course, Intent)


async def record_answer(
    ledger: Ledger,
    order: Order,
    to_state: str,
    evidence: str,
    now: dt.datetime,
    messages: list[raw.Statement],
    **values: Any,
) -> bool:
    """What the nodes answered, in one step with its messages; False, and nothing written, when
    fills have moved the order on already.
    """
    fields = {"state": to_state, **values}
    assignments = ", ".join(f'"{name}" = {{}}' for name in fields)
    uuid_value = Order._meta.fields_map["order_uuid"].to_db_value(order.order_uuid, order)
    moved = raw.Statement(
        f'UPDATE "order" SET {assignments} WHERE "id" = {{}} AND "state" = {{}} RETURNING "id"',  # noqa: S608
        (*fields.values(), order.id, "broadcasting"),
        required=True,
    )
    step = raw.Statement(_STEP, (uuid_value, "broadcasting", to_state, evidence, order.epoch, now))
    try:
        await ledger.commit([moved, step, *messages])
    except raw.Unmet:
        return False
    for name, value in fields.items():
        setattr(order, name, value)
    return True


async def append_transition(
    order: Order, to_state: str, evidence: str, epoch: int, now: dt.datetime, **values: Any
) -> None:
    """Appends a step and updates the row; the caller has checked that the step is allowed."""
    await OrderTransition.create(
        order_id=order.id,
        from_state=order.state,
        to_state=to_state,
        evidence=evidence,
        epoch=epoch,
        at=now,
    )
    await Order.filter(id=order.id).update(state=to_state, **values)
    order.state = to_state
    for name, value in values.items():
        setattr(order, name, value)


async def set_filled(order: Order, size: Decimal, quote: Decimal) -> None:
    await Order.filter(id=order.id).update(filled_size=size, filled_quote=quote)
    order.filled_size, order.filled_quote = size, quote


async def attach_position(order: Order, position_id: int) -> None:
    await Order.filter(id=order.id).update(position_id=position_id)
    order.position_id = position_id


async def get(order_id: int) -> Order | None:
    return await Order.get_or_none(id=order_id)


async def by_uuid(order_uuid: UUID) -> Order | None:
    return await Order.get_or_none(order_uuid=order_uuid)


async def ask_cancel(order: Order, now: dt.datetime | None) -> None:
    """Notes that an order is to be cancelled; None takes the note back."""
    await Order.filter(id=order.id).update(cancel_asked_at=now)
    order.cancel_asked_at = now


async def stateful_in_states(account_id: int, states: Collection[str]) -> list[Order]:
    """Orders in the chain's state, or on their way there, oldest first."""
    return (
        await Order.filter(account_id=account_id, state__in=list(states))
        .exclude(order_flags=0)
        .order_by("id")
    )


async def of_positions(position_ids: Collection[int], states: Collection[str]) -> list[Order]:
    """Orders that belong to these positions, oldest first."""
    return await Order.filter(position_id__in=list(position_ids), state__in=list(states)).order_by(
        "id"
    )


async def placed_since(
    network: str, address: str, since: dt.datetime, height: int
) -> list[tuple[int | None, dt.datetime]]:
    """The stateful orders of an address that were signed since then or came into a block behind
    `height`, whatever became of them: the block, where it is known, and when they were signed.
    """
    rows: list[tuple[int | None, dt.datetime]] = (
        await Order.filter(
            Q(created_at__gte=since) | Q(included_height__gt=height),
            account_id__in=Subquery(Account.filter(network=network, address=address).values("id")),
        )
        .exclude(order_flags=0)
        .values_list("included_height", "created_at")
    )
    return rows


async def in_states(account_id: int, states: Collection[str]) -> list[Order]:
    return await Order.filter(account_id=account_id, state__in=list(states)).order_by("id")


async def of_signal(signal_id: UUID) -> list[Order]:
    return await Order.filter(signal_id=signal_id).order_by("id")


async def of_intent(intent_id: int) -> list[Order]:
    return await Order.filter(intent_id=intent_id).order_by("id")


async def count_in_state(account_ids: list[int], state: str) -> int:
    return await Order.filter(account_id__in=account_ids, state=state).count()


async def known_fills(fill_uuids: list[UUID]) -> set[UUID]:
    """Which of these the ledger has already."""
    return {row.fill_uuid for row in await Fill.filter(fill_uuid__in=fill_uuids).only("fill_uuid")}


async def newest_fill(account_id: int) -> int:
    """The id of the fill that an account's books took last; 0 where there is none."""
    newest = await Fill.filter(account_id=account_id).order_by("-id").only("id").first()
    return newest.id if newest is not None else 0


async def filled_since(account_id: int, ticker: str, fill_id: int) -> list[Order]:
    """The orders of which the books took fills after that one, oldest first."""
    fills = Fill.filter(account_id=account_id, ticker=ticker, id__gt=fill_id)
    ids = {row.order_id for row in await fills.only("order_id") if row.order_id is not None}
    return await Order.filter(id__in=list(ids)).order_by("id") if ids else []


async def newest_fill_height(account_id: int) -> int:
    """The block of an account's newest fill in the books; 0 where there is none."""
    newest = await Fill.filter(account_id=account_id).order_by("-height").only("height").first()
    return newest.height if newest is not None else 0


async def add_fill(fill: Fill) -> None:
    await fill.save(force_create=True)
