"""What stands between a trader and the network: a stream that is down, an account refused."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from aiogram.utils.formatting import Bold, Text

from core.trading.views import AccountView
from handlers.chat.buttons import MenuButton
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.screen import LOOK, PROVED, REFUSED, Screen, button, keyboard, lines, word

_STANDINGS: Final = {
    "served": (PROVED, "dYdX serves this account again."),
    "close_only": (LOOK, "dYdX lets this account only close positions. Nothing new is opened."),
    "geoblocked": (
        REFUSED,
        "dYdX refuses the place from which I ask. Nothing new is opened; orders on chain live on.",
    ),
    "compliance_blocked": (
        REFUSED,
        "dYdX does not serve this address. Nothing new is opened; orders on chain live on.",
    ),
}
_NOTICES: Final = {
    "stream_down": "the stream is down; I try on every 16 seconds",
    "stream_up": "the stream is back",
    "all_blocked": "dYdX refuses every account: it is this server's place, not one address",
    "orders_unknown": "the fate of orders has been unknown for more than a minute",
}


def _since(payload: dict[str, Any]) -> Text:
    return numbers.clock_time(dt.datetime.fromisoformat(str(payload["since"])))


def news_missing(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """The stream of an account is down."""
    return Screen(
        lines(
            f"{LOOK} The stream of this account is down, and I keep trying.",
            None if account is None else account_line(account),
            Text("no live news since ", _since(payload)),
            "Stops and targets on chain work on their own. I read fills by request meanwhile, "
            "so messages come later, and I open nothing on old data.",
        ),
        keyboard([button("Status", MenuButton(what="status"))]),
    )


def news_back(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """The stream of an account delivers again."""
    return Screen(
        lines(
            f"{PROVED} The stream of this account is back.",
            None if account is None else account_line(account),
            Text("it was down since ", _since(payload), "; what was missed was read."),
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


def account_unseen(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """An order may fill, and nobody tells what the account holds."""
    return Screen(
        lines(
            f"{LOOK} Nobody tells me what this account holds, and an order of it may fill.",
            None if account is None else account_line(account),
            Text("neither stream nor indexer nor node answers since ", _since(payload)),
            "What fills now has no stop before one of them answers; I keep asking. "
            "Look at it on dydx.trade.",
        ),
        keyboard([button("Status", MenuButton(what="status"))]),
    )


def account_standing(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """What dYdX lets an account do."""
    sign, text = _STANDINGS.get(str(payload["standing"]), (LOOK, "dYdX's answer is not known."))
    return Screen(lines(f"{sign} {text}", None if account is None else account_line(account)))


def operator_notice(payload: dict[str, Any]) -> Screen:
    """One line for the operator."""
    what = _NOTICES.get(str(payload["what"]), "something is wrong")
    return Screen(
        lines(
            Text(f"{LOOK} ", Bold(word(str(payload["network"]))), f": {what}"),
            Text(f"{int(payload['accounts'])} account(s), since ", _since(payload)),
        ),
        keyboard([button("Status", MenuButton(what="status"))]),
    )
