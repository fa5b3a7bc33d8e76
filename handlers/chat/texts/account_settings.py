"""What a trader decides of an account, each choice with its consequence."""

from __future__ import annotations

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Text

from core.trading.views import AccountView
from handlers.chat.buttons import AccountButton
from handlers.chat.texts.accounts import account_line
from handlers.chat.texts.screen import PROVED, WATCHED, Screen, button, keyboard, lines


def settings_screen(account: AccountView) -> Screen:
    """Sharing of markets, and entries without room for a stop."""

    def act(label: str, action: str, *, chosen: bool) -> InlineKeyboardButton:
        data = AccountButton.model_validate({"action": action, "account_id": account.id})
        return button(f"{PROVED} {label}" if chosen else label, data)

    watch = account.without_stop_room == "watch"
    return Screen(
        lines(
            account_line(account),
            "",
            Text(Bold("Sharing"), f" {_sharing_words(account)}"),
            "It can be changed only while the account is flat.",
            "",
            Text(Bold("No room for a stop"), f" {_room_words(account)}"),
        ),
        keyboard(
            [
                act("Sharing off", "share_not", chosen=not account.sharing),
                act("Sharing on", "share", chosen=account.sharing),
            ],
            [
                act("Refuse", "room_refuse", chosen=not watch),
                act("Trade, watch", "room_watch", chosen=watch),
            ],
            [button("Back", AccountButton(action="show", account_id=account.id))],
        ),
    )


def _sharing_words(account: AccountView) -> str:
    if account.sharing:
        return (
            "on: several strategies may hold one market. Each closes its own share; the chain "
            "holds the sum, and the newest plan covers it."
        )
    return (
        "off: a market belongs to the strategy that opened it until it is flat. Entries of others "
        "are refused."
    )


def _room_words(account: AccountView) -> str:
    if account.without_stop_room == "watch":
        return (
            f"watch: the entry is traded and I watch its stop {WATCHED}. If I am down, nothing "
            "protects that position."
        )
    return (
        "refuse: dYdX allows a small account few resting orders. An entry whose stop has no place "
        "on chain is refused."
    )
