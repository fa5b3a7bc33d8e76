"""Aliases: symbols that a trader gave a meaning."""

from __future__ import annotations

import zlib
from typing import Final

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import Text

from core.trading.views import SignalView, StrategyView
from handlers.chat.buttons import AliasButton, StrategyButton, UnaliasButton
from handlers.chat.texts.screen import PROVED, Screen, button, clean, keyboard, lines, theirs

MAX_SHOWN: Final = 30


def mark_of(symbol: str) -> str:
    """Names a symbol on a button."""
    return f"{zlib.crc32(symbol.encode()):08x}"


def nearest_rows(signal: SignalView) -> list[list[InlineKeyboardButton]]:
    """A button for each ticker that the unknown symbol of a refused alert may mean."""
    if signal.state != "refused" or signal.reason_code != "symbol_unknown":
        return []
    return [
        [
            button(
                f"Next time it means {clean(ticker, 24)}",
                AliasButton(signal_id=signal.id, choice=choice),
            )
        ]
        for choice, ticker in enumerate(signal.nearest[:10])
    ]


def nearest_keyboard(signal: SignalView) -> InlineKeyboardMarkup | None:
    """Under a refused alert whose symbol was not known."""
    return keyboard(*nearest_rows(signal))


def alias_made(strategy: StrategyView, symbol: str, ticker: str) -> Screen:
    """A symbol has a meaning from now on."""
    return Screen(
        lines(
            Text(
                f"{PROVED} In alerts of ",
                theirs(strategy.name),
                " the symbol ",
                theirs(symbol, 32),
                " means ",
                theirs(ticker, 32),
                " from now on.",
            ),
            "Their sizes and prices are taken for that market. This alert stays refused: nothing "
            "was traded.",
        ),
        keyboard([_back(strategy, "Aliases", "aliases")]),
    )


def alias_list(strategy: StrategyView) -> Screen:
    """The aliases of a strategy, each with a button that removes it."""
    if not strategy.aliases:
        return Screen(
            lines(
                Text("Strategy ", theirs(strategy.name), " has no alias."),
                "When an alert names a symbol that I do not know, its message has a button for "
                "each market that it may mean.",
            ),
            keyboard([_back(strategy, "Back", "alerts")]),
        )
    shown = strategy.aliases[:MAX_SHOWN]
    return Screen(
        lines(
            Text("Aliases of ", theirs(strategy.name)),
            *(Text(theirs(symbol, 32), " → ", theirs(ticker, 32)) for symbol, ticker in shown),
            "An alert that names a removed symbol is refused, also one that is to close.",
        ),
        keyboard(
            *(
                [
                    button(
                        f"Remove {clean(symbol, 32)}",
                        UnaliasButton(strategy_id=strategy.id, mark=mark_of(symbol)),
                    )
                ]
                for symbol, _ in shown
            ),
            [_back(strategy, "Back", "alerts")],
        ),
    )


def _back(strategy: StrategyView, label: str, action: str) -> InlineKeyboardButton:
    data = {"action": action, "strategy_id": strategy.id, "nonce": 0}
    return button(label, StrategyButton.model_validate(data))
