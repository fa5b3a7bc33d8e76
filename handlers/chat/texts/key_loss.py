"""An account whose trading key the chain refuses: what is at stake, and the end of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiogram.utils.formatting import Text

from core.trading.views import AccountView, PositionView
from handlers.chat.buttons import MenuButton
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.plans import title
from handlers.chat.texts.screen import LOOK, PROVED, Screen, button, keyboard, lines


def key_lost(
    account: AccountView | None, held: Sequence[PositionView], payload: dict[str, Any]
) -> Screen:
    """Names each open position and its stop: on chain it works on, what is only watched does
    nothing any more.
    """
    verb = "still does not work" if payload.get("told") else "does not work any more"
    return Screen(
        lines(
            f"{LOOK} The trading key of this account {verb}: the chain refuses it.",
            None if account is None else account_line(account),
            "I can neither open nor close nor change anything here. What rests on chain lives on.",
            *(_stake(one) for one in held),
            "No position is open." if not held else None,
            "Connect a new key for the account: strategies and positions stay. On dydx.trade you "
            "can close by yourself."
            if held
            else "Connect a new key for the account: strategies stay.",
        ),
        keyboard(
            [button("Connect a new key", MenuButton(what="connect"))],
            [button("Positions", MenuButton(what="positions"))],
        ),
    )


def _stake(position: PositionView) -> Text:
    size = numbers.size(position.size, position.step_size)
    return Text(title(position), f"  {size}\n  ", _stop(position))


def _stop(position: PositionView) -> str:
    if position.stop_loss is None:
        return f"{LOOK} no stop"
    price = numbers.price(position.stop_loss, position.tick_size)
    if position.stop_on_chain:
        return f"stop {price} rests on chain and works on"
    return f"{LOOK} stop {price} was watched by me: nothing protects this position now"


def key_back(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """The account can sign again."""
    what = (
        "A new trading key signs for this account."
        if payload.get("replaced")
        else "The trading key of this account works again."
    )
    return Screen(
        lines(
            f"{PROVED} {what}",
            None if account is None else account_line(account),
            "Entries, closes and plans are carried out again.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )
