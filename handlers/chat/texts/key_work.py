"""Work on trading keys in the chat: how far it is, how it ended, and what the chain still lists."""

from __future__ import annotations

from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Code, Text

from core.trading.key_views import KeyWorkView
from handlers.chat.buttons import AccountButton, CancelButton, KeyButton, MenuButton
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.keys import can_and_cannot, fee_lines
from handlers.chat.texts.screen import (
    LOOK,
    PROVED,
    REFUSED,
    WAITING,
    Screen,
    button,
    copy_button,
    keyboard,
    lines,
    quiet,
    short_address,
)

STEPS: Final = (
    "keys stored encrypted",
    "permission in a block",
    "order signed by the new key accepted",
    "phrase's key erased",
)
CAN_BE_GIVEN_UP: Final = frozenset({"sealed", "signed", "included"})
_REACHED: Final = {
    "sealed": 1,
    "signed": 1,
    "included": 2,
    "proved": 3,
    "erased": 4,
    "done": 4,
}


def making() -> Screen:
    """The tap was taken."""
    return Screen(Text(f"{WAITING} Making the trading key."))


def progress(work: KeyWorkView) -> Screen:
    """The message that shows how far work on a key is."""
    if work.kind == "make":
        return _making_progress(work)
    if work.kind == "leave":
        return Screen(
            lines(
                _account(work),
                f"{PROVED} Disconnected."
                if work.state in ("erased", "done")
                else f"{WAITING} Disconnecting: open orders are cancelled first.",
            )
        )
    return Screen(
        lines(
            _account(work),
            f"{WAITING} Removing the key's permission from the chain."
            if work.state == "signed"
            else f"{PROVED} Removed."
            if work.state == "done"
            else f"{LOOK} Not removed.",
        )
    )


def _making_progress(work: KeyWorkView) -> Screen:
    if work.state in ("stuck", "abandoned"):
        word = "stopped, see below" if work.state == "stuck" else "given up"
        return Screen(lines(Text("Trading key · ", _account(work)), f"{LOOK} {word}"))
    reached = _REACHED[work.state]
    return Screen(
        lines(
            Text("Trading key · ", _account(work)),
            *(
                f"{PROVED if place < reached else WAITING} {step}"
                for place, step in enumerate(STEPS)
            ),
        ),
        keyboard([button("Give up…", KeyButton(action="abandon", work_id=work.id))])
        if work.state in CAN_BE_GIVEN_UP
        else None,
    )


def _account(work: KeyWorkView) -> Text:
    return Text(
        Code(short_address(work.address)),
        f" · {work.network} · subaccount {work.subaccount_number}",
    )


# ends


def told(work: KeyWorkView) -> Screen:
    """A new message: work on a key is over, or needs its trader."""
    if work.kind == "make":
        return _make_told(work)
    if work.kind == "leave":
        return _leave_told(work)
    return _removal_told(work)


def _make_told(work: KeyWorkView) -> Screen:
    if work.state == "done":
        hash_ = work.tx_hash or ""
        return Screen(
            lines(
                f"{PROVED} Your trading key works.",
                _account(work),
                *can_and_cannot(work.markets, work.subaccount_number),
                "",
                "A block holds its permission, and an order that it signed was accepted (it could "
                "not trade and was cancelled). The key of your phrase is erased.",
                Text("tx ", Code(f"{hash_[:4]}…{hash_[-4:]}")) if hash_ else None,
            ),
            keyboard([_strategy_button(work)], [button("Accounts", MenuButton(what="accounts"))]),
        )
    if work.state == "abandoned":
        return Screen(
            lines(
                f"{PROVED} Given up. Both keys are erased.",
                _orphan(work),
            ),
            keyboard(_removal_row(work), [button("Connect", MenuButton(what="connect"))]),
        )
    short_of_fee = work.code == "fee_missing"
    return Screen(
        lines(
            f"{LOOK} The trading key is not ready.",
            _account(work),
            quiet(work.text or "Something stands against it."),
            *(fee_lines(work.fees) if short_of_fee else ()),
            Code(work.address) if short_of_fee else None,
            "",
            "Until it works or you give it up, the key of your phrase stays here, encrypted.",
        ),
        keyboard(
            [copy_button("Copy address", work.address) if short_of_fee else None],
            [
                button("Try again", KeyButton(action="retry", work_id=work.id)),
                button("Give up…", KeyButton(action="abandon", work_id=work.id), "danger"),
            ],
        ),
    )


