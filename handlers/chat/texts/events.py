"""New messages: what ends a trade, moves money unexpectedly or needs a look."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from aiogram.utils.formatting import Bold, Code, Text

from core.trading.views import (
    AccountView,
    IntentView,
    OrderView,
    PositionView,
    SignalView,
    StrategyView,
    TraderView,
)
from handlers.chat.buttons import AccessButton, MenuButton, PositionButton, StrategyButton
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.limits import refusal_keyboard
from handlers.chat.texts.plans import title
from handlers.chat.texts.positions import closed_lines, position_keyboard, reason_words
from handlers.chat.texts.screen import (
    LOOK,
    MOCK,
    PAPER,
    PROVED,
    REFUSED,
    UNKNOWN,
    WAITING,
    Screen,
    button,
    keyboard,
    lines,
    market,
    quiet,
    theirs,
    word,
)
from handlers.chat.texts.signals import ask_keyboard
from handlers.chat.texts.strategy_aliases import nearest_keyboard

BIG_WIN_PERCENT: Final = Decimal(5)


def result_sign(position: PositionView) -> str:
    """One sign for how a trade ended, after fees."""
    if position.close_reason in ("liquidated", "deleveraged"):
        return "💥"
    if position.close_reason == "stop_loss":
        return "🧯"
    net = position.realized_pnl - position.fees + position.funding
    invested = position.entry_price * position.max_size
    if net <= 0:
        return "🔻"
    return "🚀" if invested and net / invested * 100 >= BIG_WIN_PERCENT else "✳️"


def position_closed(position: PositionView) -> Screen:
    """A position is flat."""
    return Screen(
        lines(
            Text(
                f"{result_sign(position)} ",
                title(position),
                f" closed: {reason_words(position.close_reason)}",
            ),
            *closed_lines(position),
        )
    )


def _signal_title(signal: SignalView) -> Text:
    sign = f"{PAPER} " if signal.network == "paper" else ""
    return Text(sign, Bold(market(signal.symbol), " ", word(signal.action)))


def signal_refused(signal: SignalView) -> Screen:
    """An alert was not carried out."""
    reason = signal.reason_text or "no reason given"
    return Screen(
        lines(
            Text(
                f"{REFUSED} ",
                _signal_title(signal),
                f" refused: {quiet(reason)}",
            ),
            None if "othing was" in reason else "Nothing was traded.",
        ),
        refusal_keyboard(signal.reason_code) or nearest_keyboard(signal),
    )


def signal_missed(signal: SignalView, held: PositionView | None, nonce: int) -> Screen:
    """An alert came too late. `held`: what is open in its market, to be closed by hand if the alert
    was to close it.
    """
    return Screen(
        lines(
            Text(
                f"{LOOK} Missed: ",
                _signal_title(signal),
                " of ",
                numbers.clock_time(signal.received_at),
            ),
            quiet(signal.reason_text or "It came too late to act on."),
            "Nothing was traded."
            if held is None
            else Text(
                "Nothing was traded. Still open: ",
                title(held),
                f" {numbers.size(held.size, held.step_size)}",
            ),
        ),
        ask_keyboard(signal) if held is None else position_keyboard(held, nonce, card=False),
    )


def signal_asks(signal: SignalView) -> Screen:
    """A signal waits for its trader's word."""
    until = signal.asked_until
    return Screen(
        lines(
            Text(f"{WAITING} ", _signal_title(signal), " waits for your word"),
            quiet(signal.reason_text or "") or None,
            None if until is None else Text("Until ", numbers.clock_time(until), "."),
        ),
        ask_keyboard(signal),
    )


def signal_mocked(signal: SignalView) -> Screen:
    """No node could be reached; what would have been sent is only noted."""
    return Screen(
        lines(
            Text(f"{MOCK} ", _signal_title(signal), ": a mock order"),
            "No node of dYdX was reached and no byte of the order left. Nothing was traded.",
            quiet(signal.reason_text or "") or None,
        ),
        ask_keyboard(signal),
    )


def _show(position_id: int) -> PositionButton:
    return PositionButton(action="show", position_id=position_id, version=0, nonce=0, card=False)


def order_unknown(order: OrderView, network: str | None) -> Screen:
    """Nobody knows yet whether an order lives."""
    return Screen(
        lines(
            Text(
                f"{UNKNOWN} {PAPER + ' ' if network == 'paper' else ''}",
                Bold(market(order.ticker), f" {order.side}"),
                ": no answer from the node after sending",
            ),
            "It may or may not be live. I am checking the chain and will not send it again until I "
            "know; that takes up to 20 s.",
        )
    )


