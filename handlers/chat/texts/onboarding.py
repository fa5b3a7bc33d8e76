"""The first two minutes: where to start, how to connect, which account."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Text

from core.dydx.network import NetworkName
from core.trading.views import AccountView, CredentialPreview
from handlers.chat.buttons import (
    CancelButton,
    MenuButton,
    NetworkButton,
    PreviewButton,
    SettingButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.keys import REPLACES, can_and_cannot
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROVED,
    WAITING,
    Screen,
    button,
    keyboard,
    lines,
    quiet,
    short_address,
)

NETWORK_LABELS: Final[dict[NetworkName, str]] = {
    "paper": f"{PAPER} Paper – play money",
    "testnet": "Testnet",
    "mainnet": "Mainnet",
}


def network_rows(networks: Sequence[NetworkName]) -> list[list[InlineKeyboardButton]]:
    """A button per network that is offered."""
    return [[button(NETWORK_LABELS[name], NetworkButton(network=name))] for name in networks]


def welcome(networks: Sequence[NetworkName]) -> Screen:
    """/start of somebody without an account."""
    return Screen(
        lines(
            "Perpgram turns your TradingView alerts into dYdX trades and protects each position.",
            "",
            "Where do you want to start?"
            if networks
            else f"{LOOK} No network is offered just now.",
        ),
        keyboard(*network_rows(networks)),
    )


def welcome_back(networks: Sequence[NetworkName], *, admin: bool) -> Screen:
    """/start of somebody who has an account."""
    return Screen(
        lines(
            "Perpgram is here. Your accounts and strategies are as you left them.",
            "/requests shows who waits to be let in." if admin else None,
        ),
        keyboard(
            [
                button("Positions", MenuButton(what="positions")),
                button("Orders", MenuButton(what="orders")),
            ],
            [
                button("Strategies", MenuButton(what="strategies")),
                button("Accounts", MenuButton(what="accounts")),
            ],
            [
                button("Settings", SettingButton(what="show")),
                button("Status", MenuButton(what="status")),
            ],
            [button("Connect another account", MenuButton(what="connect"))] if networks else [],
        ),
    )


def connect(networks: Sequence[NetworkName]) -> Screen:
    """Another account."""
    return Screen(
        Text("Where is the account to connect?"),
        keyboard(*network_rows(networks), [button("Cancel", CancelButton())]),
    )


def opening_paper() -> Screen:
    """While the paper account is made."""
    return Screen(Text(f"{WAITING} Making a paper account and funding it."))


def paper_ready(account: AccountView) -> Screen:
    """The paper account is there."""
    return Screen(
        lines(
            f"{PAPER} Your paper account is ready.",
            Text(
                Code(short_address(account.address)), f" · subaccount {account.subaccount_number}"
            ),
            _funds(account.equity, account.free_collateral),
            "Play money on a dYdX of our own: real protocol, no real funds.",
        )
    )


def paper_exists(account: AccountView) -> Screen:
    """A second tap on paper."""
    return Screen(
        lines(
            f"{PAPER} You have a paper account already.",
            Text(
                Code(short_address(account.address)), f" · subaccount {account.subaccount_number}"
            ),
        ),
        keyboard(
            [
                button("Strategies", MenuButton(what="strategies")),
                button("Accounts", MenuButton(what="accounts")),
            ]
        ),
    )


def ask_phrase(network: NetworkName, *, once: bool) -> Screen:
    """Before the phrase is sent: what happens to it and what it can do. `once`: it makes a trading
    key and is forgotten; else its signing key is kept.
    """
    head = (
        f"Send the secret phrase of your {network} account as one message: 12 to 24 words. "
        "I delete the message first and read it second. It will have passed through Telegram.",
        "",
        Bold("What I keep"),
    )
    if once:
        kept: tuple[Text | str, ...] = (
            "A new key that can only trade. The phrase's own key is kept encrypted until a block "
            "holds the permission and an order signed by the new key was accepted; then it is "
            "erased. I show the network fee and sign nothing before you say yes.",
        )
    else:
        kept = (
            "One signing key made from the phrase, encrypted. The phrase itself is forgotten.",
            "",
            Bold("What it can do"),
            "Everything your account can, withdrawing included. I only trade with it, but whoever "
            "breaks in here could move the funds. Use an account that holds no more than you trade "
            "with.",
        )
    return Screen(
        lines(*head, *kept, "", CANCEL_LINE), keyboard([button("Cancel", CancelButton())])
    )


def deletion_line(*, deleted: bool) -> str:
    """What became of the message with the phrase."""
    if deleted:
        return f"{PROVED} Your message is deleted."
    return f"{LOOK} I could not delete your message. Delete it yourself now: hold it, then Delete."


def looking_up(*, deleted: bool) -> Screen:
    """The phrase is in hand and the account is asked for."""
    return Screen(lines(deletion_line(deleted=deleted), f"{WAITING} Looking up the account."))


def phrase_refused(text: str, *, deleted: bool) -> Screen:
    """The phrase did not lead to an account."""
    return Screen(
        lines(
            deletion_line(deleted=deleted),
            f"{LOOK} {quiet(text)}",
            "Nothing was kept. Send the phrase again as one message of 12 to 24 words.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def secret_needs_text(*, deleted: bool) -> Screen:
    """A picture or file where a phrase or key was awaited."""
    return Screen(
        lines(
            deletion_line(deleted=deleted),
            "I read phrases and keys from text only, as one message.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def ask_again(*, key: bool = False) -> Screen:
    """The bot was restarted while it waited for a phrase (`key`: a trading key), or had one in
    memory.
    """
    what = "key" if key else "phrase"
    again = (
        "send the key and the address of your account again as one message."
        if key
        else "send the phrase again as one message of 12 to 24 words."
    )
    return Screen(
        lines(
            f"{LOOK} I was restarted or waited too long, and nothing of your {what} was kept.",
            f"If your message with it is still in this chat, delete it. Then {again}",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def preview(found: CredentialPreview, *, deleted: bool) -> Screen:
    """The account that a phrase or key leads to, for confirmation."""
    return Screen(
        lines(
            deletion_line(deleted=deleted),
            Text(
                Code(short_address(found.address)),
                f" · {found.network} · subaccount {found.subaccount_number}",
            ),
            _funds(found.equity, found.free_collateral),
            None
            if found.known_on_chain
            else f"{LOOK} The chain does not know this account yet: nothing was ever deposited.",
            *_key_lines(found),
            REPLACES if found.replaces else None,
            "",
            "Is this your account?",
            CANCEL_LINE,
        ),
        keyboard(
            [
                button("Yes, this one", PreviewButton(yes=True), "success"),
                button("No", PreviewButton(yes=False)),
            ]
        ),
    )


def _key_lines(found: CredentialPreview) -> list[str]:
    if found.kind != "trading_key":
        return []
    return [
        "",
        f"{PROVED} The chain lists the key (id {found.authenticator_id}).",
        *can_and_cannot(found.markets, found.subaccount_number),
    ]


def connected(account: AccountView) -> Screen:
    """The account is stored."""
    return Screen(
        lines(
            f"{PROVED} Connected. The trading key is stored encrypted; it cannot withdraw."
            if account.credential == "trading_key"
            else f"{PROVED} Connected. The key is stored encrypted; the phrase is forgotten.",
            Text(
                Code(short_address(account.address)),
                f" · {account.network} · subaccount {account.subaccount_number}",
            ),
        )
    )


def preview_rejected(*, key: bool) -> Screen:
    """No, not that account."""
    return Screen(
        lines(
            "Forgotten; nothing was kept.",
            "Send another key with the address of its account as one message."
            if key
            else "Send another phrase as one message of 12 to 24 words.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def waiting_for_approval(telegram_id: int) -> Screen:
    """Somebody whom no admin has let in yet."""
    return Screen(
        lines(
            "This bot lets people in by hand. The operator was asked; you hear from me here.",
            Text("Your Telegram id: ", Code(str(telegram_id))),
        )
    )


def turned_away(telegram_id: int) -> Screen:
    """Somebody who may not use this bot."""
    return Screen(
        lines(
            "This bot is not open to you. If you think it should be, give its operator your id.",
            Text("Your Telegram id: ", Code(str(telegram_id))),
        )
    )


def now_admin() -> Screen:
    """The admin link worked."""
    return Screen(
        lines(
            f"{PROVED} You are the admin of this bot now. The link is used up.",
            "Who asks to be let in is shown to you here, and under /requests.",
        )
    )


def _funds(equity: Decimal | None, free: Decimal | None) -> str:
    if equity is None:
        return "Equity unknown: the network does not answer just now"
    shown = f"Equity {numbers.usdc(equity)}"
    return shown if free is None else f"{shown} · free {numbers.amount(free)}"


def tap_instead(*, deleted: bool) -> Screen:
    """Words while the answer to the preview is awaited."""
    return Screen(
        lines(
            deletion_line(deleted=deleted),
            "Answer with a button above: is it your account, or not?",
            CANCEL_LINE,
        )
    )
