"""Moving a strategy to another account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiogram.utils.formatting import Text

from core.trading.views import AccountView, StrategyView
from handlers.chat.buttons import MenuButton, MoveButton, StrategyButton
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.screen import (
    LOOK,
    PROVED,
    Screen,
    button,
    keyboard,
    lines,
    short_address,
    theirs,
)

MAX_LISTED: Final = 20


def ask_account(strategy: StrategyView, accounts: Sequence[AccountView]) -> Screen:
    """Where a strategy is to trade."""
    back = button("Back", StrategyButton(action="show", strategy_id=strategy.id, nonce=0))
    others = [one for one in accounts if one.id != strategy.account.id][:MAX_LISTED]
    if not others:
        return Screen(
            lines(
                Text(theirs(strategy.name), " trades on your only account."),
                "Connect another one; then the strategy can be moved there.",
            ),
            keyboard([button("Connect another account", MenuButton(what="connect"))], [back]),
        )
    return Screen(
        lines(
            Text("Where is ", theirs(strategy.name), " to trade? Now:"),
            account_line(strategy.account),
            "Webhook, secret and values stay. It can be moved only while it holds nothing and "
            "nothing of it is under way.",
        ),
        keyboard(
            *(
                [
                    button(
                        f"{one.network} · {short_address(one.address)} · {one.subaccount_number}",
                        MoveButton(strategy_id=strategy.id, account_id=one.id, sure=False),
                    )
                ]
                for one in others
            ),
            [back],
        ),
    )


def confirm_move(strategy: StrategyView, account: AccountView) -> Screen:
    """Before a strategy trades elsewhere."""
    return Screen(
        lines(
            Text(f"{LOOK} The next alert of ", theirs(strategy.name), " trades here:"),
            account_line(account),
            "That is real money." if account.network == "mainnet" else None,
            "TradingView needs no change.",
        ),
        keyboard(
            [
                button(
                    "Move it",
                    MoveButton(strategy_id=strategy.id, account_id=account.id, sure=True),
                    "danger" if account.network == "mainnet" else None,
                )
            ],
            [button("Leave it", StrategyButton(action="show", strategy_id=strategy.id, nonce=0))],
        ),
    )


def moved(strategy: StrategyView) -> Screen:
    """A strategy trades elsewhere now."""
    return Screen(
        lines(
            Text(f"{PROVED} ", theirs(strategy.name), " trades here from now on:"),
            account_line(strategy.account),
            "Webhook and secret are the same.",
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
