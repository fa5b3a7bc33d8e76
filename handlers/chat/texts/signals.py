"""The card: the one living message of a signal, edited as things are proved."""

from __future__ import annotations

import datetime as dt
from typing import Final

from aiogram.types import InlineKeyboardMarkup
from aiogram.utils.formatting import Bold, Code, Text

from core.trading.views import OrderView, PositionView, SignalView
from handlers.chat.buttons import SignalButton
from handlers.chat.texts import numbers
from handlers.chat.texts.plans import plan_lines
from handlers.chat.texts.positions import amount_of, position_keyboard, reason_words
from handlers.chat.texts.screen import (
    LOOK,
    MOCK,
    PAPER,
    PROTECTED,
    PROVED,
    REFUSED,
    UNKNOWN,
    WAITING,
    WATCHED,
    Screen,
    button,
    clean,
    dead_button,
    keyboard,
    lines,
    market,
    quiet,
    theirs,
    word,
)
from handlers.chat.texts.strategy_aliases import nearest_keyboard

MAX_ORDERS: Final = 4


def card(signal: SignalView, nonce: int) -> Screen:
    """The card of a signal as the ledger has it now. `nonce` names this keyboard."""
    position = signal.position
    side = position.side if position is not None else word(signal.action)
    parts: list[Text | str | None] = [
        Text(
            f"{PAPER} " if signal.network == "paper" else "",
            Bold(market(signal.symbol), "  ", side),
            "  · ",
            theirs(signal.strategy_name, 32),
        ),
        Text(f"{PROVED} received  ", numbers.clock_time(signal.received_at)),
    ]
    for order in signal.orders[:MAX_ORDERS]:
        parts += order_lines(order, position, signal.received_at)
    if len(signal.orders) > MAX_ORDERS:
        parts.append(f"and {len(signal.orders) - MAX_ORDERS} more orders")
    parts += _outcome_lines(signal)
    if _is_opening(signal):
        parts.append(
            f"{WATCHED} the chain has no room for stop and target now: the bot will watch them"
            if signal.plan_on_chain is False
            else f"{PROTECTED} stop and target go on chain as soon as it fills"
        )
    if position is not None and _has_fill(signal):
        parts += _position_lines(position)
    if signal.duplicates:
        parts.append(
            f"sent again {signal.duplicates} {'time' if signal.duplicates == 1 else 'times'}; "
            "acted once"
        )
    open_position = position if position is not None and position.state == "open" else None
    shown = (
        position_keyboard(open_position, nonce, card=True)
        if open_position is not None and _has_fill(signal)
        else ask_keyboard(signal) or nearest_keyboard(signal)
    )
    return Screen(lines(*parts), shown)


SETTLED: Final = "This signal was answered already."
_EXECUTE: Final = {"asking": "Execute", "missed": "Execute now", "mock": "Retry for real"}


def ask_keyboard(signal: SignalView) -> InlineKeyboardMarkup | None:
    """The answers to a signal that waits for its trader, came too late or was only mocked."""
    if signal.state not in _EXECUTE:
        return None
    label = _EXECUTE[signal.state]
    return keyboard(
        [
            button(label, SignalButton(do="execute", signal_id=signal.id), "success"),
            button("Ignore", SignalButton(do="ignore", signal_id=signal.id)),
        ]
    )


def executing_keyboard() -> InlineKeyboardMarkup | None:
    """While what was to be executed is on its way."""
    return keyboard([dead_button("Executing…")])


def _has_fill(signal: SignalView) -> bool:
    return any(order.filled_size > 0 for order in signal.orders)


def _is_opening(signal: SignalView) -> bool:
    """Whether an order that may open or enlarge a position is on its way."""
    if not signal.orders or _has_fill(signal):
        return False
    order = signal.orders[-1]
    return not order.reduce_only and order.state in (
        "broadcasting",
        "accepted",
        "unknown",
        "open",
        "untriggered",
        "triggered",
    )


def _outcome_lines(signal: SignalView) -> list[Text | str | None]:
    if signal.reason_code == "unfilled" and signal.orders:
        return []  # the order's own line says it
    if signal.reason_code == "ignored":
        return ["ignored by you: nothing was traded"]
    if signal.reason_code == "canceled" and signal.state == "refused":
        return ["canceled before it filled"]
    if signal.state == "refused":
        return [f"{REFUSED} refused: {quiet(signal.reason_text or 'no reason given')}"]
    if signal.state == "missed":
        return [f"{LOOK} missed: {quiet(signal.reason_text or 'it came too late')}"]
    if signal.state == "stored" and not signal.orders:
        return [f"{WAITING} waiting for its turn"]
    would = quiet(signal.reason_text or "") or None
    if signal.state == "asking":
        return [_asking_line(signal), would]
    if signal.state == "shadow":
        return ["shadow mode: nothing was sent", would]
    if signal.state == "mock":
        return [f"{MOCK} mock: no node was reached, nothing was sent", would]
    return []


