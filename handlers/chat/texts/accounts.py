"""Accounts: what they hold and how they are disconnected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Text

from core.trading.key_views import KeyWorkView
from core.trading.views import AccountView
from handlers.chat.buttons import (
    AccountButton,
    CancelButton,
    KeyButton,
    MenuButton,
    RiskButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.keys import markets_line
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    WAITING,
    Screen,
    button,
    keyboard,
    lines,
    short_address,
)

MAX_LISTED: Final = 20


def account_line(account: AccountView) -> Text:
    """Network and address of an account, on one line."""
    sign = f"{PAPER} " if account.network == "paper" else ""
    return Text(
        sign, account.network, " · ", Code(short_address(account.address)),
        f" · {account.subaccount_number}",
    )  # fmt: skip


def funds(account: AccountView) -> str:
    """Equity and free collateral of an account, as far as they are known."""
    if account.equity is None:
        return "equity unknown: the network does not answer just now"
    shown = f"equity {numbers.usdc(account.equity)}"
    free = account.free_collateral
    return shown if free is None else f"{shown} · free {numbers.amount(free)}"


def key_trouble(account: AccountView) -> list[Text]:
    """Said of an account whose key the chain refuses."""
    if account.key_lost_at is None:
        return []
    return [
        Text(
            f"{LOOK} its key is refused since ",
            numbers.date_time(account.key_lost_at),
            ": nothing can be opened or closed. Connect a new one.",
        )
    ]


def account_list(accounts: Sequence[AccountView], works: Sequence[KeyWorkView] = ()) -> Screen:
    """/accounts; `works`: keys that are being made, and accounts that are being disconnected."""
    if not accounts and not works:
        return Screen(
            Text("No account is connected yet."),
            keyboard([button("Connect an account", MenuButton(what="connect"))]),
        )
    parts: list[Text | str] = [Bold("Accounts")]
    for account in accounts[:MAX_LISTED]:
        parts += [account_line(account), funds(account), *key_trouble(account)]
    return Screen(
        lines(*parts),
        keyboard(
            *(
                [
                    button(
                        f"{account.network} · {short_address(account.address)}",
                        AccountButton(action="show", account_id=account.id),
                    )
                ]
                for account in accounts[:MAX_LISTED]
            ),
            *([_work_button(work)] for work in works[:MAX_LISTED]),
            [button("Connect another", MenuButton(what="connect"))],
        ),
    )


def _work_button(work: KeyWorkView) -> InlineKeyboardButton:
    what = {"make": "Trading key", "leave": "Disconnecting", "remove": "Removing a key"}[work.kind]
    sign = LOOK if work.state == "stuck" else WAITING
    label = f"{sign} {what} · {short_address(work.address)}"
    return button(label, KeyButton(action="show", work_id=work.id))


def account_screen(account: AccountView) -> Screen:
    """One account with its buttons."""
    return Screen(
        lines(
            account_line(account),
            Code(account.address),
            funds(account),
            *key_trouble(account),
            *_credential(account),
        ),
        keyboard(
            [
                button("New strategy", AccountButton(action="strategy", account_id=account.id)),
                button("Settings", AccountButton(action="settings", account_id=account.id)),
            ],
            [button("Limits", RiskButton(do="show", kind="account", ref=account.id))],
            [
                button(
                    "Disconnect…",
                    AccountButton(action="disconnect", account_id=account.id),
                    "danger",
                )
            ],
            [button("All accounts", MenuButton(what="accounts"))],
        ),
    )


def _credential(account: AccountView) -> list[str]:
    """What signs for the account, and what it can do."""
    if account.credential != "trading_key":
        return ["Signs with: the account's own key, stored encrypted. It could withdraw."]
    return [
        f"Signs with: a trading key (id {account.authenticator_id}). It cannot withdraw.",
        markets_line(account.markets),
    ]


def confirm_disconnect(account: AccountView) -> Screen:
    """Before a key is erased."""
    return Screen(
        lines(
            account_line(account),
            f"{LOOK} Disconnecting cancels every open order of this account that its key can "
            "cancel, also those that I did not place, and then erases the key that I keep. "
            "Strategies are paused and I can no longer close anything. The funds stay where they "
            "are."
            + (
                " Nobody has the phrase of a paper account: its play money is lost."
                if account.network == "paper"
                else ""
            ),
        ),
        keyboard(
            [
                button(
                    "Erase the key and disconnect",
                    AccountButton(action="erase", account_id=account.id),
                    "danger",
                )
            ],
            [button("Keep it", CancelButton())],
        ),
    )
