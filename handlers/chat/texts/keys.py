"""Trading keys in the chat: the ways to connect, and the offer to make one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiogram.utils.formatting import Bold, Code, Text

from core.dydx.network import NetworkName
from core.trading.key_views import FeeView, KeyOffer
from handlers.chat.buttons import (
    CancelButton,
    OfferButton,
    WayButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.screen import (
    LOOK,
    REFUSED,
    Screen,
    button,
    copy_button,
    keyboard,
    lines,
    quiet,
    short_address,
)

SHOWN_MARKETS: Final = 6
REPLACES: Final = (
    "This account is connected already: the new key takes the place of the one it has. Strategies "
    "and positions stay."
)


def ways(network: NetworkName) -> Screen:
    """How to connect on a network."""
    return Screen(
        lines(
            f"How do you want to connect on {network}?",
            "",
            Text(
                Bold("1  Trading key"), " – made on dydx.trade, can trade, cannot withdraw. Best."
            ),
            Text(
                Bold("2  Secret phrase, used once"),
                " – I make my own trading key with it and forget it.",
            ),
            Text(
                Bold("3  Secret phrase, its key kept encrypted"),
                " – simplest; whoever breaks in here could move your funds.",
            ),
        ),
        keyboard(
            [button("1 Trading key", WayButton(way="key", network=network))],
            [
                button("2 Use phrase once", WayButton(way="once", network=network)),
                button("3 Keep phrase", WayButton(way="keep", network=network)),
            ],
            [button("What is the difference?", WayButton(way="why", network=network))],
            [button("Cancel", CancelButton())],
        ),
    )


def difference(network: NetworkName) -> Screen:
    """What each way stores, and what a thief could do with it."""
    return Screen(
        lines(
            Bold("What I would keep, and what a thief could do with it"),
            "",
            "1  A key that the chain lets only place and cancel orders of one subaccount. A thief "
            "could trade badly with it, not withdraw. You can remove it on dydx.trade at any time.",
            "",
            "2  The same kind of key, limited to one subaccount and to the most traded markets. I "
            "need the phrase once, for the signature that permits the key, and keep it encrypted "
            "only until the chain shows that the key works. The permission costs a network fee of "
            "less than a cent.",
            "",
            "3  The signing key of your account. A thief could withdraw everything.",
            "",
            "Whatever you send has passed through Telegram.",
        ),
        keyboard([button("Back", WayButton(way="choose", network=network))]),
    )


def ask_key(network: NetworkName) -> Screen:
    """Before a trading key is sent."""
    return Screen(
        lines(
            "Make a key on dydx.trade under API Trading Keys. It shows the private key once.",
            "",
            f"Send me both as one message: the address of your {network} account (dydx1…) and the "
            "private key (0x…). I delete the message first and read it second. It will have passed "
            "through Telegram.",
            "",
            "I then ask the chain what the key can do, and refuse one that could withdraw.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def address_noted(address: str) -> Screen:
    """The address came alone."""
    return Screen(
        lines(
            Text("Noted: ", Code(short_address(address)), "."),
            "Now send the private key (0x…).",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def key_refused(text: str, *, deleted_line: str) -> Screen:
    """A trading key was not taken."""
    return Screen(
        lines(
            deleted_line,
            f"{REFUSED} {quiet(text)}",
            "Nothing was kept. Send the address and the private key as one message.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def markets_line(markets: Sequence[str] | None) -> str:
    """Which markets a key may trade."""
    if markets is None:
        return "Markets: all"
    shown = ", ".join(markets[:SHOWN_MARKETS])
    more = len(markets) - SHOWN_MARKETS
    return f"Markets: {shown}" + (f" and {more} more" if more > 0 else "")


def can_and_cannot(markets: Sequence[str] | None, number: int) -> list[str]:
    """What the chain says of a trading key."""
    return [
        f"Can: place and cancel orders, subaccount {number} only",
        markets_line(markets),
        "Cannot: withdraw, transfer, change permissions",
    ]


# making


def _fee(view: FeeView) -> str:
    return f"{numbers.plain(view.amount)} {view.coin}"


def fee_lines(fees: Sequence[FeeView]) -> list[Text | str]:
    """The fee in each coin, what the wallet holds of it and what is missing."""
    return [
        f"{view.coin}: fee {numbers.plain(view.amount)}, wallet {numbers.plain(view.held)}"
        + (f", missing {numbers.plain(view.missing)}" if view.missing else "")
        for view in fees
    ]


def offer(found: KeyOffer, *, deleted_line: str | None = None) -> Screen:
    """What making a key takes: shown before anything is signed."""
    account = Text(
        Code(short_address(found.address)),
        f" · {found.network} · subaccount {found.subaccount_number}",
    )
    head: list[Text | str | None] = [
        deleted_line,
        account,
        "Equity unknown" if found.equity is None else f"Equity {numbers.usdc(found.equity)}",
        REPLACES if found.replaces else None,
        "",
        Bold("The key that I would make"),
        *can_and_cannot(found.markets, found.subaccount_number),
        None
        if len(found.markets) == found.markets_listed
        else f"The chain takes no longer list: these are the {len(found.markets)} most traded of "
        f"{found.markets_listed}.",
        "",
    ]
    if found.pays is None:
        return Screen(
            lines(
                *head,
                f"{LOOK} The wallet cannot pay the network fee. One of these is enough:",
                *fee_lines(found.fees),
                "The fee is paid from the wallet, not from the trading account. Send it to:",
                Code(found.address),
                "",
                "Nothing was signed. I hold the key in memory for ten minutes.",
                CANCEL_LINE,
            ),
            keyboard(
                [copy_button("Copy address", found.address)],
                [
                    button("Check again", OfferButton(do="check")),
                    button("Other ways", OfferButton(do="other")),
                ],
                [button("Cancel", CancelButton())],
            ),
        )
    pays = next(view for view in found.fees if view.coin == found.pays)
    return Screen(
        lines(
            *head,
            f"Network fee: {_fee(pays)}; the wallet holds {numbers.plain(pays.held)} {pays.coin}.",
            "Nothing is signed yet.",
            "",
            "Is this your account, and shall I make the key?",
            CANCEL_LINE,
        ),
        keyboard(
            [button("Yes, make the key", OfferButton(do="make"), "success")],
            [button("Other ways", OfferButton(do="other")), button("Cancel", CancelButton())],
        ),
    )
