"""What was made by hand, and what the chain did by itself: positions, orders, shares, the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import Bold, Text

from core.trading.views import (
    AccountView,
    Adopter,
    Cover,
    ExternalOrderView,
    PositionView,
    StrategyView,
)
from handlers.chat.buttons import MenuButton, PositionButton
from handlers.chat.external_buttons import AdoptButton
from handlers.chat.texts import numbers
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.plans import has_plan, title
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROTECTED,
    PROVED,
    Screen,
    base_asset,
    button,
    keyboard,
    lines,
    market,
    quiet,
    theirs,
)

FORCED: Final = "💥"
MAX_ADOPTERS: Final = 10
MAX_ORDERS: Final = 10
NONE_TO_ADOPT: Final = "This account has no strategy that could adopt it."


# a position


def hand_part(position: PositionView) -> Decimal:
    """The signed part of an open position that was made by hand."""
    for share in position.shares:
        if share.strategy_id is None:
            return share.size
    return Decimal(0)


def share_lines(position: PositionView) -> list[Text | str]:
    """Who holds what of a position, where that is not one strategy alone."""
    if position.external and len(position.shares) <= 1:
        return ["made by hand, outside the bot: it closes only what its plan says"]
    if len(position.shares) <= 1:
        return []
    return [
        Text(
            "by hand" if share.name is None else theirs(share.name),
            f"  {_signed(share.size, position.step_size)}",
        )
        for share in position.shares
    ]


def _signed(value: Decimal, step: Decimal) -> str:
    sign = numbers.MINUS if value < 0 else "+"
    return f"{sign}{numbers.size(abs(value), step)}"


def cost_line(position: PositionView) -> str | None:
    """Fees and funding so far; None while there are none."""
    parts = []
    if position.fees:
        parts.append(f"fees {numbers.signed(-position.fees)}")
    if position.funding:
        parts.append(f"funding {numbers.signed(position.funding)}")
    return " · ".join(parts) or None


def cover_lines(position: PositionView) -> list[str]:
    """What of a position each order of its plan closes, as it rests on chain now."""
    if position.state != "open":
        return []
    whole = numbers.size(position.size, position.step_size)
    stops = [cover for cover in position.covers if cover.purpose == "stop_loss"]
    found = [_cover_line(position, cover, whole) for cover in stops if not cover.leaving]
    if not found:
        if position.stop_loss is None:
            return ["There is no stop: nothing limits its loss."]
        price = numbers.price(position.stop_loss, position.tick_size)
        return [f"No stop rests on chain for it just now; I watch {price} myself."]
    if position.stop_loss is not None and all(cover.size < position.size for cover in stops):
        found.append("I bring the stop in line with the whole of it.")
    return found


def _cover_line(position: PositionView, cover: Cover, whole: str) -> str:
    price = numbers.price(cover.price, position.tick_size)
    if cover.size >= position.size:
        return f"{PROTECTED} The stop at {price} on chain covers all of it."
    part = numbers.size(cover.size, position.step_size)
    return f"{LOOK} The stop at {price} on chain covers {part} of {whole}."


def hand_buttons(position: PositionView) -> list[InlineKeyboardButton | None]:
    """[Protect] where a position has no plan, [Adopt into …] where a part was made by hand."""
    protect = None
    if position.external and not has_plan(position):
        protect = button(f"{PROTECTED} Protect…", _act(position, "adjust"))
    return [protect, adopt_button(position)]


def adopt_button(position: PositionView) -> InlineKeyboardButton | None:
    """Gives what was made by hand to a strategy; None where nothing was."""
    if position.state != "open" or not hand_part(position):
        return None
    return button(
        "Adopt into…",
        AdoptButton(step="ask", position_id=position.id, version=position.version),
    )


def _act(position: PositionView, action: Any) -> PositionButton:
    return PositionButton(
        action=action, position_id=position.id, version=position.version, nonce=0, card=False
    )


def external_keyboard(position: PositionView, *, card: bool) -> InlineKeyboardMarkup | None:
    """The buttons of a position that was made by hand: the bot does not close it."""
    adjust = button("Adjust", _act(position, "adjust")) if has_plan(position) else None
    again = PositionButton(
        action="show", position_id=position.id, version=position.version, nonce=0, card=card
    )
    return keyboard([*hand_buttons(position)], [adjust, button("↻ Refresh", again)])


# adopting


def ask_adopter(position: PositionView, adopters: Sequence[Adopter]) -> Screen:
    """Which strategy shall have it."""
    part = numbers.size(abs(hand_part(position)), position.step_size)
    choices = [
        [
            button(
                f"Adopt into {quiet(adopter.name, 32)}",
                AdoptButton(
                    step="choose",
                    position_id=position.id,
                    version=position.version,
                    strategy_id=adopter.strategy_id,
                ),
            )
        ]
        for adopter in adopters[:MAX_ADOPTERS]
    ]
    return Screen(
        lines(
            title(position),
            f"{part} {base_asset(position.ticker)} of it was made by hand.",
            "The strategy that adopts it closes and protects it as its own; its alerts mean it "
            "from then on. Nothing is traded now."
            if adopters
            else NONE_TO_ADOPT,
        ),
        keyboard(*choices, [button("Leave it", _act(position, "show"))]),
    )


def confirm_adoption(position: PositionView, strategy: StrategyView) -> Screen:
    """What adopting would mean, to be confirmed."""
    part = numbers.size(abs(hand_part(position)), position.step_size)
    return Screen(
        lines(
            title(position),
            Text(
                f"{part} {base_asset(position.ticker)} becomes ",
                theirs(strategy.name),
                "'s. Its plan, from the entry:",
            ),
            *_strategy_plan(strategy, position),
        ),
        keyboard(
            [
                button(
                    "Adopt it",
                    AdoptButton(
                        step="sure",
                        position_id=position.id,
                        version=position.version,
                        strategy_id=strategy.id,
                    ),
                    "success",
                )
            ],
            [button("Leave it", _act(position, "show"))],
        ),
    )


def _strategy_plan(strategy: StrategyView, position: PositionView) -> list[str]:
    found = []
    if strategy.stop_loss_percent is not None:
        found.append(f"stop {numbers.plain(strategy.stop_loss_percent)} % away")
    elif position.stop_loss is None:
        found.append(f"{LOOK} no stop: nothing limits the loss")
    for target in strategy.take_profits:
        if target.level.percent is not None:
            part = "" if target.fraction is None else f", {_percent(target.fraction)} of it"
            found.append(f"target {numbers.plain(target.level.percent)} % away{part}")
    if strategy.trailing is not None:
        found.append("a trailing stop")
    if strategy.break_even is not None:
        found.append("break-even")
    if not found or (len(found) == 1 and has_plan(position)):
        found.append("The plan that it has stays." if has_plan(position) else "no target")
    return found


def _percent(fraction: Decimal) -> str:
    return f"{numbers.plain((fraction * 100).normalize())} %"


def adopted(position: PositionView, name: str) -> Text:
    """It is done."""
    return Text(f"{PROVED} Adopted into ", theirs(name), ". ", title(position))


# what is told


def position_by_hand(
    position: PositionView, change: str, buttons: InlineKeyboardMarkup | None
) -> Screen:
    """A fill that the bot did not order changed a position: what it is now, and what covers it."""
    amount = Decimal(change)
    rest: list[Text | str] = ["The position is closed now; its plan is over."]
    if position.state == "open":
        rest = [
            f"Open now: {numbers.size(position.size, position.step_size)} "
            f"{base_asset(position.ticker)}.",
            *share_lines(position),
            *cover_lines(position),
        ]
    return Screen(
        lines(
            Text(
                f"{LOOK} ",
                title(position),
                f" changed outside the bot: {_signed(amount, position.step_size)}",
            ),
            *rest,
        ),
        buttons,
    )


def position_left(position: PositionView) -> Screen:
    """What a hand added is all that is left of a position."""
    if position.state != "open":
        return Screen(lines(Text(title(position), ": what was left of it is closed too.")))
    return Screen(
        lines(
            Text(f"{LOOK} ", title(position), ": the part of your strategy is closed"),
            f"{numbers.size(position.size, position.step_size)} {base_asset(position.ticker)} that "
            "was made by hand stays open. I do not close what I did not open.",
            None if has_plan(position) else "It has no stop and no target.",
        ),
        external_keyboard(position, card=False) if position.external else None,
    )


def position_forced(
    position: PositionView, what: str, buttons: InlineKeyboardMarkup | None
) -> Screen:
    """The chain took a part of a position."""
    word, why = FORCED_WORDS.get(what, FORCED_WORDS["liquidated"])
    rest = "It is closed now."
    if position.state == "open":
        left = numbers.size(position.size, position.step_size)
        rest = f"Open now: {left} {base_asset(position.ticker)}."
    return Screen(
        lines(
            Text(f"{FORCED} ", title(position), f": {word}"),
            why,
            rest,
            *cover_lines(position),
        ),
        buttons,
    )


FORCED_WORDS: Final = {
    "liquidated": (
        "partly liquidated by dYdX",
        "The account's equity fell below its maintenance margin. dYdX closes positions until it is "
        "above again and takes a penalty, which is in the fees.",
    ),
    "deleveraged": (
        "partly deleveraged by dYdX",
        "dYdX closed it against an account that was bankrupt, at that account's bankruptcy price. "
        "No order of yours or of mine did that.",
    ),
}


def shares_differ(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """Shares and chain do not agree."""
    return Screen(
        lines(
            Text(f"{LOOK} ", Bold(market(str(payload["ticker"]))), ": the shares do not add up"),
            None if account is None else account_line(account),
            f"on chain {numbers.plain(Decimal(str(payload['chain_size'])))} · strategies and by "
            f"hand together {numbers.plain(Decimal(str(payload['shares_size'])))}",
            "The chain is right. Closes of one strategy may be of the wrong size until this is "
            "cleared: close the position as a whole to begin anew.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


def balance_differs(account: AccountView | None, payload: dict[str, Any]) -> Screen:
    """Money and books do not agree."""
    chain, booked = (Decimal(str(payload[f"{side}_change"])) for side in ("chain", "booked"))
    since = dt.datetime.fromisoformat(str(payload["since"]))
    return Screen(
        lines(
            f"{LOOK} The balance and my books differ by {numbers.signed_usdc(chain - booked)}",
            None if account is None else account_line(account),
            Text("Since ", numbers.date_time(since), ", transfers left out:"),
            f"balance {numbers.signed_usdc(chain)} · fills, fees and funding "
            f"{numbers.signed_usdc(booked)}",
            "The balance is right: results that I show may be off by that much. No order depends "
            "on it.",
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


# orders


def order_lines(rows: Sequence[ExternalOrderView]) -> list[Text | str]:
    """The orders that were made by hand, below those of the bot."""
    if not rows:
        return []
    found: list[Text | str] = ["", Bold("Made by hand"), "I never cancel or replace these."]
    for row in rows[:MAX_ORDERS]:
        amount = "" if row.size is None else f" {numbers.size(row.size, None)}"
        at = row.price if row.trigger_price is None else row.trigger_price
        found.append(
            Text(
                f"{PAPER} " if row.network == "paper" else "",
                market(row.ticker),
                f"  {quiet(row.side, 8)}{amount} · {quiet(row.kind, 24)}",
                "" if at is None else f" {numbers.price(at, None)}",
                " · only reduces" if row.reduce_only else "",
            )
        )
    if len(rows) > MAX_ORDERS:
        found.append(f"and {len(rows) - MAX_ORDERS} more")
    return found
