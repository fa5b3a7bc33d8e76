"""Strategies: the webhook and its secret, defaults and limits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Pre, Text

from core.trading.views import AlertAnswer, NewSecret, StrategyView
from handlers.chat.buttons import (
    CancelButton,
    FieldButton,
    MenuButton,
    SecretButton,
    StrategyButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.screen import (
    LOOK,
    PROVED,
    REFUSED,
    WAITING,
    Screen,
    button,
    clean,
    copy_button,
    keyboard,
    lines,
    quiet,
    theirs,
)

MAX_LISTED: Final = 20


def strategy_list(strategies: Sequence[StrategyView], *, has_account: bool) -> Screen:
    """/strategies"""
    if not strategies:
        return Screen(
            lines(
                "No strategy yet. A strategy is one webhook with its account, size and limits.",
                None if has_account else "Connect an account first.",
            ),
            keyboard(
                [button("New strategy", MenuButton(what="accounts"))]
                if has_account
                else [button("Connect an account", MenuButton(what="connect"))]
            ),
        )
    parts: list[Text | str] = [Bold("Strategies")]
    for strategy in strategies[:MAX_LISTED]:
        parts.append(
            Text(theirs(strategy.name), f" · {strategy.account.network}", _state_words(strategy))
        )
    if len(strategies) > MAX_LISTED:
        parts.append(f"and {len(strategies) - MAX_LISTED} more: /strategy NAME opens one")
    return Screen(
        lines(*parts),
        keyboard(
            *(
                [
                    button(
                        clean(strategy.name, 32),
                        StrategyButton(action="show", strategy_id=strategy.id, nonce=0),
                    )
                ]
                for strategy in strategies[:MAX_LISTED]
            ),
            [button("New strategy", MenuButton(what="accounts"))],
        ),
    )


def _state_words(strategy: StrategyView) -> str:
    if strategy.state == "paused":
        return " · paused"
    return "" if strategy.first_outside_alert_at else " · no alert from outside yet"


def strategy_screen(strategy: StrategyView, nonce: int, problem: str | None) -> Screen:
    """One strategy with its values and buttons. `problem`: why TradingView cannot reach it."""

    def act(label: str, action: str, style: str | None = None) -> InlineKeyboardButton:
        data = StrategyButton.model_validate(
            {"action": action, "strategy_id": strategy.id, "nonce": nonce}
        )
        return button(label, data, style)

    paused = strategy.state == "paused"
    return Screen(
        lines(
            Text(Bold("Strategy "), theirs(strategy.name), " · paused" if paused else ""),
            account_line(strategy.account),
            *values(strategy),
            Text("webhook ", Code(strategy.webhook_url)),
            outside_line(strategy),
            f"{LOOK} {problem}" if problem else None,
        ),
        keyboard(
            [act("Edit", "edit"), act("Resume", "resume") if paused else act("Pause", "pause")],
            [None if paused else act("Send a test alert", "test"), act("New secret…", "rotate")],
            [copy_button("Copy URL", strategy.webhook_url)],
            [act("Delete…", "delete", "danger"), button("All", MenuButton(what="strategies"))],
        ),
    )


def outside_line(strategy: StrategyView) -> Text | str:
    """Whether an alert ever came from outside."""
    if strategy.first_outside_alert_at is None:
        return f"{WAITING} no alert from outside yet"
    return Text(
        f"{PROVED} first alert from outside ", numbers.date_time(strategy.first_outside_alert_at)
    )


def values(strategy: StrategyView) -> list[str]:
    """The defaults and limits of a strategy, a line each."""
    symbols = strategy.allowed_symbols
    shown = "all" if not symbols else quiet(", ".join(symbols), 120)
    return [
        f"size {size_words(strategy)}",
        f"target {_percent_or_none(strategy.take_profit_percent, '+')} · "
        f"stop {_percent_or_none(strategy.stop_loss_percent, numbers.MINUS)}",
        f"largest position {_usd_or_none(strategy.max_position_usd)}",
        f"symbols {shown}",
        f"slippage at most {bps(strategy.slippage_bps)}",
        f"alerts at most {strategy.max_alert_age_s} s old",
    ]


def size_words(strategy: StrategyView) -> str:
    """The default size in words."""
    if strategy.default_size is not None:
        return f"{numbers.plain(strategy.default_size)} of the base asset"
    if strategy.default_size_usd is not None:
        return numbers.usdc(strategy.default_size_usd)
    return "not set: each alert must name one"


def _percent_or_none(value: Decimal | None, sign: str) -> str:
    return "none" if value is None else f"{sign}{numbers.plain(value)} %"


def _usd_or_none(value: Decimal | None) -> str:
    return "not limited" if value is None else numbers.usdc(value)


def bps(value: int) -> str:
    """Basis points as percent."""
    return f"{numbers.plain(Decimal(value) / 100)} %"


def preparing(name: str) -> Screen:
    """Stands where the secret is shown a moment later."""
    return Screen(Text(f"{WAITING} Preparing the webhook of ", theirs(name), "."))


def secret_screen(made: NewSecret, nonce: int, problem: str | None, *, renewed: bool) -> Screen:
    """The one message that shows a secret; the caller has it deleted after 15 minutes."""
    strategy = made.strategy
    return Screen(
        lines(
            Text(
                "Strategy ", theirs(strategy.name), " has a new secret. The old one is refused now."
            )
            if renewed
            else Text("Strategy ", theirs(strategy.name), " is ready."),
            "Paste these into the TradingView alert.",
            "",
            Bold("Webhook URL"),
            Code(strategy.webhook_url),
            "",
            Bold("Message"),
            Pre(made.template, language="json"),
            "",
            "The secret is in the message. I show it this once and delete this in 15 minutes; "
            "/strategies makes a new one.",
            f"{LOOK} {problem}" if problem else None,
            outside_line(strategy),
        ),
        keyboard(
            [
                copy_button("Copy URL", strategy.webhook_url),
                copy_button("Copy message", made.template),
            ],
            [test_button(strategy, nonce)],
            [button("Copied, delete", SecretButton(strategy_id=strategy.id), "success")],
        ),
    )


def test_button(strategy: StrategyView, nonce: int) -> InlineKeyboardButton:
    """Sends an alert from the inside."""
    return button(
        "Send a test alert",
        StrategyButton(action="test", strategy_id=strategy.id, nonce=nonce),
    )


def secret_deleted(strategy: StrategyView) -> Screen:
    """[Copied, delete] was pressed."""
    return Screen(
        lines(
            Text(
                f"{PROVED} The message with the secret of ", theirs(strategy.name), " is deleted."
            ),
            outside_line(strategy),
            None
            if strategy.default_size is not None or strategy.default_size_usd is not None
            else "Alerts must name a size until you set one here.",
        ),
        keyboard(
            [
                button(
                    "Set size, target, stop",
                    StrategyButton(action="edit", strategy_id=strategy.id, nonce=0),
                )
            ]
        ),
    )


def test_sent(strategy: StrategyView, answer: AlertAnswer) -> Screen:
    """What became of a test alert, and what it does not prove."""
    status = str(answer.body.get("status", ""))
    if status == "REJECTED" or not answer.body.get("success", False):
        reason = answer.body.get("reason")
        words = reason.get("text") if isinstance(reason, dict) else reason
        first = (
            f"{REFUSED} The test alert was refused: {quiet(str(words or 'no reason given'), 200)}"
        )
    elif status == "FILLED":
        first = f"{PROVED} The test alert was filled."
    elif status == "ACCEPTED":
        first = f"{PROVED} The node accepted the order of the test alert."
    elif status == "DUPLICATE":
        first = "This test alert was sent already; it acts once."
    else:
        first = f"{WAITING} The test alert is stored; what comes of it shows in its own message."
    return Screen(
        lines(
            first,
            Text(
                "It came from the inside and proves only that. Whether TradingView reaches ",
                theirs(strategy.name),
                " shows when its first alert arrives.",
            ),
        )
    )


def edit_menu(strategy: StrategyView) -> Screen:
    """Which value is to change."""

    def field(label: str, name: str) -> InlineKeyboardButton:
        return button(
            label, FieldButton.model_validate({"field": name, "strategy_id": strategy.id})
        )

    return Screen(
        lines(
            Text("What is to change in ", theirs(strategy.name), "? Alerts that name a value win."),
            *values(strategy),
        ),
        keyboard(
            [field("Size", "size"), field("Max position", "maximum")],
            [field("Target %", "target"), field("Stop %", "stop")],
            [field("Symbols", "symbols"), field("Slippage", "slippage")],
            [
                field("Alert age", "age"),
                button("Done", StrategyButton(action="show", strategy_id=strategy.id, nonce=0)),
            ],
        ),
    )


QUESTIONS: Final[dict[str, str]] = {
    "size": "Send the size of an order: 0.01 for the base asset, or 100 USD. none empties it.",
    "target": "Send the take profit in percent of the entry price, like 3. none empties it.",
    "stop": "Send the stop loss in percent of the entry price, like 2. none empties it.",
    "maximum": "Send the largest position in USD, like 500. none lifts the limit.",
    "symbols": "Send the symbols that may be traded, like BTC-USD, ETH-USD. none allows all.",
    "slippage": "Send the largest slippage of a market order in percent, like 0.5.",
    "age": "Send how many seconds old an alert may be, like 60.",
}


def ask_value(strategy: StrategyView, field: str) -> Screen:
    """Asks for one value."""
    return Screen(
        lines(Text("Strategy ", theirs(strategy.name)), QUESTIONS[field], CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def value_refused(text: str, field: str) -> Screen:
    """The value cannot be used; the question stands."""
    return Screen(
        lines(f"{LOOK} {quiet(text)}", QUESTIONS[field], CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def ask_name() -> Screen:
    """The name of a new strategy."""
    return Screen(
        lines("Send a name for the strategy, like trend-1.", CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def name_refused(text: str) -> Screen:
    """The name cannot be used; the question stands."""
    return Screen(
        lines(f"{LOOK} {quiet(text)}", "Send another name.", CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def confirm_rotate(strategy: StrategyView, nonce: int) -> Screen:
    """Before the secret changes."""
    return Screen(
        Text(
            f"{LOOK} The secret of ",
            theirs(strategy.name),
            " stops working at once: TradingView alerts are refused until you paste the new one.",
        ),
        keyboard(
            [
                button(
                    "Make a new secret",
                    StrategyButton(action="rotate_yes", strategy_id=strategy.id, nonce=nonce),
                    "danger",
                )
            ],
            [
                button(
                    "Keep it",
                    StrategyButton(action="show", strategy_id=strategy.id, nonce=0),
                )
            ],
        ),
    )


def confirm_delete(strategy: StrategyView, nonce: int) -> Screen:
    """Before a strategy is deleted."""
    return Screen(
        Text(
            f"{LOOK} Deleting ",
            theirs(strategy.name),
            " ends its webhook for good. Open positions stay open and watched.",
        ),
        keyboard(
            [
                button(
                    "Delete the strategy",
                    StrategyButton(action="delete_yes", strategy_id=strategy.id, nonce=nonce),
                    "danger",
                )
            ],
            [
                button(
                    "Keep it",
                    StrategyButton(action="show", strategy_id=strategy.id, nonce=0),
                )
            ],
        ),
    )


def deleted(strategy: StrategyView) -> Screen:
    """The strategy is gone."""
    return Screen(
        Text(f"{PROVED} Strategy ", theirs(strategy.name), " is deleted."),
        keyboard([button("All strategies", MenuButton(what="strategies"))]),
    )