def _asking_line(signal: SignalView) -> Text:
    """How long a signal waits for its trader."""
    if signal.asked_until is None:
        return Text(f"{WAITING} waits for your word")
    return Text(f"{WAITING} waits for your word until ", numbers.clock_time(signal.asked_until))


def order_lines(
    order: OrderView, position: PositionView | None, received_at: dt.datetime
) -> list[Text | str | None]:
    """The steps of one order that are proved, and the one that is awaited."""
    tick = position.tick_size if position is not None else None
    step = position.step_size if position is not None else None
    steps: list[Text | str | None] = []
    if order.accepted_at is not None:
        took = numbers.latency(order.accepted_at - received_at)
        steps.append(Text(f"{PROVED} accepted  {took} · tx ", short_hash(order.tx_hash)))
    if order.state in ("created", "broadcasting"):
        steps.append(f"{WAITING} sending")
    elif order.state == "unknown":
        steps.append(f"{UNKNOWN} no answer from the node; checking the chain, not sending again")
    elif order.state == "refused_in_block":
        steps.append(Text(f"{REFUSED} refused by the chain in its block", _code(order)))
    elif order.state == "refused":
        sent = order.codespace != "unsent"
        words = "refused by the node" if sent else "not sent: no node was reached"
        steps.append(Text(f"{REFUSED} {words}", _code(order)))
    elif order.state == "accepted":
        waits = "its block" if order.expires_at is not None else "the fill"
        steps.append(f"{WAITING} waiting for {waits}")
    elif order.state == "open":
        at = numbers.price(order.limit_price, tick)
        steps.append(f"{WAITING} rests in the book at {at}")
        steps.append(_until(order))
    elif order.state == "untriggered" and order.trigger_price is not None:
        at = numbers.price(order.trigger_price, tick)
        steps.append(f"{WAITING} waits on chain for the price {at}")
        steps.append(_until(order))
    elif order.state in ("triggered", "dead"):
        steps.append(f"{WAITING} its price was reached; waiting for the fill")
    elif order.filled_size == 0 and order.state in ("canceled", "expired"):
        steps.append(f"{LOOK} not filled: nothing was traded")
    if order.filled_size > 0 and order.average_price is not None:
        whole = order.filled_size == order.size
        amount = numbers.size(order.filled_size, step)
        steps.append(
            f"{PROVED} filled  {amount}"
            + ("" if whole else f" of {numbers.size(order.size, step)}")
            + f" at {numbers.price(order.average_price, tick)}"
        )
        steps.append(_fill_facts(order, received_at))
        if not whole and order.state == "partially_filled":
            steps.append(f"{WAITING} waiting for the rest")
    return steps


def _until(order: OrderView) -> Text | None:
    """When a waiting order ends."""
    if order.expires_at is None:
        return None
    return Text("until ", numbers.date_time(order.expires_at))


def _fill_facts(order: OrderView, received_at: dt.datetime) -> str | None:
    facts = []
    if order.resolved_at is not None:
        facts.append(numbers.latency(order.resolved_at - received_at))
    if order.slippage_percent is not None:
        facts.append(f"slippage {numbers.percent(order.slippage_percent, 2)}")
    return " · ".join(facts) or None


def _code(order: OrderView) -> str:
    if order.code is None:
        return ""
    return f": code {order.code}{f' of {quiet(order.codespace, 32)}' if order.codespace else ''}"


def short_hash(tx_hash: str) -> Text:
    """4F2A…9C1E"""
    shown = tx_hash if len(tx_hash) <= 12 else f"{tx_hash[:4]}…{tx_hash[-4:]}"
    return Code(clean(shown, 16))


def _position_lines(position: PositionView) -> list[Text | str | None]:
    if position.state == "open":
        reduced = position.size != position.max_size
        now = [f"{PROVED} open now  {amount_of(position)}"] if reduced else []
        return [*now, *plan_lines(position)]
    net = position.realized_pnl - position.fees
    return [
        f"{PROVED} closed: {reason_words(position.close_reason)} · "
        f"{numbers.signed_usdc(net)} after fees"
    ]