def _orphan(work: KeyWorkView) -> str | None:
    """What the chain lists, or may list later, for a key that was given up."""
    if work.authenticator_id is not None:
        return (
            "The chain lists a permission for a key that nobody has any more. It does no harm; "
            "you can have it removed."
        )
    if work.tx_hash is not None:
        return "If the permission still reaches the chain, it is for a key that nobody has."
    return None


def confirm_abandon(work_id: int) -> Screen:
    """Before a key in the making is given up."""
    return Screen(
        lines(
            f"{LOOK} Giving up erases the key of your phrase and the new key. Your funds and "
            "orders stay as they are. To connect later, begin anew.",
        ),
        keyboard(
            [button("Erase both keys", KeyButton(action="abandon_yes", work_id=work_id), "danger")],
            [button("Go on with it", KeyButton(action="retry", work_id=work_id))],
        ),
    )


def _strategy_button(work: KeyWorkView) -> InlineKeyboardButton | None:
    if work.account_id is None:
        return None
    return button("New strategy", AccountButton(action="strategy", account_id=work.account_id))


def _removal_row(work: KeyWorkView) -> list[InlineKeyboardButton]:
    if work.authenticator_id is None:
        return []
    return [
        button("Remove it with the phrase", KeyButton(action="remove", work_id=work.id)),
        button("Is it gone?", KeyButton(action="check", work_id=work.id)),
    ]


def _leave_told(work: KeyWorkView) -> Screen:
    cancelled, left = int(work.report.get("cancelled", 0)), int(work.report.get("left", 0))
    if work.state == "cancelling":
        return Screen(
            lines(
                f"{LOOK} Disconnecting takes long: {_orders(left)} not proved cancelled yet.",
                _account(work),
                "I go on. You can have the key erased at once; then what is left stays on chain "
                "and may trade until you cancel it on dydx.trade.",
            ),
            keyboard(
                [button("Erase the key now", KeyButton(action="erase", work_id=work.id), "danger")]
            ),
        )
    trading_key = work.authenticator_id is not None
    return Screen(
        lines(
            f"{PROVED} Disconnected. The key is erased and its strategies are paused.",
            _account(work),
            f"{_orders(cancelled)} cancelled and proved gone."
            if cancelled and not work.report.get("unproved")
            else None,
            f"{LOOK} {_orders(left)} still open that I could not cancel: look on dydx.trade."
            if left
            else f"{LOOK} Whether all orders are gone is not proved: look on dydx.trade."
            if work.report.get("unproved")
            else None,
            "Copies of the database made earlier still hold the key, encrypted.",
            "",
            f"The chain still lists the key's permission (id {work.authenticator_id}). A trading "
            "key cannot remove itself: remove it on dydx.trade under API Trading Keys, or let me "
            "do it with the phrase of your account."
            if trading_key
            else None,
        ),
        keyboard(_removal_row(work), [button("All accounts", MenuButton(what="accounts"))]),
    )


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count} orders"


def ask_removal(work: KeyWorkView) -> Screen:
    """The phrase is needed once more."""
    return Screen(
        lines(
            _account(work),
            f"To remove the permission (id {work.authenticator_id}) the chain wants a signature of "
            "your account. Send its secret phrase as one message: 12 to 24 words.",
            "I delete the message first, sign once and forget the phrase; nothing of it is stored. "
            "It will have passed through Telegram. A network fee of less than a cent is paid from "
            "the wallet.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def removal_refused(text: str, *, deleted_line: str) -> Screen:
    """The phrase could not be used for the removal."""
    return Screen(
        lines(deleted_line, f"{REFUSED} {quiet(text)}", "Send the phrase again.", CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def removing(*, deleted_line: str) -> Screen:
    """The removal was signed."""
    return Screen(lines(deleted_line, f"{WAITING} Removing the key's permission from the chain."))


def _removal_told(work: KeyWorkView) -> Screen:
    if work.state == "done":
        return revoked(work.authenticator_id)
    return Screen(
        lines(
            f"{LOOK} The key's permission was not removed.",
            quiet(work.text or ""),
        ),
        keyboard([button("Try again", KeyButton(action="remove", work_id=work.id))]),
    )


def revoked(authenticator_id: int | None) -> Screen:
    """The chain lists the key no more."""
    return Screen(
        Text(f"{PROVED} Revoked: the chain lists the key (id {authenticator_id}) no more."),
        keyboard([button("All accounts", MenuButton(what="accounts"))]),
    )


def still_listed(work: KeyWorkView) -> Screen:
    """The chain lists the key still."""
    return Screen(
        lines(
            f"{LOOK} Not revoked: the chain still lists the key (id {work.authenticator_id}).",
            "Its key is erased here; whoever else has it could still trade with it.",
        ),
        keyboard(_removal_row(work)),
    )