def order_unfilled(order: OrderView, network: str | None) -> Screen:
    """An order is dead without a fill, or with a part only."""
    sign = f"{PAPER} " if network == "paper" else ""
    head = Text(f"{LOOK} {sign}", Bold(market(order.ticker), f" {order.side}"))
    if order.filled_size == 0:
        return Screen(
            lines(
                Text(head, ": not filled"),
                _why_unfilled(order),
                "The position and its plan are as before." if order.reduce_only else None,
            ),
            keyboard([button("Positions", MenuButton(what="positions"))]),
        )
    return Screen(
        lines(
            Text(head, ": filled in part"),
            f"{numbers.plain(order.filled_size)} of {numbers.plain(order.size)} was traded; the "
            "rest is canceled and nothing more of it can trade.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


def _why_unfilled(order: OrderView) -> str:
    """What is known of an order that ended without a fill: its end is proved, its cause is not."""
    if order.state == "expired":
        return (
            "Nothing was traded: no node confirmed the order, the chain is past its last block "
            "and shows no fill. It cannot trade any more."
        )
    if order.kind == "post_only":
        return (
            "Nothing was traded: the book had a match at "
            f"{numbers.plain(order.limit_price)} already and a post-only order takes none, or the "
            "free collateral was too small."
        )
    return (
        "Nothing was traded: the book had nothing within its worst price of "
        f"{numbers.plain(order.limit_price)}, or the free collateral was too small."
    )


def protection_failing(position: PositionView, attempts: int, nonce: int) -> Screen:
    """The price of the plan was met and the position is still open; `attempts` that are over."""
    tried = {0: "", 1: "Tried once. "}.get(attempts, f"Tried {attempts} times. ")
    what = "closing failed" if attempts else "it is not closed yet"
    return Screen(
        lines(
            Text(f"{LOOK} ", title(position), f": the plan's price was met, but {what}"),
            f"{tried}{numbers.size(position.size, position.step_size)} is still open and "
            "its loss or gain goes on. I keep trying.",
        ),
        position_keyboard(position, nonce, card=False),
    )


def intent_refused(intent: IntentView) -> Screen:
    """What a button asked for could not be done."""
    sign = f"{PAPER} " if intent.network == "paper" else ""
    what = "Closing " if intent.kind in ("close", "reduce") else "Your order in "
    return Screen(
        lines(
            Text(f"{REFUSED} {sign}{what}", Bold(market(intent.ticker)), " was not done"),
            quiet(intent.text or "No reason was given."),
            "Nothing was traded by it.",
        ),
        keyboard(
            [
                button("Open the position", _show(intent.position_id))
                if intent.position_id is not None
                else button("Positions", MenuButton(what="positions"))
            ]
        ),
    )


def alert_unreadable(strategy: StrategyView, payload: dict[str, Any]) -> Screen:
    """Alerts reached the webhook and were not understood; secrets in the excerpt are masked."""
    count = int(payload.get("count") or 1)
    first = (
        "An alert reached the webhook of "
        if count == 1
        else f"{count} alerts reached the webhook of "
    )
    where = [
        f"{name} {payload[name]}" for name in ("line", "column") if payload.get(name) is not None
    ]
    field = payload.get("field")
    excerpt = str(payload.get("excerpt") or "")
    cure = payload.get("cure")
    return Screen(
        lines(
            Text(f"{REFUSED} {first}", theirs(strategy.name), " but could not be used"),
            quiet(str(payload.get("text") or "")),
            ", ".join(where) or None,
            Text("field ", theirs(str(field))) if field else None,
            theirs(excerpt, 300) if excerpt else None,
            f"What to do: {quiet(str(cure))}" if cure else None,
            "Nothing was traded.",
        ),
        keyboard(
            [
                button(
                    "Open the strategy",
                    StrategyButton(action="show", strategy_id=strategy.id, nonce=0),
                )
            ]
        ),
    )


def access_asked(asker: TraderView) -> Screen:
    """Somebody waits for an admin."""
    return Screen(
        lines(
            Text(theirs(asker.name), " asks to be let in."),
            Text("Telegram id ", Code(str(asker.telegram_id))),
        ),
        keyboard(
            [
                button("Approve", AccessButton(asker_id=asker.id, granted=True), "success"),
                button("Decline", AccessButton(asker_id=asker.id, granted=False), "danger"),
            ]
        )
        if asker.role == "pending"
        else None,
    )


def access_settled(asker: TraderView) -> Screen:
    """The answer that an admin gave."""
    word = "was let in" if asker.role in ("trader", "admin") else "was declined"
    return Screen(
        lines(
            Text(theirs(asker.name), f" {word}."),
            Text("Telegram id ", Code(str(asker.telegram_id))),
        )
    )


def access_answered(*, granted: bool) -> Screen:
    """What the one who asked is told."""
    if granted:
        return Screen(lines(f"{PROVED} You were let in.", "/start begins."))
    return Screen(Text("The operator declined. You cannot trade with this bot."))


def mismatch_found(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """Chain and ledger differ."""
    ticker = str(payload["ticker"])
    return Screen(
        lines(
            Text(f"{LOOK} ", Bold(market(ticker)), ": the chain and I do not agree"),
            None if account is None else account_line(account),
            f"on chain {numbers.plain(Decimal(str(payload['chain_size'])))} · in my books "
            f"{numbers.plain(Decimal(str(payload['ledger_size'])))}",
            "The chain is right. Until this is cleared the plan may not cover the real position: "
            "look at it on dydx.trade.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


def digest(summaries: Sequence[Text | str], left_out: int) -> Screen:
    """Many small messages as one."""
    return Screen(
        lines(
            Bold(f"{len(summaries) + left_out} messages while I could not reach you"),
            *summaries,
            f"and {left_out} more of the same kind" if left_out else None,
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )
