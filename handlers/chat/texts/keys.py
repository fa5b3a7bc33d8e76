"""Trading keys in the chat: the ways to connect, the offer, the progress, the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Text

from core.dydx.network import NetworkName
from core.trading.key_views import FeeView, KeyOffer, KeyWorkView
from handlers.chat.buttons import (
    AccountButton,
    CancelButton,
    KeyButton,
    MenuButton,
    OfferButton,
    WayButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
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

SHOWN_MARKETS: Final = 6


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


def _fee_lines(fees: Sequence[FeeView]) -> list[Text | str]:
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
                *_fee_lines(found.fees),
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
            *(_fee_lines(work.fees) if short_of_fee else ()),
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
