"""Panic and "close all": the question, the progress with its proofs, the end."""

from __future__ import annotations

from collections.abc import Sequence

from aiogram.types import InlineKeyboardMarkup
from aiogram.utils.formatting import Bold, Text

from core.trading.risk.views import Found, PanicAccountView, PanicPreview, PanicView
from handlers.chat.buttons import MenuButton, PanicButton, RiskButton
from handlers.chat.texts import numbers
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROVED,
    WAITING,
    Screen,
    button,
    keyboard,
    lines,
    market,
    quiet,
    short_address,
)

MAX_SHOWN = 12


def count(number: int, one: str, many: str | None = None) -> str:
    """1 order, 2 orders."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def confirm(preview: PanicPreview, nonce: int, *, admin: bool) -> Screen:
    """What a panic will do, to be confirmed once."""
    return Screen(
        lines(
            Text(f"{LOOK} ", Bold("Panic"), f" on {count(preview.accounts, 'account')}:"),
            "1  nothing new is opened any more, until you resume",
            "2  every order is cancelled",
            f"3  every position is closed at market: {_positions(preview)}",
            "That includes what you made by hand on these accounts.",
        ),
        keyboard(
            [
                button(
                    "Panic: cancel, close, halt",
                    PanicButton(do="yes", house=False, nonce=nonce),
                    "danger",
                )
            ],
            [button("The whole bot…", PanicButton(do="ask", house=True, nonce=0))] if admin else [],
            [button("Keep everything", PanicButton(do="keep", house=False, nonce=0))],
        ),
    )


def confirm_house(preview: PanicPreview, nonce: int) -> Screen:
    """The same for the whole bot, for an admin."""
    return Screen(
        lines(
            Text(f"{LOOK} ", Bold("Panic on the whole bot"), ":"),
            f"{count(preview.traders, 'trader')}, {count(preview.accounts, 'account')}, "
            f"{_positions(preview)}.",
            "Everything is halted, every order cancelled, every position closed at market, also "
            "what traders made by hand. Each of them is told.",
        ),
        keyboard(
            [
                button(
                    "Panic on the whole bot",
                    PanicButton(do="yes", house=True, nonce=nonce),
                    "danger",
                )
            ],
            [button("Keep everything", PanicButton(do="keep", house=True, nonce=0))],
        ),
    )


def confirm_close_all(preview: PanicPreview, nonce: int) -> Screen:
    """What "close all" will do."""
    return Screen(
        lines(
            f"Close every position at market on {count(preview.accounts, 'account')}: "
            f"{_positions(preview)}?",
            "That includes what you made by hand. Alerts go on; /panic halts them, too.",
        ),
        keyboard(
            [
                button(
                    "Close all positions",
                    PanicButton(do="close_all_yes", house=False, nonce=nonce),
                    "danger",
                )
            ],
            [button("Keep them", MenuButton(what="positions"))],
        ),
    )


def _positions(preview: PanicPreview) -> str:
    told = count(preview.positions, "open position")
    if preview.foreign_positions:
        told += f", {preview.foreign_positions} of them not the bot's"
    return told


def kept() -> Screen:
    """Nothing was done."""
    return Screen(Text("Nothing was changed."))


def progress(view: PanicView) -> Screen:
    """The one message that shows how far a panic is."""
    if view.kind == "house":
        return _house(view)
    word = "Panic" if view.kind == "panic" else "Close all"
    sign = _sign(view)
    by = ", by the operator for the whole bot" if view.by_admin else ""
    parts: list[Text | str] = [
        Text(f"{sign} ", Bold(word), by, " · ", numbers.clock_time(view.created_at))
    ]
    if view.kind == "panic":
        parts.append(
            f"{PROVED} halted: nothing new is opened"
            if not view.by_admin
            else f"{PROVED} the whole bot is halted: nothing new is opened"
        )
    for account in view.accounts:
        parts += account_lines(account, with_orders=view.kind == "panic")
    return Screen(lines(*parts), _end_keyboard(view) if view.done else None)


def _sign(view: PanicView) -> str:
    if not view.done:
        return WAITING
    return PROVED if all(row.state == "empty" for row in view.accounts) else LOOK


def account_lines(row: PanicAccountView, *, with_orders: bool) -> list[Text | str]:
    """One account: its orders, its positions, the proof."""
    sign = f"{PAPER} " if row.network == "paper" else ""
    over = row.state in ("empty", "left")
    address = short_address(row.address)
    found: list[Text | str] = [
        "",
        f"{sign}{row.network} {address} · subaccount {row.subaccount_number}",
    ]
    if with_orders:
        found.append(_orders_line(row))
    found += _position_lines(row)
    if row.state == "empty":
        at = f" in block {row.height:,}" if row.height else ""
        what = "no order and no position" if with_orders else "no position"
        found.append(f"{PROVED} {what}, as committed{at}")
    if row.trouble:
        found.append(f"{LOOK} {quiet(row.trouble)}")
    elif not over and row.still_open:
        found.append(f"{WAITING} closing what is open")
    return found


def _orders_line(row: PanicAccountView) -> str:
    if not row.orders:
        return f"{PROVED} orders: none was there" if row.state == "empty" else f"{WAITING} orders"
    sign = PROVED if row.state == "empty" else WAITING
    foreign = f", {row.foreign_orders} not made by the bot" if row.foreign_orders else ""
    gone = row.orders if row.state == "empty" else row.orders_gone
    return f"{sign} orders: {gone} of {row.orders} cancelled{foreign}"


def _position_lines(row: PanicAccountView) -> list[Text | str]:
    if not row.positions:
        settled = row.state in ("empty", "sweeping")
        return [f"{PROVED} positions: none was open" if settled else f"{WAITING} positions"]
    foreign = sum(1 for one in row.positions if not one.ours)
    closed = len(row.positions) - len(row.still_open)
    sign = WAITING if row.still_open else PROVED
    rest = f", {foreign} not made by the bot" if foreign else ""
    found: list[Text | str] = [f"{sign} positions: {closed} of {len(row.positions)} closed{rest}"]
    if row.still_open:
        found.append(Text("still open: ", *_sizes(row.still_open)))
    return found


def _sizes(found: Sequence[Found]) -> list[Text | str]:
    parts: list[Text | str] = []
    for one in found[:MAX_SHOWN]:
        if parts:
            parts.append(", ")
        parts += [market(one.ticker), f" {numbers.plain(one.size)}"]
    if len(found) > MAX_SHOWN:
        parts.append(f" and {len(found) - MAX_SHOWN} more")
    return parts


def _house(view: PanicView) -> Screen:
    """For an admin: counts, nobody's positions."""
    sign = PROVED if view.done else WAITING
    return Screen(
        lines(
            Text(
                f"{sign} ",
                Bold("Panic on the whole bot"),
                " · ",
                numbers.clock_time(view.created_at),
            ),
            f"{PROVED} halted: nothing new is opened by anybody",
            f"{sign} {view.traders_done} of {count(view.traders, 'trader')} done; each is told how "
            "his accounts stand",
        ),
        _end_keyboard(view) if view.done else None,
    )


