"""Strategies: the list, one of them, its name and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Text

from core.trading.views import Holding, LastAlert, StrategyResult, StrategyView
from handlers.chat.buttons import (
    CancelButton,
    MenuButton,
    ModeButton,
    RiskButton,
    StrategyButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.screen import (
    LOOK,
    PROVED,
    WAITING,
    Screen,
    button,
    clean,
    copy_button,
    keyboard,
    lines,
    market,
    quiet,
    theirs,
    word,
)
from handlers.chat.texts.strategy_modes import MODES, mode_of, preset_name
from handlers.chat.texts.strategy_values import values

MAX_LISTED: Final = 20
OUTCOMES: Final = {
    "stored": "waits for its turn",
    "asking": "waits for your word",
    "executed": "executed",
    "refused": "refused",
    "missed": "missed",
    "shadow": "shadow: nothing was sent",
    "mock": "mock: nothing was sent",
}


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
    mode = mode_of(strategy)
    if mode != "live":
        return f" · {mode}"
    return "" if strategy.first_outside_alert_at else " · no alert from outside yet"


def strategy_screen(
    strategy: StrategyView,
    nonce: int,
    problem: str | None,
    result: StrategyResult | None = None,
) -> Screen:
    """One strategy with its values and buttons. `problem`: why TradingView cannot reach it."""

    def act(label: str, action: str, style: str | None = None) -> InlineKeyboardButton:
        data = StrategyButton.model_validate(
            {"action": action, "strategy_id": strategy.id, "nonce": nonce}
        )
        return button(label, data, style)

    mode = mode_of(strategy)
    paused = mode == "paused"
    sync = " · sync" if strategy.sync else ""
    return Screen(
        lines(
            Text(Bold("Strategy "), theirs(strategy.name)),
            account_line(strategy.account),
            Text(Bold(mode), f": {MODES[mode]}"),
            *last_alert_lines(strategy.last_alert),
            *holding_lines(strategy.holdings),
            None if result is None else _result_line(result),
            "",
            *values(strategy),
            f"format {preset_name(strategy.preset)}{sync}",
            "",
            Text("webhook ", Code(strategy.webhook_url)),
            outside_line(strategy) if strategy.last_alert is None else None,
            f"{LOOK} {problem}" if problem else None,
        ),
        keyboard(
            [
                act("Mode", "modes"),
                button("Resume", ModeButton(mode=strategy.mode, strategy_id=strategy.id))
                if paused
                else button("Pause", ModeButton(mode="paused", strategy_id=strategy.id)),
            ],
            [act("Edit", "edit"), act("Alerts", "alerts")],
            [
                button("Limits", RiskButton(do="show", kind="strategy", ref=strategy.id)),
                act("Move…", "move"),
            ],
            [None if paused else act("Send a test alert", "test")],
            [copy_button("Copy URL", strategy.webhook_url), act("New secret…", "rotate")],
            [act("Delete…", "delete", "danger"), button("All", MenuButton(what="strategies"))],
        ),
    )


def last_alert_lines(alert: LastAlert | None) -> list[Text | str]:
    """The latest alert from outside, and what came of it."""
    if alert is None:
        return []
    what = Text(market(alert.symbol), f" {word(alert.action)}")
    came = OUTCOMES.get(alert.state, quiet(alert.state, 16))
    why = f": {quiet(alert.reason_text, 120)}" if alert.reason_text else ""
    return [Text("last alert ", numbers.date_time(alert.at), ": ", what, f" · {came}{why}")]


def holding_lines(holdings: Sequence[Holding]) -> list[Text | str]:
    """What the strategy holds, a line per market."""
    return [
        Text("holds ", market(one.ticker), f" {one.side} {numbers.plain(one.size)}")
        for one in holdings[:MAX_LISTED]
    ]


def _result_line(result: StrategyResult) -> str | None:
    """What the strategy won or lost; nothing before its first trade."""
    if not result.closed and not result.fees and not result.open:
        return None
    open_now = f" · open {numbers.signed(result.open)}" if result.open else ""
    return (
        f"today {numbers.signed(result.today)} · closed {numbers.signed(result.closed)}{open_now} "
        "USDC after fees"
    )


def outside_line(strategy: StrategyView) -> Text | str:
    """Whether an alert ever came from outside."""
    if strategy.first_outside_alert_at is None:
        return f"{WAITING} no alert from outside yet"
    return Text(
        f"{PROVED} first alert from outside ", numbers.date_time(strategy.first_outside_alert_at)
    )


def strategy_silent(strategy: StrategyView, payload: dict[str, Any]) -> Screen:
    """No alert came for as long as the trader set."""
    hours = int(payload["hours"])
    return Screen(
        lines(
            Text(f"{LOOK} ", theirs(strategy.name), f": no alert for {hours} h"),
            *last_alert_lines(strategy.last_alert),
            "Look whether the alert still runs in TradingView; it stops alerts that end or fire "
            "too often. I tell you once until the next alert.",
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
