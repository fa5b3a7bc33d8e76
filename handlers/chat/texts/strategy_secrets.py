"""The message that holds a strategy's secret, and what stands around it."""

from __future__ import annotations

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Text

from core.trading.views import AlertAnswer, NewSecret, StrategyView
from handlers.chat.buttons import SecretButton, StrategyButton
from handlers.chat.texts.screen import (
    LOOK,
    PROVED,
    REFUSED,
    WAITING,
    Screen,
    button,
    copy_button,
    keyboard,
    lines,
    quiet,
    theirs,
)
from handlers.chat.texts.strategies import outside_line
from handlers.chat.texts.strategy_modes import preset_name, template_block
from handlers.chat.texts.strategy_values import has_size


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
            Text(Bold("Message"), f" · {preset_name(strategy.preset)}"),
            template_block(made.template),
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
            None if has_size(strategy) else "Alerts must name a size until you set one here.",
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