def _end_keyboard(view: PanicView) -> InlineKeyboardMarkup | None:
    house = view.kind == "house"
    if view.kind == "close_all" or view.by_admin:
        return keyboard([button("Positions", MenuButton(what="positions"))])
    return keyboard(
        [button("Resume", PanicButton(do="resume", house=house, nonce=0))],
        [
            button("Positions", MenuButton(what="positions")),
            button("Limits", RiskButton(do="list", kind="bot", ref=0)),
        ],
    )


def told(view: PanicView) -> Screen:
    """A panic is over, or an admin's began: a message of its own, as it makes a sound."""
    if not view.done:
        return Screen(
            lines(
                Text(f"{LOOK} ", Bold("The operator stopped the whole bot.")),
                "Every order on your accounts is being cancelled and every position closed at "
                "market, also what you made by hand. I tell you when it is proved.",
            )
        )
    return progress(view)


def resumed(scopes: int, *, house: bool) -> Screen:
    """[Resume] was pressed."""
    if not scopes:
        return Screen(Text("Nothing is halted by panic any more."))
    what = "The whole bot is" if house else f"{count(scopes, 'account')} {_are(scopes)}"
    return Screen(
        Text(f"{PROVED} {what} active again. Alerts open positions from here on."),
        keyboard([button("Limits", RiskButton(do="list", kind="bot", ref=0))]),
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
