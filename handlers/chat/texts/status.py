"""/status: what works right now."""

from __future__ import annotations

import datetime as dt
from typing import Final

from aiogram.utils.formatting import Bold, Text

from core.trading.views import NetworkView, StatusView
from handlers.chat.buttons import MenuButton
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import MAX_LISTED, account_line, funds, key_trouble
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROVED,
    UNKNOWN,
    Screen,
    button,
    keyboard,
    lines,
)

_PRICES: Final = {
    "mainnet": "paper prices follow dYdX's mainnet",
    "walk": f"{LOOK} paper prices walk on their own: they follow no market",
    "still": f"{LOOK} paper prices stand still: they follow no market",
}


def status_screen(status: StatusView, now: dt.datetime) -> Screen:
    """Networks, accounts and what is under way."""
    parts: list[Text | str | None] = [
        Text(Bold("Status"), " · updated ", numbers.clock_time(now)),
        *(network_line(network) for network in status.networks),
        "",
    ]
    for account in status.accounts[:MAX_LISTED]:
        parts += [
            account_line(account),
            None if account.equity is None else funds(account),
            *key_trouble(account),
        ]
    parts += [
        f"open positions {status.open_positions} · alerts waiting {status.waiting_signals}",
        f"{UNKNOWN} orders being proved: {status.unknown_orders}"
        if status.unknown_orders
        else None,
        Text("running since ", numbers.date_time(status.started_at)),
    ]
    return Screen(
        lines(*parts),
        keyboard(
            [
                button("Positions", MenuButton(what="positions")),
                button("↻ Refresh", MenuButton(what="status")),
            ]
        ),
    )


def network_line(network: NetworkView) -> str:
    """Whether a network can be traded, else what is wrong with it and what that means."""
    name = f"{PAPER} paper" if network.name == "paper" else network.name
    faults = [
        words
        for fine, words in (
            (network.node_reachable, "no node answers: nothing can be sent"),
            (network.stream_fresh, "updates are late: fills show up later"),
            (network.prices_fresh, "prices are old: plans cannot be watched"),
        )
        if not fine
    ]
    if faults:
        return f"{LOOK} {name}: {'; '.join(faults)}"
    height = "" if network.height is None else f" · block {network.height:,}"
    prices = _PRICES.get(network.paper_prices or "")
    return f"{PROVED} {name}{height}" + (f"\n{prices}" if prices else "")
