"""Where TradingView's chart and a strategy stand apart, and what may be done about it."""

from __future__ import annotations

from decimal import Decimal

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Text

from core.signals.alert import MarketPosition
from core.trading.drift import way_of
from core.trading.views import ChartView
from handlers.chat.buttons import MenuButton
from handlers.chat.drift_buttons import SyncButton
from handlers.chat.texts import numbers
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    WAITING,
    Screen,
    base_asset,
    button,
    clean,
    keyboard,
    lines,
    market,
    theirs,
)


def held_words(held: Decimal, step: Decimal) -> str:
    """A signed size as a position: long 0.0150, flat."""
    way = way_of(held)
    if way is MarketPosition.FLAT:
        return way.value
    return f"{way.value} {numbers.size(abs(held), step)}"


def chart_words(view: ChartView) -> str:
    """Where the chart stands."""
    if view.size is None or view.position is MarketPosition.FLAT:
        return view.position.value
    return f"{view.position.value} {numbers.plain(view.size)}"


def chart_line(view: ChartView) -> Text:
    """One strategy and market: the chart's word, and what is held."""
    held = held_words(view.held, view.step_size)
    return Text(
        theirs(view.strategy_name, 24),
        " · ",
        market(view.ticker),
        f": TradingView {chart_words(view)}, here {held}",
    )


def sync_button(view: ChartView, nonce: int) -> InlineKeyboardButton:
    """Names what will be: Sync trend-1: BTC long."""
    name = clean(view.strategy_name, 16)
    return button(
        f"Sync {name}: {base_asset(view.ticker)} {view.position.value}",
        SyncButton(action="sync", chart_id=view.id, nonce=nonce),
    )


def drift_found(view: ChartView, nonce: int) -> Screen:
    """A lasting difference."""
    sign = f"{PAPER} " if view.network == "paper" else ""
    return Screen(
        lines(
            Text(f"{LOOK} {sign}", Bold(market(view.ticker)), ": chart and chain stand apart"),
            Text("strategy ", theirs(view.strategy_name, 24)),
            Text(f"TradingView says {chart_words(view)}, since ", numbers.clock_time(view.said_at)),
            f"The strategy holds: {held_words(view.held, view.step_size)}",
            _meaning(view),
        ),
        None
        if view.there
        else keyboard(
            [
                sync_button(view, nonce),
                button("Ignore", SyncButton(action="ignore", chart_id=view.id, nonce=nonce)),
            ]
        ),
    )


def _meaning(view: ChartView) -> str:
    if view.there:
        return "They agree again by now: nothing to do."
    if view.position is MarketPosition.FLAT:
        return "Sync closes what the strategy holds, at market."
    return (
        "Sync trades at market to be where the chart stands, with the strategy's own size, plan "
        "and limits. Until then its next alerts may mean something else than they should."
    )


def syncing(view: ChartView) -> Screen:
    """Sync was pressed."""
    return Screen(
        lines(
            Text(f"{WAITING} ", Bold(market(view.ticker)), f": to be {chart_words(view)}"),
            Text("strategy ", theirs(view.strategy_name, 24)),
            "Asked of the chain; what comes of it is told as it is proved.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


def ignored(view: ChartView) -> Screen:
    """Ignore was pressed."""
    return Screen(
        lines(
            chart_line(view),
            "Left as it is. I say nothing more of it until the two agree again or the chart turns.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )
